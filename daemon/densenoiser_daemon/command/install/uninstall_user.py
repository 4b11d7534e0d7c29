"""``densenoiser uninstall-user``: takes away what ``install-user`` put in place; settings and models stay."""

from __future__ import annotations

import argparse

import platformdirs

from ...errors import DensenoiserError
from ...i18n import _, ngettext
from ...system.service_manager import UNIT, has_service_manager, systemctl
from ..terminal import complain, say
from .desktop_files import Installation, reload_bus
from .running_programs import end_running_programs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options."""


def run(_args: argparse.Namespace) -> int:
    """Uninstall for the user who calls; the exit code. DensenoiserError with what went wrong."""
    installation = Installation()
    has_manager = has_service_manager()
    if has_manager:  # a unit that is not there cannot be disabled; nothing is lost then
        systemctl("disable", "--now", UNIT)
    if not end_running_programs():
        complain(_("the daemon or the tray icon does not end; log out and in again"))
    try:
        removed = installation.uninstall()
    except OSError as error:
        raise DensenoiserError(
            _("cannot remove {file}: {error}").format(file=error.filename, error=error.strerror)
        ) from error
    installation.autostart_tray(on=False)
    if has_manager:
        systemctl("daemon-reload")
    reload_bus()
    many = ngettext("{count} file removed from {folder}.", "{count} files removed from {folder}.", len(removed))
    say(many.format(count=len(removed), folder=installation.target))
    say(_("Your settings stay in {folder}.").format(folder=platformdirs.user_config_dir("densenoiser")))
    return 0
