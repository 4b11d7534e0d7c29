"""Starts the daemon, with a service manager or without."""

from __future__ import annotations

import logging

from dbus_fast.aio import MessageBus

from . import bus, programs
from .bus import DBUS, DBUS_PATH, RefusedError
from .i18n import _

log = logging.getLogger(__name__)

NAME = "org.densenoiser.Daemon1"
PATH = "/org/densenoiser/Daemon1"
_UNKNOWN = f"{DBUS}.Error.ServiceUnknown"
_ENDED = {f"{DBUS}.Error.{name}" for name in ("Spawn.ChildExited", "Spawn.ChildSignaled", "TimedOut", "NoReply")}
"""The bus did start it: once more would end the same way."""


async def start_daemon(connection: MessageBus) -> None:
    """Let the bus start it; where the bus cannot, start the program. RefusedError if that fails too, with the reason."""
    try:
        await bus.call(connection, DBUS, DBUS_PATH, DBUS, "StartServiceByName", "su", NAME, 0)
    except RefusedError as error:
        if not error.name or error.name in _ENDED:  # without a name: the bus is gone
            raise
        if error.name != _UNKNOWN:
            log.warning("the session bus cannot start the daemon: %s", error)
        _launch()


def _launch() -> None:
    program = programs.find("densenoised")
    if program is None:
        raise RefusedError("", _("densenoised is not installed beside this program, nor on PATH"))
    try:
        programs.launch([str(program), "--wait"])
    except OSError as error:
        raise RefusedError("", str(error)) from error
