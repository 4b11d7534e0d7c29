"""Finds out how the desktop shows tray icons: a StatusNotifier host on the bus, or a tray window on the X display."""

from __future__ import annotations

import asyncio
import os
from enum import Enum, auto

from dbus_fast.aio import MessageBus

from . import bus

WATCHER = "org.kde.StatusNotifierWatcher"
WATCHER_PATH = "/StatusNotifierWatcher"
_POLL_SECONDS = 0.5


class PanelHost(Enum):
    """What shows the icon."""

    NOTIFIER = auto()
    """A StatusNotifier host: it takes icons by name, and draws the menu itself."""
    TRAY_WINDOW = auto()
    """The system tray of X: icons are windows of their own."""
    NONE = auto()
    """Nothing, and the tray runs nevertheless: for the shortcuts."""


async def wait(connection: MessageBus, seconds: float) -> PanelHost | None:
    """Wait for a host to come up, as it does after the tray in some sessions; None if none came."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                if await _has_notifier_host(connection):
                    return PanelHost.NOTIFIER
                if _has_tray_window():
                    return PanelHost.TRAY_WINDOW
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        return None


async def _has_notifier_host(connection: MessageBus) -> bool:
    question = (WATCHER, "IsStatusNotifierHostRegistered")
    try:
        answer = await bus.call(connection, WATCHER, WATCHER_PATH, bus.PROPERTIES, "Get", "ss", *question)
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
