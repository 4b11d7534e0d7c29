"""Creates files and folders that only the user can read, whatever the umask is."""

from __future__ import annotations

import os
from pathlib import Path


def make_private_folder(path: Path) -> None:
    """Make ``path`` and what is missing above it, each of mode 0700; what is there stays as it is. OSError."""
    for folder in reversed((path, *path.parents)):  # mkdir(parents=True) gives its mode to the last one alone
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)


def private(path: str, flags: int) -> int:
    """An ``opener`` for ``open``: what it makes is of mode 0600 from the first moment."""
    return os.open(path, flags, mode=0o600)
