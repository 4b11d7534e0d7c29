"""What trials on fresh systems share: whether chroots can be made here, from where, and how progress is told."""

from __future__ import annotations

import os
import shutil
import sys

MIRROR = "http://deb.debian.org/debian"


def missing_means() -> str:
    """What is not there that making and entering a chroot needs, or ""."""
    if os.geteuid() != 0:
        return "only root may make and enter a chroot"
    if shutil.which("mmdebstrap") is None:
        return "mmdebstrap is not installed (Debian: apt install mmdebstrap)"
    return ""


def say(line: str) -> None:
    """One line, at once: other programs write to the same place."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
