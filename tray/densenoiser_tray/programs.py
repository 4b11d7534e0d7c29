"""The other programs of the installation: the daemon to start, the monitor to open in a terminal."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from .i18n import _

# Each with what comes before the command to run.
_TERMINALS = (
    ("xdg-terminal-exec",),
    ("x-terminal-emulator", "-e"),
    ("gnome-terminal", "--"),
    ("konsole", "-e"),
    ("xfce4-terminal", "-x"),
    ("xterm", "-e"),
)


def find(name: str) -> Path | None:
    """A program installed beside this one, else on PATH."""
    beside = Path(sys.argv[0]).absolute().with_name(name)
    if beside.is_file():
        return beside
    beside = Path(sys.executable).with_name(name)
    if beside.is_file():
        return beside
    found = shutil.which(name)
    return Path(found) if found else None


def monitor_command() -> list[str] | None:
    """How to open the live meters in a terminal window; None without a terminal."""
    monitor = find("densenoiser")
    terminal = next((words for words in _TERMINALS if shutil.which(words[0])), None)
    return [*terminal, str(monitor), "monitor"] if terminal and monitor else None


def open_window(failed: Callable[[str], None]) -> None:
    """Open the window, or show the one that is open. ``failed`` gets why it did not open, from another thread.

    OSError if it is not installed.
    """
    program = find("densenoiser-window")
    if program is None:
        raise FileNotFoundError(_("the program densenoiser-window was not found"))
    words = tempfile.TemporaryFile()  # noqa: SIM115  (it is read when the program has ended)
    process = subprocess.Popen(
        [str(program)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words, start_new_session=True
    )

    def follow() -> None:
        code = process.wait()
        words.seek(0)
        said = words.read(4000).decode(errors="replace").strip()
        words.close()
        if code:
            failed(said or _("densenoiser-window ended with code {code}").format(code=code))

    threading.Thread(target=follow, name="window", daemon=True).start()


def launch(command: list[str]) -> None:
    """Start a program that outlives the tray. OSError if it cannot be started."""
    subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
