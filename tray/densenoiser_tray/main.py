"""``densenoiser-tray``: finds a panel for the icon, or says why there is none and what to use instead."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import autostart, launch, programs
from .bus import BusError
from .hidden_icon import HiddenIcon
from .i18n import _
from .notifier_item import NotifierItem
from .panel_host import PanelHost
from .shown_text import LogLines
from .tray import PanelIcon, Tray

log = logging.getLogger("densenoiser-tray")

_WAIT_SECONDS = 30.0
EXIT_INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """The command line, from which the man page and the completions are made too."""
    parser = argparse.ArgumentParser(
        prog="densenoiser-tray",
        description=_("Shows DenseNoiser on the panel: what it does, and a menu to change it."),
    )
    parser.add_argument("--start", action="store_true", help=_("start the daemon too, if it is not running"))
    parser.add_argument(
        "--autostart", choices=("on", "off"), help=_("switch on or off that the icon starts at login, and exit")
    )
    parser.add_argument("--monitor", action="store_true", help=_("open the live meters in a terminal window, and exit"))
    parser.add_argument(
        "--wait",
        type=float,
        default=_WAIT_SECONDS,
        metavar="SECONDS",
        help=_("how long to wait for a panel that shows icons (default: %(default)g)"),
    )
    parser.add_argument("--without-icon", action="store_true", help=_("show no icon, only hold the shortcuts"))
    version = importlib.metadata.version("densenoiser")
    about_version = _("show program's version number and exit")  # argparse in Python 3.11 does not translate it
    parser.add_argument("--version", action="version", version=f"%(prog)s {version}", help=about_version)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Show the icon until it is told to quit; the exit code: 0, or 1 if there is no bus, no display or no panel."""
    args = build_parser().parse_args(argv)
    handler = logging.StreamHandler()
    handler.setFormatter(LogLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    program = programs.find("densenoiser-tray") or Path(sys.argv[0]).absolute()
    if args.autostart is not None:
        autostart.switch(args.autostart == "on", program)
        return 0
    if args.monitor:
        return _open_monitor()
    try:
        return _show(program, args.wait, args.start, args.without_icon)
    except BusError as error:
        log.error("%s", error)
        return 1
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _open_monitor() -> int:
    command = programs.monitor_command()
    if command is None:
        log.error(_("No terminal program was found; run in one: densenoiser monitor"))
        return 1
    programs.launch(command)
    return 0


def _show(program: Path, wait_seconds: float, start_daemon: bool, without_icon: bool) -> int:
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        log.error(
            _("No graphical session (DISPLAY and WAYLAND_DISPLAY are not set); use the command: densenoiser --help")
        )
        return 1
    host = asyncio.run(launch.prepare(wait_seconds, start_daemon, without_icon))
    if host is None:
        return 1
    icon: PanelIcon
    if host is PanelHost.NOTIFIER:
        icon = NotifierItem()
    elif host is PanelHost.NONE:
        icon = HiddenIcon()
    else:
        from .pystray_icon import PystrayIcon  # noqa: PLC0415  (Pillow and a toolkit, which no other panel needs)

        try:
            icon = PystrayIcon()
        except Exception as error:  # X and GTK raise types of their own
            log.error(_("The display cannot be used: {error}").format(error=error))
            return 1
        if not icon.has_menu:
            log.warning(_without_menu())
    return Tray(icon, program).run()


def _without_menu() -> str:
    """What to do without a menu. The bundle of a system package cannot use the system's PyGObject."""
    if getattr(sys, "frozen", False):
        return _(
            "The icon has no menu on this panel; a click switches noise removal. Use the command: densenoiser --help"
        )
    return _(
        "The icon has no menu on this panel without PyGObject and GTK (Debian: python3-gi and gir1.2-gtk-3.0); "
        "a click switches noise removal. Use the command: densenoiser --help"
    )


if __name__ == "__main__":
    sys.exit(main())
