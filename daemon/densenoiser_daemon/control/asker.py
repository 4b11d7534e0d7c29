"""Who asked to hear something: it ends with him, and the take is his alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any

from dbus_fast import DBusError, Message, MessageType

from ..bus.session_bus import INTERFACE, INVALID_VALUE, OBJECT_PATH, UNAVAILABLE
from ..hearing.listening import REPLAYS, End, Listening
from ..hearing.playback import What
from ..i18n import _
from .watchers import AskBus, end_of

TAKE_KEPT_SECONDS = 300.0
_PACE_SECONDS = 0.15
"""Each beginning makes a thread and a connection to the sound server."""
_LOCKS = "type='signal',member='ActiveChanged'"
_SCREEN_SAVERS = frozenset(
    f"org.{desktop}.ScreenSaver" for desktop in ("freedesktop", "gnome", "cinnamon", "mate", "xfce")
)
_OF_THE_TAKE = frozenset({"TakeSpectra", "TakeFigures", "SaveTake", "ForgetTake"})


class Asker:
    """Stands between the bus and ``Listening``. Control thread alone, except ``ended``."""

    def __init__(
        self,
        listening: Listening,
        ask_bus: AskBus,
        start: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
    ) -> None:
        """``ask_bus`` calls a method of the bus itself, ``start`` begins a task."""
        self._listening = listening
        self._ask_bus = ask_bus
        self._start = start
        self._name = ""
        self._began_at = -_PACE_SECONDS
        self._is_locked = False
        self._hears_locks = False
        self._forgetting: asyncio.TimerHandle | None = None

    def begin(self, caller: str, wanted: str) -> None:
        """Do what ``caller`` wants to hear. D-Bus error if that is nothing we know, too soon, or a take that is not there."""
        if wanted not in {str(what) for what in What}:
            known = ", ".join(str(what) for what in What)
            raise DBusError(
                INVALID_VALUE, _("there is no {what} to hear; known: {known}").format(what=wanted, known=known)
            )
        what = What(wanted)
        if what in REPLAYS and (self._listening.take is None or caller != self._name):
            raise DBusError(UNAVAILABLE, _("nothing has been recorded"))
        now = time.monotonic()
        if now - self._began_at < _PACE_SECONDS:
            raise DBusError(UNAVAILABLE, _("not so fast; ask again in a moment"))
        self._began_at = now
        if caller != self._name:
            self.forget()
            if self._name:
                self._start(self._unfollow(self._name))
            self._name = caller
            self._start(self._follow(caller))
        self._is_locked = False
        self._listening.begin(what)

    def end(self) -> None:
        """Fall silent, whoever asked."""
        self._listening.end()

    def gone(self, name: str) -> None:
        """A client has left the bus: what it asked for ends, and its take is forgotten."""
        if name and name == self._name:
            self._name = ""
            self._listening.end()
            self.forget()
            self._start(self._unfollow(name))

    def forget(self) -> None:
        """The take is no more."""
        self._listening.take = None
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None

    def clear(self) -> None:
        """The bus is gone, and whoever asked with it."""
        self.gone(self._name)
        self._hears_locks = False

    def ended(self, what: What, why: End) -> str:
        """Something has ended: why, for those who look on."""
        if what is What.TAKE and why is End.DONE:
            self._forgetting = asyncio.get_running_loop().call_later(TAKE_KEPT_SECONDS, self.forget)
            if not self._name:
                self.forget()
        return "locked" if self._is_locked else str(why)

    def note(self, message: Message) -> None:
        """Any message: it may say that the screen was locked."""
        is_signal = message.message_type is MessageType.SIGNAL and message.member == "ActiveChanged"
        if is_signal and message.interface in _SCREEN_SAVERS and message.body == [True] and self._listening.what:
            self._is_locked = True
            self._listening.end()

    def refusal(self, message: Message) -> Message | None:
        """The error that answers ``message``, if it wants another's take, or brings files that nobody asked for."""
        is_ours = _is_call_of_ours(message)
        fault = None
        if is_ours and message.member in _OF_THE_TAKE and (message.sender != self._name or not self._listening.take):
            fault = Message.new_error(message, UNAVAILABLE, _("nothing has been recorded"))
        if message.unix_fds and (fault is not None or not _is_saving(message)):
            for descriptor in message.unix_fds:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
            if message.message_type is MessageType.METHOD_CALL and fault is None:
                fault = Message.new_error(message, INVALID_VALUE, _("files go with SaveTake alone, one for each side"))
        return fault

    async def _follow(self, name: str) -> None:
        """Hear of the end of a client, which may have come already, and of the screen's lock."""
        if not self._hears_locks:
            self._hears_locks = True
            await self._ask_bus("AddMatch", _LOCKS)
        await self._ask_bus("AddMatch", end_of(name))
        if await self._ask_bus("NameHasOwner", name) == [False]:
            self.gone(name)

    async def _unfollow(self, name: str) -> None:
        await self._ask_bus("RemoveMatch", end_of(name))


def _is_call_of_ours(message: Message) -> bool:
    return message.message_type is MessageType.METHOD_CALL and message.interface in {None, INTERFACE}


def _is_saving(message: Message) -> bool:
    """Whether it is a well-formed SaveTake: each of two files once."""
    if not _is_call_of_ours(message) or message.signature != "hh":
        return False
    found = message.path, message.member, len(message.unix_fds), sorted(message.body)
    return found == (OBJECT_PATH, "SaveTake", 2, [0, 1])
