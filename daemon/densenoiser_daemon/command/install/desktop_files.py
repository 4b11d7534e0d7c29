"""The desktop files of a user's installation: a tree laid out like ~/.local/share, with the programs' folder filled in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib import resources
from pathlib import Path

from ...errors import DensenoiserError
from ...i18n import _

_PLACEHOLDER = "@bindir@"
_CONFINEMENT = Path("systemd/user/densenoised.service.d/50-confine-files.conf")
# Unit files, D-Bus service files and desktop entries each escape these in a way of their own.
_UNQUOTABLE = frozenset("\"\\$%`'\n")


class Installation:
    """Where the files come from and where they go. OSError from any method if a folder refuses."""

    def __init__(self) -> None:
        """DensenoiserError if the programs cannot be found, or lie where no unit file could name them."""
        self.programs = _programs_folder()
        self._source = _source_folder()
        data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
        self.target = Path(data)

    def files(self) -> list[Path]:
        """Paths of all files that may be installed, relative to both source and target."""
        found = (path.relative_to(self._source) for path in self._source.rglob("*") if path.is_file())
        return sorted(found)

    def install(self) -> list[Path]:
        """Put the files in place, replacing older ones; the paths written. Leaves out what this system cannot run."""
        written = []
        for file in self.files():
            if file == _CONFINEMENT and not _can_confine_files():
                continue
            target = self.target / file
            target.parent.mkdir(parents=True, exist_ok=True)
            text = (self._source / file).read_text(encoding="utf-8")
            target.write_text(text.replace(_PLACEHOLDER, str(self.programs)), encoding="utf-8")
            written.append(target)
        return written

    def uninstall(self) -> list[Path]:
        """Remove what ``install`` puts in place, as far as it is there; the paths removed."""
        removed = []
        for file in self.files():
            target = self.target / file
            if target.is_file():
                target.unlink()
                removed.append(target)
        own_folder = (self.target / _CONFINEMENT).parent
        if own_folder.is_dir() and not any(own_folder.iterdir()):
            own_folder.rmdir()
        return removed

    def autostart_tray(self, on: bool) -> bool:
        """Let the tray start at login, or not; False if the tray is missing or refused."""
        tray = self.programs / "densenoiser-tray"
        if not tray.is_file():
            return False
        return subprocess.run([tray, "--autostart", "on" if on else "off"], check=False).returncode == 0


def reload_bus() -> None:
    """Let the session bus see new or gone service files: it does not watch folders that were not there when it started."""
    if sender := shutil.which("dbus-send"):
        to = "--dest=org.freedesktop.DBus"
        subprocess.run(
            [sender, "--session", to, "/org/freedesktop/DBus", "org.freedesktop.DBus.ReloadConfig"],
            check=False,
            capture_output=True,
        )


def _source_folder() -> Path:
    """In the package once installed; in the checkout for an editable installation."""
    installed = Path(str(resources.files("densenoiser_daemon"))) / "share"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[4] / "packaging" / "share"


def _programs_folder() -> Path:
    candidates = [
        Path(sys.argv[0]).absolute().parent,
        Path(sysconfig.get_path("scripts")),
        Path(sysconfig.get_path("scripts", f"{os.name}_user")),
    ]
    found = next((folder for folder in candidates if (folder / "densenoised").is_file()), None)
    if found is None:
        raise DensenoiserError(
            _("cannot find densenoised in {folders}; install the package first").format(
                folders=", ".join(map(str, candidates))
            )
        )
    if _UNQUOTABLE & set(str(found)):
        raise DensenoiserError(
            _("the folder {folder!r} has characters that unit files cannot name").format(folder=str(found))
        )
    return found


def _can_confine_files() -> bool:
    """Whether an ordinary process may make a user namespace with mounts and a network of its own: the confinement needs both."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    command = [unshare, "--user", "--map-root-user", "--mount", "--net", "true"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
