"""``densenoiser install-user``: service, D-Bus activation, menu entry, icons and autostart for one user, without root."""

from __future__ import annotations

import argparse

from ...errors import DensenoiserError
from ...i18n import _, ngettext
from ...system.service_manager import UNIT, has_service_manager, systemctl
from ...system.system_package import START, UNIT_FOLDERS, packaged_unit
from ..terminal import say
from .desktop_files import Installation, reload_bus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--no-start", action="store_true", help=_("do not start the daemon, now or at login"))
    parser.add_argument("--no-tray", action="store_true", help=_("do not start the tray icon at login"))


def run(args: argparse.Namespace) -> int:
    """Install for the user who calls; the exit code. DensenoiserError with what went wrong."""
    if (unit := packaged_unit(UNIT_FOLDERS)) is not None:
        raise DensenoiserError(
            _(
                "the system's package is installed ({path}), and files of your own would hide it; to start it: {command}"
            ).format(path=unit, command=START)
        )
    installation = Installation()
    try:
        written = installation.install()
    except OSError as error:
        raise DensenoiserError(
            _("cannot install {file}: {error}").format(file=error.filename, error=error.strerror)
        ) from error
    many = ngettext(
        "{count} file put in place under {folder}.", "{count} files put in place under {folder}.", len(written)
    )
    say(many.format(count=len(written), folder=installation.target))
    reload_bus()
    if not args.no_tray:
        if not installation.autostart_tray(on=True):
            raise DensenoiserError(_("the tray icon could not be set to start at login"))
        say(_("The tray icon starts at login; to see it now: densenoiser-tray"))
    if not args.no_start:
        _start()
    say(_("Next: choose DenseNoiser Mic in your application, or for all at once: densenoiser default on"))
    _say_once_is_enough()
    return 0


def _say_once_is_enough() -> None:
    """Where programs switch their own suppression off: two filters in a row make a voice thin."""
    say(_("One filter is enough, two in a row make a voice thin. Switch the application's own off:"))
    say(_("  Discord: User Settings, Voice & Video, Noise Suppression: None (it is Krisp otherwise)"))
    say(_("  Zoom: Settings, Audio, Original sound for musicians; in the meeting, Original sound: On"))
    say(_("  Google Meet: three dots, Settings, Audio, Noise cancellation (or Studio sound): off"))
    say(_("  Chrome and other browsers: no switch of their own; look in the settings of the site"))


def _start() -> None:
    if not has_service_manager():
        say(
            _(
                "There is no systemd user session: the daemon starts when the tray icon or a program asks for it over D-Bus."
            )
        )
        return
    for words in (("daemon-reload",), ("enable", UNIT), ("restart", UNIT)):
        done = systemctl(*words)
        if done.returncode != 0:
            command = " ".join(("systemctl --user", *words))
            raise DensenoiserError(_("{command} failed: {error}").format(command=command, error=done.stderr.strip()))
    say(_("The daemon is running, and starts at login."))
