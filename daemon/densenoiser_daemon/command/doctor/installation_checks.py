"""Checks that no earlier installation of the user's own hides the one that the system's packages brought."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ...i18n import _
from ...system.service_manager import UNIT, has_service_manager, systemctl
from ...system.system_package import UNIT_FOLDERS, packaged_unit
from ..install.desktop_files import Installation, reload_bus
from .finding import Finding, Verdict

_ENTRY = "org.densenoiser.DenseNoiser.desktop"
_PROGRAMS = ("densenoised", "densenoiser", "densenoiser-tray", "densenoiser-window")


def hidden_package() -> Iterator[Finding]:
    """The user's own units, left by ``make install`` or ``install-user``, come before the package's."""
    own = _data_folder() / "systemd/user" / UNIT
    if packaged_unit(UNIT_FOLDERS) is None:
        return
    if own.is_file():
        text = _("{path} is of an earlier installation and hides the system's package, so the old program is started")
        remedy = _("remove the earlier installation: {command}").format(command="densenoiser doctor --fix")
        yield Finding("installation", Verdict.FAULT, text.format(path=own), remedy, _remove_own)
    else:
        yield Finding("installation", Verdict.GOOD, _("the system's package is in use"))


def _remove_own() -> str:
    """Removes what ``make install`` put in place, but for its virtual environment. OSError if a folder refuses."""
    has_manager = has_service_manager()
    if has_manager:  # while the unit is there that says what was enabled
        systemctl("disable", UNIT)
    removed = Installation().uninstall()
    for link in (Path.home() / ".local/bin" / name for name in _PROGRAMS):
        if link.is_symlink() and _environment() in link.readlink().parents:
            link.unlink()
            removed.append(link)
    entry = _config_folder() / "autostart" / _ENTRY
    if entry.is_file() and "Hidden=true" not in entry.read_text(encoding="utf-8", errors="replace"):
        entry.unlink()
        removed.append(entry)
    if has_manager:
        systemctl("daemon-reload")
        systemctl("try-restart", UNIT)
    reload_bus()
    said = _("removed {count} files of the earlier installation").format(count=len(removed))
    if _environment().is_dir():
        said += "; " + _("its programs are in {folder}, which may be deleted").format(folder=_environment())
    return said


def _environment() -> Path:
    return _data_folder() / "densenoiser" / "venv"


def _data_folder() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")


def _config_folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
