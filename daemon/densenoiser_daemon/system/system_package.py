"""The installation that the system's package manager or the tarball brought for all users."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from densenoiser_models.bundle import is_bundle

from ..i18n import _
from .service_manager import UNIT

UNIT_FOLDERS = tuple(Path(base) / "systemd/user" for base in ("/usr/local/lib", "/usr/lib", "/lib"))
"""Where packages put units."""
START = f"systemctl --user enable --now {UNIT}"
"""Starts the package's daemon now and at login."""


def packaged_unit(folders: Iterable[Path]) -> Path | None:
    """The unit of the system's package, or None if there is no package."""
    return next((folder / UNIT for folder in folders if (folder / UNIT).is_file()), None)


def how_to_start() -> str:
    """The command that lets the daemon start now and at login."""
    return START if is_bundle() else _("densenoiser install-user (in a checkout: make install)")
