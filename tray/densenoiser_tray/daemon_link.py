"""The daemon over D-Bus: a thread that keeps one frozen ``DaemonSnapshot`` up to date and passes clicks on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from dbus_fast import Message, MessageType, NameFlag, RequestNameReply, Variant

from . import bus, desktop
from .bus import DBUS, DBUS_PATH, BusError, RefusedError
from .daemon_start import NAME, PATH, start_daemon
from .i18n import _
from .menu import Action, Do
from .notifications import Notification
from .shortcuts import Shortcuts
from .status import DaemonSnapshot
from .tray_object import NAME as OWN_NAME

log = logging.getLogger(__name__)

_SHOWN = frozenset(
    {
        "Enabled",
        "Muted",
        "Strength",
        "Microphone",
        "ActiveMicrophoneDescription",
        "Model",
        "State",
        "Reason",
        "Warnings",
    }
    | {"Default", "HeadsetMicrophone", "Listeners"}
)
"""Properties that the icon or the menu shows; levels and counters change ten times a second and are left alone."""
_PROPERTIES = {
    Do.MUTE: ("Muted", "b"),
    Do.BE_DEFAULT: ("Default", "b"),
    Do.USE_HEADSET: ("HeadsetMicrophone", "b"),
    Do.SET_STRENGTH: ("Strength", "d"),
    Do.SET_MICROPHONE: ("Microphone", "s"),
    Do.SET_MODEL: ("Model", "s"),
}
"""The property that a click sets, and its signature."""
_METHODS = {Do.TOGGLE: "Toggle", Do.STOP: "Quit"}


class DaemonLink:
    """``changed``, ``failed`` and ``ended`` are called from the client's own thread and must not block."""

    def __init__(
        self, changed: Callable[[DaemonSnapshot], None], failed: Callable[[str], None], ended: Callable[[], None]
    ) -> None:
        """``failed`` gets what to tell the user; ``ended`` is called when the connection is over, whoever ended it."""
        self._changed, self._failed, self._ended = changed, failed, ended
        self._connected: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="client", daemon=True)
        self._notification_id = 0
        self.has_died = False
        """Whether the thread ended by a fault of its own; the log has it."""

    def start(self) -> None:
        """Connect and begin to report. Blocks until the bus has answered; BusError without one, or beside another tray."""
        self._thread.start()
        self._connected.result()

    def stop(self) -> None:
        """Leave the bus. Any thread but the client's own."""
        self._call_soon(self._bus.disconnect)
        self._thread.join()

    def send(self, action: Action) -> None:
        """Pass a click on to the daemon. Any thread; a refusal comes back through ``failed``."""
        if action.do in _METHODS:
            self._later(self._ask(_METHODS[action.do]))
            return
        name, signature = _PROPERTIES[action.do]
        value = Variant(signature, action.argument)
        self._later(bus.call(self._bus, NAME, PATH, bus.PROPERTIES, "Set", "ssv", NAME, name, value))

    def start_daemon(self) -> None:
        """Start the daemon. Any thread; a refusal comes back through ``failed``."""
        self._later(start_daemon(self._bus))

    def notify(self, notification: Notification, icon: str) -> None:
        """Show it on the desktop in place of the last one; silently nothing without a notification service. Any thread."""
        self._later(self._notify(notification, icon))

    def report_in(self, seconds: float) -> None:
        """Report once more after this time, changed or not. Any thread."""
        self._call_soon(lambda: self._loop.call_later(seconds, self._stale.set))

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BusError as error:
            self._connected.set_exception(error)
            return
        except Exception:
            log.exception("the client thread died")
            self.has_died = True
        self._ended()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stale = asyncio.Event()
        self._bus = await bus.connect()
        shortcuts = Shortcuts(self._failed)
        shortcuts.show(self._bus)
        disconnected = asyncio.ensure_future(self._bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
        try:
            await self._listen()
            await shortcuts.begin()
            self._connected.set_result(None)
            refresher = asyncio.ensure_future(self._refresh())
            await asyncio.wait((refresher, disconnected), return_when=asyncio.FIRST_COMPLETED)
            if refresher.done():
                refresher.result()
        finally:
            shortcuts.end()
            self._bus.disconnect()
            with contextlib.suppress(EOFError, OSError):  # the bus itself has ended, as at the end of a session
                await disconnected

    async def _listen(self) -> None:
        """Be the one tray of this session, and hear of the daemon's changes. BusError beside another tray."""
        if await self._bus.request_name(OWN_NAME, NameFlag.DO_NOT_QUEUE) is not RequestNameReply.PRIMARY_OWNER:
            raise BusError(_("the DenseNoiser icon is there already"))
        self._bus.add_message_handler(self._on_message)
        for rule in (
            f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{NAME}'",
            f"type='signal',sender='{NAME}',path='{PATH}'",
        ):
            await bus.call(self._bus, DBUS, DBUS_PATH, DBUS, "AddMatch", "s", rule)
        self._stale.set()

    def _on_message(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        is_owner = message.member == "NameOwnerChanged" and message.body[:1] == [NAME]
        if not is_owner and message.path != PATH:  # the portal's
            return
        if message.member == "PropertiesChanged" and not _SHOWN & {*message.body[1], *message.body[2]}:
            return
        self._stale.set()

    async def _refresh(self) -> None:
        """Read everything anew after a change; changes that come meanwhile are one more reading."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                daemon = await self._read()
            except RefusedError:
                daemon = DaemonSnapshot()
            self._changed(daemon)

    async def _read(self) -> DaemonSnapshot:
        answer = await bus.call(self._bus, NAME, PATH, bus.PROPERTIES, "GetAll", "s", NAME)
        properties = {name: variant.value for name, variant in answer[0].items()}
        microphones = (await self._ask("ListMicrophones"))[0]
        models = (await self._ask("ListModels"))[0]
        return DaemonSnapshot.of(properties, microphones, models)

    async def _notify(self, notification: Notification, icon: str) -> None:
        with contextlib.suppress(RefusedError):
            self._notification_id = await desktop.show(self._bus, notification, icon, self._notification_id)

    async def _ask(self, member: str, signature: str = "", *body: Any) -> list[Any]:
        return await bus.call(self._bus, NAME, PATH, NAME, member, signature, *body)

    def _later(self, work: Coroutine[Any, Any, Any]) -> None:
        async def guarded() -> None:
            try:
                await work
            except RefusedError as error:
                self._failed(str(error))

        task = guarded()
        try:
            asyncio.run_coroutine_threadsafe(task, self._loop)
        except RuntimeError:  # the loop has ended, and the tray is about to
            task.close()
            work.close()

    def _call_soon(self, callback: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # as in _later
            self._loop.call_soon_threadsafe(callback)
