"""What happens before the icon is there: the daemon is started, a panel is found, and whatever fails is told on the desktop."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from dbus_fast.aio import MessageBus

from . import bus, desktop, panel_host
from .bus import DBUS, DBUS_PATH, RefusedError
from .daemon_start import NAME, start_daemon
from .i18n import _
from .notifications import Notification
from .panel_host import PanelHost
from .stored_shortcuts import StoredShortcuts
from .tray import APP_ICON
from .tray_object import NAME as OWN_NAME

log = logging.getLogger(__name__)

_TELLING_SECONDS = 10.0
"""A notification service that the bus has to start takes a second; one that hangs is not waited for."""


async def prepare(wait_seconds: float, start: bool, without_icon: bool = False) -> PanelHost | None:
    """What shall show the icon. None if nothing can, or another tray does: the user has been told. BusError without a bus.

    ``start``: start the daemon meanwhile. ``without_icon``: no panel is looked for.
    """
    connection = await bus.connect()
    try:
        starting = asyncio.ensure_future(_start(connection)) if start else None
        is_there = await _has_owner(connection, OWN_NAME)
        host = None
        if without_icon:
            host = PanelHost.NONE
        elif not is_there:
            host = await panel_host.wait(connection, wait_seconds)
        runs = await starting if starting is not None else await _has_owner(connection, NAME)
        if is_there:
            log.error("%s", _("the DenseNoiser icon is there already"))
            await _tell(connection, _already(runs))
            host = None
        elif host is None and StoredShortcuts().are_wanted:
            log.info("%s", _("This desktop shows no tray icons; the shortcuts work nevertheless."))
            host = PanelHost.NONE
        elif host is None:
            log.error(
                _(
                    "This desktop shows no tray icons. GNOME needs the extension AppIndicator and KStatusNotifierItem Support. "
                    "Everything that the icon can do, the command can too: densenoiser --help"
                )
            )
            await _tell(connection, _without_icon(runs))
        return host
    finally:
        connection.disconnect()


async def _start(connection: MessageBus) -> bool:
    """Whether the daemon runs, or is about to."""
    try:
        await start_daemon(connection)
    except RefusedError as error:
        log.error("%s", error)
        await _tell(connection, Notification(_("DenseNoiser could not start"), str(error)))
        return False
    return True


async def _tell(connection: MessageBus, notification: Notification) -> None:
    with contextlib.suppress(RefusedError, TimeoutError):
        async with asyncio.timeout(_TELLING_SECONDS):
            await desktop.show(connection, notification, APP_ICON)


async def _has_owner(connection: MessageBus, name: str) -> bool:
    try:
        answer = await bus.call(connection, DBUS, DBUS_PATH, DBUS, "NameHasOwner", "s", name)
    except RefusedError:
        return False
    return bool(answer[0])


def _title(runs: bool) -> str:
    return _("DenseNoiser is running") if runs else _("DenseNoiser is not running")


def _already(runs: bool) -> Notification:
    body = _("Its icon is on the panel, perhaps behind an arrow; a click on it opens the menu.")
    return Notification(_title(runs), body)


def _without_icon(runs: bool) -> Notification:
    if runs:
        body = _(
            'Choose "DenseNoiser Mic" as the microphone in your programs. This desktop shows no tray icons, so use the '
            "command densenoiser in a terminal."
        )
    else:
        body = _("This desktop shows no tray icons. To start it, type in a terminal: densenoised")
    return Notification(_title(runs), body)
