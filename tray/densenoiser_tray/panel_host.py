"""Finds out whether the desktop shows tray icons: a StatusNotifier host on the bus, or a tray window on the X display."""

from __future__ import annotations

import asyncio
import os

from dbus_fast.aio import MessageBus

from . import bus

_WATCHER = "org.kde.StatusNotifierWatcher"
_POLL_SECONDS = 0.5


async def wait(seconds: float) -> bool:
    """Wait for a host to come up, as it does after the tray in some sessions; False if none came, BusError without a bus."""
    connection = await bus.connect()
    try:
        async with asyncio.timeout(seconds):
            while not (await _has_notifier_host(connection) or _has_tray_window()):
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        return False
    finally:
        connection.disconnect()
    return True


async def _has_notifier_host(connection: MessageBus) -> bool:
    question = (_WATCHER, "IsStatusNotifierHostRegistered")
    try:
        answer = await bus.call(connection, _WATCHER, "/StatusNotifierWatcher", bus.PROPERTIES, "Get", "ss", *question)
    except bus.RefusedError:
        return False
    return bool(answer[0].value)


def _has_tray_window() -> bool:
    if not os.environ.get("DISPLAY"):
        return False
    from Xlib import display, error  # noqa: PLC0415  (a Wayland session may have no X display)

    try:
        screen = display.Display()
    except (error.DisplayError, OSError):
        return False
    try:
        atom = screen.intern_atom(f"_NET_SYSTEM_TRAY_S{screen.get_default_screen()}")
        return bool(screen.get_selection_owner(atom))
    finally:
        screen.close()
