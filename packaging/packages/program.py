"""The one executable of the packages: the daemon, the command and the tray, by the name under which it is started.

It also stands in for the Python interpreter where the programs start a module of theirs in a process of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from importlib import import_module
from pathlib import Path

PROGRAMS = {
    "densenoised": "densenoiser_daemon.main",
    "densenoiser": "densenoiser_daemon.command.cli",
    "densenoiser-tray": "densenoiser_tray.main",
}
"""Maps each program's name to the module whose ``main`` it runs."""


def main() -> int:
    """Returns the exit code of the program or module."""
    _restore_library_path()
    multiprocessing.freeze_support()  # a worker of "densenoiser enhance" does not return from this
    words = sys.argv[1:]
    if words[:1] == ["-P"]:
        words = words[1:]
    if words[:1] == ["-m"] and len(words) > 1:
        sys.argv[1:] = words[2:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return os.EX_OK
    name = Path(sys.argv[0]).name
    # The shell gives the bare name. The programs look for each other beside this path, and must not look in the working folder.
    sys.argv[0] = str(_programs_folder() / name)
    code: int = import_module(PROGRAMS.get(name, PROGRAMS["densenoiser"])).main()
    return code


def _restore_library_path() -> None:
    """Lets the system's programs load the system's libraries: PyInstaller's start-up code puts our folder before theirs."""
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is None:
        os.environ.pop("LD_LIBRARY_PATH", None)
    else:
        os.environ["LD_LIBRARY_PATH"] = before


def _programs_folder() -> Path:
    """PREFIX/bin for an executable in PREFIX/lib/densenoiser."""
    folder = Path(sys.executable).parent
    programs = folder.parents[1] / "bin"
    return programs if (programs / "densenoised").exists() else folder


if __name__ == "__main__":
    sys.exit(main())
