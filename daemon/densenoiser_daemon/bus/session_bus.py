"""The session bus, and our names on it."""

from __future__ import annotations

import os
from pathlib import Path

from dbus_fast import Message

BUS_NAME = "org.densenoiser.Daemon1"
OBJECT_PATH = "/org/densenoiser/Daemon1"
INTERFACE = "org.densenoiser.Daemon1"

INVALID_VALUE = "org.densenoiser.Error.InvalidValue"
UNKNOWN_MICROPHONE = "org.densenoiser.Error.UnknownMicrophone"
UNKNOWN_MODEL = "org.densenoiser.Error.UnknownModel"
SUPERSEDED = "org.densenoiser.Error.Superseded"
UNAVAILABLE = "org.densenoiser.Error.Unavailable"
NOT_STORED = "org.densenoiser.Error.NotStored"
"""The change is in force, but will be forgotten; the message says why."""


def session_bus_address() -> str | None:
    """The address from the environment, else that of the socket where systemd puts it, or None if there is no bus."""
    address = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    if address:
        return address
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    socket = Path(runtime) / "bus" if runtime else None
    return f"unix:path={socket}" if socket is not None and socket.is_socket() else None


def to_bus(member: str, name: str, *flags: int) -> Message:
    """A question to the bus itself, about a name, with the flags of the member where it has some."""
    bus, path = "org.freedesktop.DBus", "/org/freedesktop/DBus"
    signature = "s" + "u" * len(flags)
    return Message(destination=bus, path=path, interface=bus, member=member, signature=signature, body=[name, *flags])
