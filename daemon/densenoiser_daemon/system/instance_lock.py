"""A lock that allows one daemon a session, with or without a session bus."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

import platformdirs

from ..errors import AlreadyRunningError
from ..i18n import _
from .private_file import make_private_folder, private


def lock_path() -> Path:
    """Where the lock is, whether or not it is there."""
    # Asked first: platformdirs distrusts /run/user where root is nobody, as in the unit's user namespace, and warns.
    runtime = os.environ.get("XDG_RUNTIME_DIR") or platformdirs.user_runtime_dir()
    return Path(runtime) / "densenoised.lock"


class InstanceLock:
    """A lock file in the runtime folder, held while the daemon lives; the kernel frees it however the daemon ends."""

    def __init__(self) -> None:
        """AlreadyRunningError if another daemon holds it."""
        path = lock_path()
        make_private_folder(path.parent)
        # Any process that can open the file can hold the lock and keep the daemon from starting.
        self._file: IO[str] = open(path, "a+", encoding="ascii", opener=private)  # noqa: SIM115  (held for life)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip()
            self._file.close()
            raise AlreadyRunningError(
                _("densenoised is already running (process {pid}); see: densenoiser status").format(pid=holder or "?")
            ) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def close(self) -> None:
        """Free it."""
        self._file.close()
