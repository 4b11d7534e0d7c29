"""Connects to the session bus and calls what is on it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from dbus_fast import Message, MessageFlag, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusError, InvalidAddressError

from .i18n import _

DBUS = "org.freedesktop.DBus"
DBUS_PATH = "/org/freedesktop/DBus"
PROPERTIES = "org.freedesktop.DBus.Properties"


class BusError(Exception):
    """There is no session bus, or it refused us; the message is for the user."""


class RefusedError(Exception):
    """A D-Bus call was answered with an error. The message is for the user."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


async def connect() -> MessageBus:
    """A connection to the session bus; BusError without one. dbus-fast itself does not look into XDG_RUNTIME_DIR."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    asyncio.get_running_loop().set_exception_handler(_report)
    address = os.environ.get("DBUS_SESSION_BUS_ADDRESS") or f"unix:path={Path(runtime) / 'bus'}"
    try:
        return await MessageBus(bus_address=address).connect()
    except (InvalidAddressError, DBusError, OSError, EOFError) as error:
        raise BusError(_("no session bus at {address}: {error}").format(address=address, error=error)) from error


async def call(
    bus: MessageBus,
    to: str,
    path: str,
    interface: str,
    member: str,
    signature: str = "",
    *body: Any,
    start: bool = False,
) -> list[Any]:
    """Calls a method and returns the body of the reply. RefusedError if it fails.

    ``start``: let the bus start the service first, if it does not run.
    """
    message = Message(
        destination=to,
        path=path,
        interface=interface,
        member=member,
        signature=signature,
        body=list(body),
        flags=MessageFlag.NONE if start else MessageFlag.NO_AUTOSTART,
    )
    try:
        reply = await bus.call(message)
    except (EOFError, OSError, DBusError) as error:
        raise RefusedError("", _("the session bus is gone")) from error
    if reply is None:
        raise RefusedError("", _("the session bus is gone"))
    if reply.message_type is MessageType.ERROR:
        name = reply.error_name or ""
        raise RefusedError(name, str(reply.body[0]) if reply.body else name)
    return list(reply.body)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Leave out what dbus-fast had on its way when its bus ended or we left: nobody waits for that."""
    if not isinstance(context.get("exception"), (OSError, EOFError)):
        loop.default_exception_handler(context)
