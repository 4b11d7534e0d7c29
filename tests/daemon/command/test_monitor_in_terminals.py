"""``densenoiser monitor`` against the real service: in terminals of both kinds, and in a pipe."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from tests.support.recorded_controls import RecordedControls
from tests.support.waiting import wait_until

from densenoiser_daemon.control.service import ControlService

COMMAND = [sys.executable, "-m", "densenoiser_daemon.command.cli"]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "C")


def test_monitor_in_a_pipe_prints_lines(service: ControlService) -> None:
    with subprocess.Popen([*COMMAND, "monitor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        service.stop()
        _out, err = process.communicate(timeout=5)
    assert re.search(r"before +-30.0 dB +after +-42.0 dB +removing noise for Zoom$", line)
    assert "\033" not in line
    assert (err, process.returncode) == ("densenoiser: densenoised ended\n", 7)


@pytest.mark.parametrize("kind", ["xterm", "dumb"])
def test_monitor_has_keys_and_bars_in_any_terminal(
    service: ControlService, controls: RecordedControls, kind: str
) -> None:
    terminal, other_end = pty.openpty()
    environment = {**os.environ, "TERM": kind, "COLUMNS": "120", "LINES": "40"}
    seen = ""

    def shows(text: str) -> bool:
        nonlocal seen
        while text not in seen:
            assert select.select([terminal], [], [], 5)[0], seen[-300:]
            seen += os.read(terminal, 4096).decode(errors="replace")
        return True

    process = subprocess.Popen(
        [*COMMAND, "monitor"], stdin=other_end, stdout=other_end, stderr=other_end, env=environment
    )
    os.close(other_end)
    try:
        assert shows("█████")
        assert shows("removing noise for Zoom")
        for key, done in (
            ("t", lambda: not controls.settings.enabled),
            ("m", lambda: controls.settings.muted),
            ("-", lambda: controls.settings.strength_db == 30.0),
            ("-", lambda: controls.settings.strength_db == 20.0),
            ("+", lambda: controls.settings.strength_db == 30.0),
        ):
            os.write(terminal, key.encode())
            wait_until(done, 5, f"what {key} does")
            drain(terminal)
        os.write(terminal, b"q")
        drain(terminal)
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def drain(terminal: int) -> None:
    """Read for half a second, so that the program is never held up by a full terminal."""
    end = time.monotonic() + 0.5
    while time.monotonic() < end and select.select([terminal], [], [], 0.1)[0]:
        try:
            os.read(terminal, 4096)
        except OSError:  # the other end is closed
            return


def test_monitor_draws_live_meters_in_a_terminal_and_ends_on_interrupt(
    service: ControlService, controls: RecordedControls
) -> None:
    terminal, other_end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    # In a suite that runs in the background, children ignore the interrupt.
    command = ["env", "--default-signal=INT", *COMMAND, "monitor"]
    with subprocess.Popen(command, stdout=other_end, stderr=other_end, env=environment) as process:
        os.close(other_end)
        wait_until(lambda: len(service._watchers) == 1)
        text = ""
        while "dB" not in text:
            text += os.read(terminal, 4096).decode(errors="replace")
        controls.status = replace(controls.status, listeners=("Audacity",))
        while "Audacity" not in text:
            text += os.read(terminal, 4096).decode(errors="replace")
        process.send_signal(signal.SIGINT)
        while process.poll() is None:
            try:
                os.read(terminal, 4096)
            except OSError:  # the other end is closed
                break
        assert process.wait(5) == 0
    os.close(terminal)
    assert "-30.0 dB" in text
    assert "12.0 dB" in text
    wait_until(lambda: len(service._watchers) == 0)
