"""A program that stays on the bus while it asks for something to hear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from dbus_fast import Message
from dbus_fast.aio import MessageBus

from densenoiser_daemon.bus.session_bus import BUS_NAME, INTERFACE, OBJECT_PATH


class Client:
    """A program on the bus."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus

    @classmethod
    async def arrive(cls, address: str) -> Client:
        return cls(await MessageBus(bus_address=address, negotiate_unix_fd=True).connect())

    async def ask(
        self, member: str, signature: str = "", *body: Any, files: tuple[int, ...] = (), interface: str = INTERFACE
    ) -> Message:
        own: dict[str, Any] = {"destination": BUS_NAME, "path": OBJECT_PATH, "interface": interface}
        question = Message(**own, member=member, signature=signature, body=list(body), unix_fds=list(files))
        reply = await asyncio.wait_for(self.bus.call(question), 10)
        assert reply is not None
        return reply

    async def hear_signals(self, handle: Callable[[Message], None]) -> None:
        """Every signal of the daemon from now on."""
        self.bus.add_message_handler(handle)
        own: dict[str, Any] = {"destination": "org.freedesktop.DBus", "path": "/", "interface": "org.freedesktop.DBus"}
        rule = f"type='signal',sender='{BUS_NAME}'"
        await self.bus.call(Message(**own, member="AddMatch", signature="s", body=[rule]))

    async def listen(self, what: str) -> Message:
        reply = await self.ask("Listen", "s", what)
        await asyncio.sleep(0.2)  # the pace that is kept
        return reply
