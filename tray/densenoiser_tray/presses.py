"""What pressed and released shortcuts do to the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from dbus_fast import Variant
from dbus_fast.aio import MessageBus

from . import bus
from .bus import DBUS, RefusedError
from .daemon_start import NAME, PATH
from .i18n import _
from .shortcut import Shortcut

STUCK_SECONDS = 120.0
"""A key that is held for longer counts as stuck: its release has got lost."""
_PUSHES = {Shortcut.PUSH_TO_TALK: "PushToTalk", Shortcut.PUSH_TO_MUTE: "PushToMute"}
_ABSENT = {f"{DBUS}.Error.ServiceUnknown", f"{DBUS}.Error.NameHasNoOwner"}


class Presses:
    """Used by the thread of the connection's loop. Calls leave in the order of the keys."""

    def __init__(
        self, connection: MessageBus, failed: Callable[[str], None], stuck_seconds: float = STUCK_SECONDS
    ) -> None:
        """``failed`` gets what to tell the user."""
        self._bus = connection
        self._failed = failed
        self._stuck_seconds = stuck_seconds
        self._held: dict[Shortcut, asyncio.TimerHandle] = {}
        self._calls: set[asyncio.Task[None]] = set()

    def press(self, shortcut: Shortcut) -> None:
        """The key went down. A second time without a release between is nothing new."""
        match shortcut:
            case Shortcut.TOGGLE:
                self._send(self._ask("Toggle"))
            case Shortcut.MUTE:
                self._send(self._turn_mute())
            case push if push not in self._held:
                timer = asyncio.get_running_loop().call_later(self._stuck_seconds, self._end_stuck)
                self._held[push] = timer
                self._send(self._ask(_PUSHES[push], "b", True))

    def release(self, shortcut: Shortcut) -> None:
        """The key came up. Nothing if it was not held, or is released already."""
        timer = self._held.pop(shortcut, None)
        if timer is not None:
            timer.cancel()
            self._send(self._ask(_PUSHES[shortcut], "b", False))

    def lose(self) -> bool:
        """Nobody will tell of releases any longer. Held keys count as released and leave it muted; whether there were any."""
        if not self._held:
            return False
        for timer in self._held.values():
            timer.cancel()
        self._held.clear()
        self._send(self._mute(True))
        return True

    def _end_stuck(self) -> None:
        self.lose()
        self._failed(_("A shortcut's key was held for too long, so the microphone is muted. Press it again to go on."))

    async def _turn_mute(self) -> None:
        answer = await bus.call(self._bus, NAME, PATH, bus.PROPERTIES, "Get", "ss", NAME, "Muted")
        await self._mute(not answer[0].value)

    async def _mute(self, wanted: bool) -> None:
        await bus.call(self._bus, NAME, PATH, bus.PROPERTIES, "Set", "ssv", NAME, "Muted", Variant("b", wanted))

    async def _ask(self, member: str, signature: str = "", *body: Any) -> None:
        await bus.call(self._bus, NAME, PATH, NAME, member, signature, *body)

    def _send(self, call: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            try:
                await call
            except RefusedError as error:
                self._failed(_("DenseNoiser is not running") if error.name in _ABSENT else str(error))

        task = asyncio.get_running_loop().create_task(guarded())
        self._calls.add(task)  # the loop itself keeps no task alive
        task.add_done_callback(self._calls.discard)
