"""How the audio thread is scheduled, as anybody can see it from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from densenoiser_daemon.system import realtime

CHILD = """
import os, sys, threading
held = threading.Event()
def urgent():
    try:
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_RR, os.sched_param(7))
        print("granted", flush=True)
    except PermissionError:
        print("refused", flush=True)
    held.wait()
threading.Thread(target=urgent, daemon=True).start()
sys.stdin.read()
"""


@pytest.fixture
def child() -> Iterator[tuple[subprocess.Popen[str], bool]]:
    """A program of which one thread asked for SCHED_RR 7, and whether it was granted."""
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip() == "granted"
        process.stdin.close()  # type: ignore[union-attr]


def test_the_most_urgent_thread_tells(child: tuple[subprocess.Popen[str], bool]) -> None:
    process, granted = child
    assert realtime.scheduling(process.pid) == ("SCHED_RR 7" if granted else "normal")


def test_an_ordinary_program_is_scheduled_normally() -> None:
    assert realtime.scheduling(os.getppid()) == "normal"


def test_a_program_that_has_ended_is_called_normal() -> None:
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1, check=True, text=True)
    assert realtime.scheduling(int(process.stdout)) == "normal"
