"""A program that calls itself the desktop's portal, and answers whatever a test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

NAME = "org.freedesktop.portal.Desktop"
PATH = "/org/freedesktop/portal/desktop"
Answer = Callable[[Message], tuple[str, list[Any]] | None]


class StrangePortal:
    """On a thread of its own from construction to ``close``."""

    def __init__(self, address: str, answer: Answer, name: str = NAME) -> None:
        """``answer`` gives signature and body for a call, or None for an error. ``name`` "": no name is owned."""
        self.calls: list[str] = []
        self._answer = answer
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="portal")
        self._thread.start()
        self._do(self._open(address, name))

    def signal(self, interface: str, member: str, signature: str, *body: Any, path: str = PATH, to: str = "") -> None:
        """Send a signal to everybody, or to one program alone, which its match rules do not keep from it."""
        message = Message.new_signal(path, interface, member, signature, list(body))
        message.destination = to or None
        self._do(self._bus.send(message))

    def owner(self, name: str) -> str:
        """The unique name of who owns a name."""
        dbus = "org.freedesktop.DBus"
        call = Message(dbus, "/org/freedesktop/DBus", dbus, "GetNameOwner", signature="s", body=[name])
        return str(self._do(self._bus.call(call)).body[0])

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._bus.disconnect)
        self._do(asyncio.sleep(0.05))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self, address: str, name: str) -> None:
        self._bus = await MessageBus(bus_address=address).connect()
        self._bus.add_message_handler(self._on_message)
        if name:
            await self._bus.request_name(name)

    def _on_message(self, message: Message) -> Message | None:
        if message.message_type is not MessageType.METHOD_CALL or message.path != PATH:
            return None
        self.calls.append(message.member or "")
        found = self._answer(message)
        if found is None:
            return Message.new_error(message, "org.freedesktop.DBus.Error.Failed", "no")
        return Message.new_method_return(message, found[0], found[1])

    def _do(self, work: Awaitable[Any]) -> Any:
        async def awaited() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(20)
