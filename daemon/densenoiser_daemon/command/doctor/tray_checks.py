"""Checks what the tray icon depends on: a panel that shows icons, and its entry among what starts at login."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, InvalidAddressError
from dbus_fast.unpack import unpack_variants

from ...bus.session_bus import session_bus_address
from ...i18n import _
from .finding import Finding, Verdict

_ENTRY = "org.densenoiser.DenseNoiser.desktop"
_WATCHER = "org.kde.StatusNotifierWatcher"
_ANSWER_SECONDS = 2.0


def panel() -> Iterator[Finding]:
    """Something shows tray icons: a StatusNotifier host on the bus, or a tray window on the X display."""
    if not has_desktop():
        return
    if asyncio.run(_has_notifier_host()) or _has_tray_window():
        yield Finding("panel", Verdict.GOOD, _("the desktop shows tray icons"))
    else:
        yield Finding(
            "panel",
            Verdict.ADVICE,
            _("this desktop shows no tray icons, so DenseNoiser's is not seen"),
            _(
                "on GNOME, install the extension AppIndicator and KStatusNotifierItem Support; "
                "the densenoiser command does all that the icon does"
            ),
        )


def entry() -> Iterator[Finding]:
    """The icon starts at login, and its entry starts a program that exists."""
    program = _program()
    if program == "":
        if has_desktop():
            text = _("the tray icon does not start at login")
            yield Finding("tray-autostart", Verdict.ADVICE, text, "densenoiser-tray --autostart on")
    elif not Path(program).is_file():
        text = _("the tray icon's entry for login starts {program}, which does not exist").format(program=program)
        yield Finding("tray-autostart", Verdict.FAULT, text, "densenoiser-tray --autostart on")
    else:
        yield Finding("tray-autostart", Verdict.GOOD, _("the tray icon starts at login"))


def starts_daemon() -> bool:
    """Whether the tray icon, at login, starts the daemon too."""
    program = _program()
    return bool(program) and Path(program).is_file() and "--start" in _command()


def has_desktop() -> bool:
    """Whether this is a graphical session."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _program() -> str:
    return next(iter(_command()), "")


def _command() -> list[str]:
    """The words of the entry that starts the tray; none where it is missing or switched off."""
    own = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    system = [Path(base) for base in (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]
    # The user's own entry decides, as in the XDG Autostart specification.
    path = next((p for base in (own, *system) if (p := base / "autostart" / _ENTRY).is_file()), None)
    if path is None:
        return []
    values: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _equals, value = line.partition("=")
        values.setdefault(key.strip().lower(), value.strip())
    if values.get("hidden", "").lower() == "true" or values.get("x-gnome-autostart-enabled", "").lower() == "false":
        return []
    try:
        return shlex.split(values.get("exec", "").replace("%%", "%"))
    except ValueError:  # a quotation mark too few
        return []


async def _has_notifier_host() -> bool:
    address = session_bus_address()
    if address is None:
        return False
    question = Message(
        destination=_WATCHER,
        path="/StatusNotifierWatcher",
        interface="org.freedesktop.DBus.Properties",
        member="Get",
        signature="ss",
        body=[_WATCHER, "IsStatusNotifierHostRegistered"],
    )
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            bus = await MessageBus(bus_address=address).connect()
            try:
                reply = await bus.call(question)
            finally:
                bus.disconnect()
    except (OSError, EOFError, TimeoutError, InvalidAddressError, AuthError):
        return False
    return (
        reply is not None and reply.message_type is MessageType.METHOD_RETURN and bool(unpack_variants(reply.body[0]))
    )


def _has_tray_window() -> bool:
    if not os.environ.get("DISPLAY"):
        return False
    from Xlib import display, error  # noqa: PLC0415  (a Wayland session may have no X display)

    try:
        screen = display.Display()
    except (error.DisplayError, OSError):
        return False
    try:
        return bool(screen.get_selection_owner(screen.intern_atom(f"_NET_SYSTEM_TRAY_S{screen.get_default_screen()}")))
    finally:
        screen.close()
