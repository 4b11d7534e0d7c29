"""Names the machine that figures were measured on, for the tables in docs/."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import sys
from pathlib import Path


def cpu_name() -> str:
    """The name of the processor in /proc/cpuinfo, else the type of the machine."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def heading(command: str) -> str:
    """The line above a Markdown table. It has ``command`` with this process's arguments, the machine and the date."""
    called = shlex.join([*command.split(), *(word for word in sys.argv[1:] if word not in command.split())])
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        system = platform.system()
    day = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return f"`{called}`, on {cpu_name()}, {os.cpu_count()} cores, {system}, {day}.\n"
