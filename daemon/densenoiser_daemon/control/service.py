"""The D-Bus service: the daemon object on the session bus, served by a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

from dbus_fast import Message, MessageFlag, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.constants import NameFlag, RequestNameReply
from dbus_fast.errors import AuthError, InvalidAddressError

from ..errors import AlreadyRunningError
from ..i18n import _
from ..settings_file import SettingsFile
from .bus import BUS_NAME, OBJECT_PATH, session_bus_address, to_bus
from .daemon_object import DaemonObject
from .interface import Controls

log = logging.getLogger(__name__)

_WATCH_SECONDS = 0.1
_CONNECT_SECONDS = 5.0
_LIVE = frozenset({"InputLevel", "OutputLevel", "NoiseReduction", "TransportLatency", "Counters"})
"""Properties that change by themselves all the time; signalled only while somebody watches."""


class ControlService:
    """Serves ``controls`` from ``start`` to ``stop``, on the thread "control". Sleeps while nobody asks and nothing changes."""

    def __init__(self, controls: Controls, store: SettingsFile) -> None:
        """``store`` gets every change of settings that comes over the bus."""
        self._controls = controls
        self._object = DaemonObject(controls, store, self._publish, self._watch)
        self._names = self._object.property_names
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._bus: MessageBus | None = None
        self._published: dict[str, Any] = {}
        self._microphones: object = None
        self._caller = ""
        self._watchers: set[str] = set()
        self._metering: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- any thread ----------------------------------------------------------------------------------------------------

    def start(self) -> bool:
        """Own the bus name; False, having said why, where there is no bus. AlreadyRunningError if it is owned."""
        address = session_bus_address()
        if address is None:
            log.warning(_("no session bus: the tray and the densenoiser command cannot reach this daemon"))
            return False
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(address, started), name="control", daemon=True)
        self._thread.start()
        try:
            started.result()
        except (OSError, InvalidAddressError, AuthError, TimeoutError) as error:
            self._thread.join()
            self._thread = None
            log.warning(
                _("no session bus at {address} ({error}): the tray and the densenoiser command cannot reach this daemon").format(
                    address=address, error=error or _("no answer")
                )
            )
            return False
        except AlreadyRunningError:
            self._thread.join()
            self._thread = None
            raise
        return True

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

    # -- the control thread --------------------------------------------------------------------------------------------

    def _run(self, address: str, started: Future[None]) -> None:
        try:
            asyncio.run(self._serve(address, started))
        except Exception as error:
            if started.done():
                log.exception("the control thread died; the daemon goes on without D-Bus")
            else:
                started.set_exception(error)
        finally:
            self._loop = None

    async def _serve(self, address: str, started: Future[None]) -> None:
        self._end = asyncio.Event()
        self._bus = bus = MessageBus(bus_address=address)
        async with asyncio.timeout(_CONNECT_SECONDS):
            await bus.connect()
        try:
            bus.add_message_handler(self._note_caller)
            bus.export(OBJECT_PATH, self._object)
            self._published = self._values()
            self._microphones = self._controls.microphones
            async with asyncio.timeout(_CONNECT_SECONDS):
                reply = await bus.request_name(BUS_NAME, NameFlag.DO_NOT_QUEUE)
            if reply is not RequestNameReply.PRIMARY_OWNER:
                raise AlreadyRunningError(_("densenoised is already running; see: densenoiser status"))
            self._loop = asyncio.get_running_loop()
            started.set_result(None)
            self._publish()
            ended = asyncio.ensure_future(self._end.wait())
            lost = asyncio.ensure_future(bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
            await asyncio.wait((ended, lost), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                cause = lost.exception()
                log.warning(_("the session bus is gone; the daemon goes on without it"))
                log.debug("the bus ended with %r", cause)
        finally:
            bus.disconnect()

    def _values(self) -> dict[str, Any]:
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

    def _note_caller(self, message: Message) -> None:
        """Before each message: remember who calls, and drop a watcher that left the bus."""
        self._caller = message.sender or ""
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged":
            name, _old, new = message.body
            if name in self._watchers and not new:
                self._unwatch(name)

    def _watch(self, wanted: bool) -> None:
        if not wanted:
            self._unwatch(self._caller)
            return
        if self._caller not in self._watchers:
            self._watchers.add(self._caller)
            self._start(self._follow(self._caller))
        if self._metering is None:
            self._metering = self._start(self._meter())

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps no task alive
        task.add_done_callback(self._tasks.discard)
        return task

    def _unwatch(self, name: str) -> None:
        if name in self._watchers:
            self._watchers.remove(name)
            self._send("RemoveMatch", _end_of(name))

    async def _meter(self) -> None:
        """Signal what is live until nobody watches."""
        while self._watchers:
            self._publish()
            await asyncio.sleep(_WATCH_SECONDS)
        self._metering = None

    async def _follow(self, name: str) -> None:
        """Hear of the end of a client, which may have come already."""
        self._send("AddMatch", _end_of(name))
        assert self._bus is not None
        reply = await self._bus.call(to_bus("NameHasOwner", name))
        if reply is not None and reply.body == [False]:
            self._unwatch(name)

    def _send(self, member: str, argument: str) -> None:
        assert self._bus is not None
        self._bus.send(to_bus(member, argument, MessageFlag.NO_REPLY_EXPECTED))


def _end_of(name: str) -> str:
    """The match rule for the end of a client."""
    sender = "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus'"
    return f"{sender},member='NameOwnerChanged',arg0='{name}'"
