"""The real daemon on a private server, one process at a time, shared by the tests that leave it as it was."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from densenoiser_daemon.command.cli import main
from densenoiser_daemon.measurement.demo import start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer

StartDaemon = Callable[..., "subprocess.Popen[bytes]"]


class Daemons:
    """The daemon of a server: of one process at a time."""

    def __init__(self, server: PrivateServer) -> None:
        self._server = server
        self._settings = Path(server.environment["XDG_CONFIG_HOME"]) / "densenoiser"
        self._process: subprocess.Popen[bytes] | None = None
        self._is_shared = False

    def shared(self) -> subprocess.Popen[bytes]:
        """One that other tests have used, and will."""
        process = self._process
        if process is None or process.poll() is not None or not self._is_shared:
            self.end()
            process = self.start()
            self._is_shared = True
        return process

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A fresh one, with the settings as the last one left them."""
        self._stop()
        command = [sys.executable, "-m", "densenoiser_daemon.main", "--device", MICROPHONE_NAME, "--verbose"]
        self._process = start_daemon(self._server, [*command, *arguments])
        return self._process

    def end(self) -> None:
        """End it, and forget its settings."""
        self._stop()
        shutil.rmtree(self._settings, ignore_errors=True)

    def _stop(self) -> None:
        process, self._process, self._is_shared = self._process, None, False
        if process is not None:
            process.terminate()
            process.wait()


def run_command(*words: str) -> tuple[int, str]:
    """``densenoiser`` in this process: its exit code, and what it printed."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main(words)
    return code, printed.getvalue()
