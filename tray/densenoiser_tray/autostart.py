"""Start at login: the entry in the desktop's autostart folder (XDG Autostart specification)."""

from __future__ import annotations

import os
from pathlib import Path

FILE_NAME = "org.densenoiser.DenseNoiser.desktop"
# --start: the daemon comes up too where no service manager starts it.
_ENTRY = """\
[Desktop Entry]
Type=Application
Name=DenseNoiser
Comment=Removes noise from the microphone
Comment[ru]=Убирает шум из микрофона
Exec="{program}" --start
Icon=org.densenoiser.DenseNoiser
Terminal=false
X-GNOME-Autostart-enabled=true
"""
_HIDDEN = "[Desktop Entry]\nType=Application\nName=DenseNoiser\nHidden=true\n"


def is_on() -> bool:
    """Whether the desktop starts the tray: the user's own entry decides, then the system's."""
    entry = next((path for path in (_own(), *_system()) if path.is_file()), None)
    if entry is None:
        return False
    lines = {line.strip().replace(" ", "").lower() for line in entry.read_text(encoding="utf-8").splitlines()}
    return not lines & {"hidden=true", "x-gnome-autostart-enabled=false"}


def switch(on: bool, program: Path) -> None:
    """Write or remove the user's entry; ``program`` is the tray's absolute path. OSError if the folder refuses."""
    entry = _own()
    if on:
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.write_text(_ENTRY.format(program=str(program).replace("%", "%%")), encoding="utf-8")
    elif any(path.is_file() for path in _system()):
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.write_text(_HIDDEN, encoding="utf-8")
    else:
        entry.unlink(missing_ok=True)


def _own() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "autostart" / FILE_NAME


def _system() -> list[Path]:
    bases = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return [Path(base) / "autostart" / FILE_NAME for base in bases.split(":")]
