"""Holds the shortcuts: by the desktop's portal where there is one, else by key grabs on X11."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from . import bus, portal_session, tray_object
from .bus import DBUS, DBUS_PATH, RefusedError
from .i18n import _
from .portal_session import PortalSession
from .presses import Presses
from .shortcut import Shortcut
from .stored_shortcuts import StoredShortcuts
from .tray_object import TrayObject

if TYPE_CHECKING:
    from .key import Key
    from .key_grabs import KeyGrabs

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 5.0
"""A session that the portal closed is made again after this time."""


class Shortcuts:
    """A ``ShortcutKeeper`` on a connection of the tray's. Used by the thread of the connection's loop."""

    def __init__(self, failed: Callable[[str], None]) -> None:
        """``failed`` gets what to tell the user."""
        self._failed = failed
        self._stored = StoredShortcuts()
        self._session: PortalSession | None = None
        self._grabs: KeyGrabs | None = None
        self._keys: dict[Shortcut, Key] = {}
        """What the grabs hold."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._choosing = asyncio.Lock()

    @property
    def backend(self) -> str:
        """See ``ShortcutKeeper``."""
        if self._open_session is not None:
            return "portal"
        return "x11" if self._grabs is not None else ""

    @property
    def triggers(self) -> dict[Shortcut, str]:
        """See ``ShortcutKeeper``."""
        session = self._open_session
        if session is not None:
            return session.triggers
        return {shortcut: str(key) for shortcut, key in self._keys.items()}

    def show(self, connection: MessageBus) -> None:
        """Answer for them on this connection."""
        self._bus = connection
        self._presses = Presses(connection, self._failed)
        self._object = TrayObject(self)
        connection.add_message_handler(tray_object.refusal)
        connection.add_message_handler(self._hear)
        connection.export(tray_object.PATH, self._object)

    async def begin(self) -> None:
        """Begin to hold them. RefusedError if the bus is gone."""
        for rule in (
            f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{portal_session.NAME}'",
            f"type='signal',sender='{portal_session.NAME}',path_namespace='/org/freedesktop/portal/desktop'",
        ):
            await bus.call(self._bus, DBUS, DBUS_PATH, DBUS, "AddMatch", "s", rule)
        self._start(self._begin())

    def end(self) -> None:
        """Give the keys back. The daemon mutes what is held when the connection ends."""
        for task in self._tasks:
            task.cancel()
        grabs, self._grabs = self._grabs, None
        if grabs is not None:
            grabs.stop()

    async def bind(self) -> None:
        """See ``ShortcutKeeper``. What the user chooses comes later."""
        session = self._open_session
        if session is None:
            raise RefusedError("", _("this desktop has no dialog for shortcuts"))
        if session.is_binding:
            raise RefusedError("", _("the desktop's dialog is open already"))
        self._start(self._bind(session))

    async def set_key(self, shortcut: Shortcut, key: str) -> None:
        """See ``ShortcutKeeper``."""
        grabs = self._grabs
        if self._open_session is not None:
            raise RefusedError("", _("the desktop chooses the keys; see its settings"))
        if grabs is None:
            raise RefusedError("", _("programs cannot take keys on this desktop"))
        from .key import Key  # noqa: PLC0415  (see _use_grabs)

        wanted = {name: held for name, held in self._keys.items() if name is not shortcut}
        if key:
            parsed = Key.parse(key)
            owner = next((name for name, held in wanted.items() if held == parsed), None)
            if owner is not None:
                raise ValueError(_('{key} is the key of "{shortcut}"').format(key=parsed, shortcut=owner.words))
            wanted[shortcut] = parsed
        faults = await asyncio.wrap_future(grabs.grab(wanted))
        if shortcut in faults:
            await asyncio.wrap_future(grabs.grab(self._keys))
            raise RefusedError("", faults[shortcut])
        self._keys = wanted
        self._object.changed()
        try:
            self._stored.set_key(shortcut, key)
        except OSError as error:
            sentence = _("it is done, but will be forgotten when the icon ends: {error}")
            raise RefusedError("", sentence.format(error=error)) from error

    def _hear(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        session = self._session
        if message.sender == DBUS and message.member == "NameOwnerChanged":
            name, _old, new = message.body
            if name == portal_session.NAME:
                self._start(self._choose(new))
        elif session is not None and message.sender == session.owner and session.hear(message):
            self._start(self._reopen(session))

    @property
    def _open_session(self) -> PortalSession | None:
        return self._session if self._session is not None and self._session.is_open else None

    async def _begin(self) -> None:
        """Start the portal, if there is one, and use the keys of X meanwhile."""
        with contextlib.suppress(RefusedError):
            answer = await bus.call(self._bus, DBUS, DBUS_PATH, DBUS, "GetNameOwner", "s", portal_session.NAME)
            await self._choose(answer[0])
            return
        await self._choose("")
        with contextlib.suppress(RefusedError):  # its start comes as a change of its owner
            await bus.call(self._bus, DBUS, DBUS_PATH, DBUS, "StartServiceByName", "su", portal_session.NAME, 0)

    async def _choose(self, owner: str) -> None:
        """The portal belongs to ``owner`` now, or to nobody (""). What was held by another is released at once."""
        if self._session is not None and self._session.owner != owner:
            self._presses.lose()
            self._session.give_up()
            self._session = None
        async with self._choosing:
            if owner and self._session is None:
                await self._open(owner)
            if self._session is None:
                await self._use_grabs()
            else:
                self._leave_grabs()
        self._object.changed()

    async def _open(self, owner: str) -> None:
        session = self._session = PortalSession(self._bus, owner, self._turn, self._object.changed)
        try:
            await session.open()
        except RefusedError as error:
            log.debug("no shortcuts of the desktop: %s", error)
            if self._session is session and not session.is_open:
                self._session = None
                return
        # Some desktops, GNOME among them, forget a session's shortcuts with it. Asked again they show no dialog.
        if not session.triggers and self._stored.is_bound:
            self._start(self._bind(session))

    async def _reopen(self, session: PortalSession) -> None:
        """The portal closed the session."""
        self._presses.lose()
        await asyncio.sleep(_AGAIN_SECONDS)
        if self._session is session:
            session.give_up()
            self._session = None
            await self._choose(session.owner)

    async def _bind(self, session: PortalSession) -> None:
        try:
            await session.bind()
            if session.triggers:
                self._stored.set_bound()
        except (RefusedError, OSError) as error:
            self._failed(str(error))

    async def _use_grabs(self) -> None:
        if self._grabs is not None or not _is_x11():
            return
        from .key import Key  # noqa: PLC0415  (Xlib, which a Wayland session does not need)
        from .key_grabs import KeyGrabs  # noqa: PLC0415

        loop = asyncio.get_running_loop()

        def turn(shortcut: Shortcut, pressed: bool) -> None:
            loop.call_soon_threadsafe(self._turn, shortcut, pressed)

        def ended() -> None:
            loop.call_soon_threadsafe(self._lose_grabs)

        try:
            self._grabs = KeyGrabs(turn, ended)
        except OSError as error:
            log.debug("no keys of X: %s", error)
            return
        wanted = {}
        for shortcut, text in self._stored.keys.items():
            try:
                wanted[shortcut] = Key.parse(text)
            except ValueError as error:
                self._failed(f"{shortcut.words}: {error}")
        faults = await asyncio.wrap_future(self._grabs.grab(wanted)) if wanted else {}
        for shortcut, fault in faults.items():
            self._failed(f"{shortcut.words}: {fault}")
        self._keys = {shortcut: key for shortcut, key in wanted.items() if shortcut not in faults}

    def _leave_grabs(self) -> None:
        grabs, self._grabs, self._keys = self._grabs, None, {}
        if grabs is not None:
            self._presses.lose()
            grabs.stop()

    def _lose_grabs(self) -> None:
        self._presses.lose()
        self._grabs, self._keys = None, {}
        self._object.changed()

    def _turn(self, shortcut: Shortcut, pressed: bool) -> None:
        if pressed:
            self._presses.press(shortcut)
        else:
            self._presses.release(shortcut)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps no task alive
        task.add_done_callback(self._tasks.discard)


def _is_x11() -> bool:
    """Whether the session is X11: on Wayland an X server hears only the keys of its own programs."""
    is_wayland = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("XDG_SESSION_TYPE") == "wayland"
    return bool(os.environ.get("DISPLAY")) and not is_wayland
