"""The D-Bus service: the daemon object on the session bus, served by a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from dbus_fast import DBusError, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.constants import NameFlag, RequestNameReply
from dbus_fast.errors import AuthError, InvalidAddressError

from ..bus.bus_loss import LOST, keep_out_of_the_log
from ..bus.session_bus import BUS_NAME, OBJECT_PATH, session_bus_address, to_bus
from ..errors import AlreadyRunningError, NotRunningError
from ..hearing.listening import End
from ..hearing.playback import What
from ..i18n import _
from ..settings.file import SettingsFile
from .asker import Asker
from .call_guard import refusal
from .controls import Controls
from .daemon_object import DaemonObject
from .watchers import Watchers

log = logging.getLogger(__name__)

_WATCH_SECONDS = 0.1
_SPECTRA_SECONDS = 0.05
_CONNECT_SECONDS = 5.0
_RETRY_SECONDS = 3.0
_LIVE = frozenset({"InputLevel", "OutputLevel", "NoiseReduction", "TransportLatency", "Counters"})
"""Properties that change by themselves all the time; signalled only while somebody watches."""


class ControlService:
    """Serves ``controls`` from ``start`` to ``stop``, on the thread "control", through losses of the bus.

    Sleeps while nobody asks and nothing changes.
    """

    def __init__(self, controls: Controls, store: SettingsFile, on_death: Callable[[], None] = lambda: None) -> None:
        """``store`` gets every change of settings that comes over the bus.

        ``on_death`` is called in the control thread when a fault of the program ends it; ``fault`` is that fault.
        """
        self.fault: Exception | None = None
        self._controls = controls
        self._on_death = on_death
        self._asker = Asker(controls.listening, self._ask_bus, self._start)
        controls.listening.on_end = lambda what, why: self._call(lambda: self._tell_end(what, why))
        self._object = DaemonObject(
            controls,
            store,
            self._publish,
            lambda: self._caller,
            self._follow,
            self._asker,
            self._watch,
            self._watch_spectra,
        )
        self._names = self._object.property_names
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._bus: MessageBus | None = None
        self._published: dict[str, Any] = {}
        self._microphones: object = None
        self._caller = ""
        self._watchers = Watchers(self._ask_bus, self._start, self._publish, _WATCH_SECONDS)
        self._spectators = Watchers(
            self._ask_bus,
            self._start,
            self._show_spectra,
            _SPECTRA_SECONDS,
            on_end=lambda: self._controls.watch_spectra(False),
        )
        self._pushers = Watchers(
            self._ask_bus,
            self._start,
            lambda: None,
            _WATCH_SECONDS,
            on_end=self._object.lose,
            on_gone=self._object.lose,
        )
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> bool:
        """Own the bus name; False, having said why, while there is no bus yet. AlreadyRunningError if it is owned."""
        started: Future[bool] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="control", daemon=True)
        self._thread.start()
        try:
            return started.result()
        except AlreadyRunningError:
            self._thread.join()
            self._thread = None
            raise

    def stop(self) -> None:
        """Leave the bus. May be called twice, and without ``start``."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._end is not None:
            self._call(self._end.set)
        thread.join()

    def changed(self) -> None:
        """The status, the settings or the microphones changed: tell whoever listens. Returns at once."""
        self._call(self._publish)

    def _call(self, callback: Any) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop was closed meanwhile: nobody to tell
            log.debug("a change came after the end of the service")

    def _run(self, started: Future[bool]) -> None:
        try:
            asyncio.run(self._serve(started))
        except Exception as error:
            if not started.done():
                started.set_exception(error)
                return
            log.exception("the control thread died")
            self.fault = error
            self._on_death()
        finally:
            self._loop = None

    async def _serve(self, started: Future[bool]) -> None:
        """Be on the bus until the end, or whenever there is one."""
        self._end = asyncio.Event()
        self._published = self._values()
        self._loop = asyncio.get_running_loop()
        keep_out_of_the_log()
        is_lost = False
        while not self._end.is_set():
            try:
                bus = await self._connect()
                if is_lost:
                    log.info(_("the session bus is back"))
                is_lost = False
                if not started.done():
                    started.set_result(True)
                await self._stay(bus)
                reason = _("the session bus is gone; the daemon goes on without it")
            except AlreadyRunningError as error:
                if not started.done():
                    raise
                reason = str(error)
            except NotRunningError as error:
                reason = str(error)
            if self._end.is_set():
                break
            if not is_lost:
                log.warning("%s", reason)
            is_lost = True
            if not started.done():
                started.set_result(False)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), _RETRY_SECONDS)

    async def _connect(self) -> MessageBus:
        """A bus on which the name is ours. NotRunningError if there is no bus, AlreadyRunningError if the name is taken."""
        address = session_bus_address()
        if address is None:
            raise NotRunningError(_("no session bus: the tray and the densenoiser command cannot reach this daemon"))
        bus = None
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                bus = await MessageBus(bus_address=address, negotiate_unix_fd=True).connect()
                bus.add_message_handler(self._on_message)
                bus.export(OBJECT_PATH, self._object)
                self._published = self._values()
                self._microphones = self._controls.microphones
                reply = await bus.request_name(BUS_NAME, NameFlag.DO_NOT_QUEUE)
        except (*LOST, InvalidAddressError, AuthError, DBusError) as error:
            if bus is not None:
                bus.disconnect()
            raise NotRunningError(
                _(
                    "no session bus at {address} ({error}): the tray and the densenoiser command cannot reach this daemon"
                ).format(address=address, error=str(error) or _("no answer"))
            ) from error
        if reply is not RequestNameReply.PRIMARY_OWNER:
            bus.disconnect()
            raise AlreadyRunningError(_("densenoised is already running; see: densenoiser status"))
        return bus

    async def _stay(self, bus: MessageBus) -> None:
        """Serve until the bus is lost or the service ends."""
        assert self._end is not None
        self._bus = bus
        self._publish()
        waiting = [asyncio.ensure_future(self._end.wait()), asyncio.ensure_future(bus.wait_for_disconnect())]  # type: ignore[no-untyped-call]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            self._watchers.clear()
            self._spectators.clear()
            self._asker.clear()
            self._pushers.clear()
            self._object.lose()
            self._bus = None
            bus.disconnect()

    def _values(self) -> dict[str, Any]:
        self._object.look()
        return {name: getattr(self._object, name) for name in self._names}

    def _publish(self) -> None:
        """Signal whatever differs from what was signalled last."""
        values = self._values()
        if not self._watchers:
            values |= {name: self._published[name] for name in _LIVE}
        changed = {name: value for name, value in values.items() if value != self._published[name]}
        self._published = values
        if changed:
            self._object.emit_properties_changed(changed)
        microphones = self._controls.microphones
        if microphones != self._microphones:
            self._microphones = microphones
            self._object.MicrophonesChanged()

    def _on_message(self, message: Message) -> Message | None:
        """Before each message: look at the daemon once, remember the caller, forget a watcher that left the bus."""
        self._object.look()
        self._caller = message.sender or ""
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged":
            name, _old, new = message.body
            if not new:
                self._watchers.remove(name)
                self._spectators.remove(name)
                self._asker.gone(name)
                self._pushers.remove(name)
                self._object.lose(name)
        self._asker.note(message)
        return self._asker.refusal(message) or refusal(message)

    def _watch(self, wanted: bool) -> None:
        if wanted:
            self._watchers.add(self._caller)
        else:
            self._watchers.remove(self._caller)

    def _follow(self, wanted: bool) -> None:
        if wanted:
            self._pushers.add(self._caller)
        else:
            self._pushers.remove(self._caller)

    def _watch_spectra(self, wanted: bool) -> None:
        if wanted:
            self._controls.watch_spectra(True)
            self._spectators.add(self._caller)
        else:
            self._spectators.remove(self._caller)

    def _tell_end(self, what: What, why: End) -> None:
        reason = self._asker.ended(what, why)
        self._publish()
        self._object.ListeningEnded(str(what), reason)

    def _show_spectra(self) -> None:
        spectra = self._controls.spectra()
        if spectra is not None:
            self._object.Spectra(*spectra)

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps no task alive
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask_bus(self, member: str, argument: str) -> list[Any]:
        """The answer of the bus itself; [] if it is gone."""
        bus = self._bus
        if bus is None:
            return []
        try:
            reply = await bus.call(to_bus(member, argument))
        except (*LOST, DBusError):  # ``_stay`` hears of it too, and says so
            return []
        return reply.body if reply is not None else []
