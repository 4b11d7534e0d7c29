"""Locks the daemon's memory against being paged out, where the system grants that without root."""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path

from ..status import Fact

# <bits/mman-linux.h>. MCL_ONFAULT locks only pages that were touched, so memory does not grow.
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_CAP_IPC_LOCK = 14


def lock_memory() -> Fact:
    """Keep this process's memory in RAM. What came of it; never raises.

    Codes: "locked", "limited" (detail: limit, in KiB) or "not-locked" (detail: error).

    Only where no limit is in force: under one, the first allocation beyond it would fail, and end the daemon.
    """
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit != resource.RLIM_INFINITY and not _may_exceed_limits():
        return Fact("limited", {"limit": str(limit // 1024)})
    try:
        library = ctypes.CDLL(None, use_errno=True)
        failed = library.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)
    except (OSError, AttributeError) as error:  # no such call on this system
        return Fact("not-locked", {"error": str(error)})
    return Fact("not-locked", {"error": os.strerror(ctypes.get_errno())}) if failed else Fact("locked")


def _may_exceed_limits() -> bool:
    """Whether the process holds CAP_IPC_LOCK."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    held = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return bool(held >> _CAP_IPC_LOCK & 1)
