"""A private session bus."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator


@contextlib.contextmanager
def session_bus(address: str) -> Iterator[subprocess.Popen[bytes]]:
    """A bus at ``address`` that answers."""
    command = ["dbus-daemon", "--session", "--nofork", "--print-address", f"--address={address}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        with process.stdout as printed:
            printed.readline()
            yield process
    finally:
        process.terminate()
        process.wait()
