"""Questions to the service over its bus, well-formed and otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from dbus_fast import Message, Variant
from dbus_fast.aio import MessageBus

from densenoiser_daemon.bus.session_bus import BUS_NAME, INTERFACE, OBJECT_PATH, session_bus_address
from densenoiser_daemon.command.daemon_client import DaemonClient

PROPERTIES = "org.freedesktop.DBus.Properties"
OWN = "org.densenoiser.Error."
Result = TypeVar("Result")


def ask(question: Callable[[DaemonClient], Awaitable[Result]]) -> Result:
    """One client, one question."""

    async def connected() -> Result:
        async with DaemonClient() as client:
            return await question(client)

    return asyncio.run(connected())


async def send(body: dict[str, Any]) -> Message:
    """One message of any shape to the service; its reply."""
    bus = await MessageBus(bus_address=session_bus_address()).connect()
    try:
        message = {"destination": BUS_NAME, "path": OBJECT_PATH, "interface": INTERFACE, **body}
        async with asyncio.timeout(5):
            reply = await bus.call(Message(**message))
        assert reply is not None
        return reply
    finally:
        bus.disconnect()


def setting(name: str, value: Variant) -> dict[str, Any]:
    return {"interface": PROPERTIES, "member": "Set", "signature": "ssv", "body": [INTERFACE, name, value]}


def calling(member: str, signature: str = "", *body: object) -> dict[str, Any]:
    return {"member": member, "signature": signature, "body": list(body)}


async def signals(bus_address: str, during: Callable[[], Awaitable[None]]) -> list[Message]:
    """Every signal of the service while ``during`` runs."""
    heard: list[Message] = []
    bus = await MessageBus(bus_address=bus_address).connect()
    try:
        bus.add_message_handler(lambda m: heard.append(m) if m.path == OBJECT_PATH else None)
        rule = f"type='signal',sender='{BUS_NAME}'"
        dbus: dict[str, Any] = {"destination": "org.freedesktop.DBus", "path": "/", "interface": "org.freedesktop.DBus"}
        await bus.call(Message(**dbus, member="AddMatch", signature="s", body=[rule]))
        await during()
        await asyncio.sleep(0.1)
    finally:
        bus.disconnect()
    return heard
