"""Who wants to be told something all the time: each is forgotten when it leaves the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

AskBus = Callable[[str, str], Awaitable[list[Any]]]


class Watchers:
    """Clients by their unique names. ``tell`` is called at a steady pace while there is one. Control thread alone."""

    def __init__(
        self,
        ask_bus: AskBus,
        start: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
        tell: Callable[[], None],
        seconds: float,
        on_end: Callable[[], None] = lambda: None,
        on_gone: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """``ask_bus`` calls a method of the bus itself, ``start`` begins a task, ``seconds`` is the pace.

        ``on_end`` is called when nobody watches any longer, ``on_gone`` for a client that had left before its end was followed.
        """
        self._ask_bus = ask_bus
        self._start = start
        self._tell = tell
        self._seconds = seconds
        self._on_end = on_end
        self._on_gone = on_gone
        self._names: set[str] = set()
        self._telling: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many watch."""
        return len(self._names)

    def add(self, name: str) -> None:
        """A client watches from now on."""
        if name not in self._names:
            self._names.add(name)
            self._start(self._follow(name))
        if self._telling is None:
            self._telling = self._start(self._tell_on())

    def remove(self, name: str) -> None:
        """A client watches no longer, or has ended; nothing if it did not watch."""
        if name in self._names:
            self._names.remove(name)
            self._start(self._ask_bus_later("RemoveMatch", name))

    def clear(self) -> None:
        """The bus is gone, and all of them with it."""
        self._names.clear()

    async def _tell_on(self) -> None:
        while self._names:
            self._tell()
            await asyncio.sleep(self._seconds)
        self._telling = None
        self._on_end()

    async def _follow(self, name: str) -> None:
        """Hear of the end of a client, which may have come already."""
        await self._ask_bus("AddMatch", end_of(name))
        if await self._ask_bus("NameHasOwner", name) == [False]:
            self.remove(name)
            self._on_gone(name)

    async def _ask_bus_later(self, member: str, name: str) -> None:
        await self._ask_bus(member, end_of(name))


def end_of(name: str) -> str:
    """The match rule for the end of a client."""
    sender = "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus'"
    return f"{sender},member='NameOwnerChanged',arg0='{name}'"
