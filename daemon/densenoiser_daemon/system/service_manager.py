"""Talks to systemd: notifies it (sd_notify(3)), and runs ``systemctl --user``."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess

log = logging.getLogger(__name__)

UNIT = "densenoised.service"
_ANSWER_SECONDS = 60.0
"""How long ``systemctl`` may take: ``restart`` waits until the daemon is ready."""


def notify(message: str) -> None:
    """Send ``message`` (such as "READY=1") to systemd, where it started us; otherwise nothing happens. Any thread."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(address)
            channel.sendall(message.encode())
    except OSError as error:
        log.warning("cannot tell the service manager %r: %s", message, error)


def has_service_manager() -> bool:
    """Whether this session has a systemd user manager that answers."""
    return shutil.which("systemctl") is not None and systemctl("show-environment").returncode == 0


def has_unit(name: str) -> bool:
    """Whether this session has a systemd user manager that knows the unit of this name."""
    return has_service_manager() and systemctl("cat", name).returncode == 0  # which alone reads files without a manager


def systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    """Run ``systemctl --user``. The return code says how it went, ``stdout`` what it printed and ``stderr`` why it failed.

    A ``systemctl`` that is not there or does not answer counts as one that failed.
    """
    command = ["systemctl", "--user", *words]
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=_ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
