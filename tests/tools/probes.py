"""Measures a running daemon from outside: first sound, readers of the microphone, CPU, memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.measurement.demo import cpu_seconds, family
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer
from densenoiser_daemon.measurement.recorder import Recorder
from densenoiser_daemon.measurement.signal_match import first_sound


def time_first_sound(server: PrivateServer) -> float:
    """From an application's connection (its first data) to its first sound, s; the application's own start is not counted."""
    client = Recorder(server, SOURCE_NAME)
    time.sleep(1.0)
    recording = client.stop()
    time.sleep(0.3)
    return first_sound(recording)


def microphone_readers(server: PrivateServer) -> int:
    with server.control() as pulse:
        microphone = pulse.get_source_by_name(MICROPHONE_NAME).index
        return sum(output.source == microphone for output in pulse.source_output_list())


def await_release(server: PrivateServer) -> None:
    """Until the daemon has let go of the microphone and logged its counters, or 5 s."""
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline and microphone_readers(server):
        time.sleep(0.05)
    time.sleep(0.2)


def cpu_percent(pid: int, seconds: float) -> float:
    before, started = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return 100.0 * (cpu_seconds(pid) - before) / (time.monotonic() - started)


def rss_mib(pid: int) -> float:
    """Of the process and its children."""
    pages = sum(int(Path(f"/proc/{number}/statm").read_text().split()[1]) for number in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
