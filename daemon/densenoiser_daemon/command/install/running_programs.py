"""Ends the daemon and the tray that run in this session, whoever started them."""

from __future__ import annotations

import asyncio
import os
import signal

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, InvalidAddressError

from ...bus.session_bus import BUS_NAME, session_bus_address, to_bus

TRAY_NAME = "org.densenoiser.Tray1"
_ENDING_SECONDS = 5.0
_LOOK_SECONDS = 0.05


def end_running_programs() -> bool:
    """Send SIGTERM to the tray and the daemon, and wait until they are gone; False if one is still there after 5 s.

    True without a session bus, as then there is none to be found.
    """
    address = session_bus_address()
    if address is None:
        return True
    try:
        return asyncio.run(_end(address))
    except (OSError, EOFError, TimeoutError, InvalidAddressError, AuthError):
        return True


async def _end(address: str) -> bool:
    async with asyncio.timeout(2 * _ENDING_SECONDS):
        bus = await MessageBus(bus_address=address).connect()
        try:
            # The tray first: it would report the end of the daemon.
            ended = [await _end_owner(bus, name) for name in (TRAY_NAME, BUS_NAME)]
        finally:
            bus.disconnect()
    return all(ended)


async def _end_owner(bus: MessageBus, name: str) -> bool:
    process = await _owner(bus, name)
    if process is None:
        return True
    try:
        os.kill(process, signal.SIGTERM)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    for _look in range(round(_ENDING_SECONDS / _LOOK_SECONDS)):
        if await _owner(bus, name) is None:
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False


async def _owner(bus: MessageBus, name: str) -> int | None:
    """The process that owns the name, or None."""
    reply: Message | None = await bus.call(to_bus("GetConnectionUnixProcessID", name))
    if reply is None or reply.message_type is not MessageType.METHOD_RETURN:
        return None
    return int(reply.body[0])
