"""Questions to the tray over the session bus, as the window asks them."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

NAME = "org.densenoiser.Tray1"
PATH = "/org/densenoiser/Tray1"
PROPERTIES = "org.freedesktop.DBus.Properties"
INVALID = "org.densenoiser.Error.InvalidValue"
UNAVAILABLE = "org.densenoiser.Error.Unavailable"


def ask_tray(member: str, signature: str = "", *body: object, **other: Any) -> tuple[str, list[Any]]:
    """The name of the error, or "", and the reply's body."""

    async def asked() -> tuple[str, list[Any]]:
        bus = await MessageBus(bus_address=os.environ["DBUS_SESSION_BUS_ADDRESS"]).connect()
        try:
            target = {"destination": NAME, "path": PATH, "interface": NAME, **other}
            async with asyncio.timeout(10):
                reply = await bus.call(Message(member=member, signature=signature, body=list(body), **target))
            assert reply is not None
            failed = reply.message_type is MessageType.ERROR
            return (reply.error_name or "" if failed else ""), list(reply.body)
        finally:
            bus.disconnect()

    return asyncio.run(asked())


def shown(name: str) -> Any:
    """A property; None without a tray."""
    error, body = ask_tray("Get", "ss", NAME, name, interface=PROPERTIES)
    return None if error else body[0].value


def triggers() -> dict[str, str]:
    """What each shortcut is pressed by; {} without a tray."""
    return {name: trigger for name, _words, trigger in shown("Shortcuts") or ()}
