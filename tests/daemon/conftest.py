"""A private sound server with a fake microphone for each test that asks, and the real daemon on it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.support.fake_backend import FakeBackend
from tests.support.running_engine import Running, Start, tiny

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.measurement.demo import load_recording, start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, SERVER_KINDS, PrivateServer, feed_of
from densenoiser_daemon.measurement.recorder import RATE, Recorder
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import State
from densenoiser_models.denoiser import Denoiser

StartDaemon = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(params=SERVER_KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    """A fresh server of each kind; its folder's path is short, as socket paths must be."""
    with tempfile.TemporaryDirectory(prefix="dn-") as folder, PrivateServer(request.param, Path(folder)) as running:
        yield running
        # Shown by pytest if the test failed.
        for log in sorted(running.folder.glob("*.log")):
            sys.stdout.write(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}\n")


@pytest.fixture
def daemon(server: PrivateServer) -> StartDaemon:
    """Starts ``densenoised`` with the given arguments on the server; ready when it returns."""

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "densenoiser_daemon.main", "--device", MICROPHONE_NAME, "--verbose"]
        return start_daemon(server, [*command, *arguments])

    return start


@pytest.fixture
def talk(server: PrivateServer) -> Callable[..., None]:
    """Plays the demo's noisy speech into the fake microphone (or another sink), for as long as the server lives."""

    def start(sink: str = feed_of()) -> None:
        speech, noise = load_recording()
        path = server.folder / "talk.wav"
        soundfile.write(path, np.tile(2 * speech + noise, 6), RATE, subtype="FLOAT")
        server.play(path, sink)

    return start


def sources(server: PrivateServer) -> list[str]:
    """Names of the server's sources."""
    with server.control() as pulse:
        return [source.name for source in pulse.source_list()]


def microphone_readers(server: PrivateServer) -> list[str]:
    """Names of the programs that record from the fake microphone."""
    with server.control() as pulse:
        index = pulse.get_source_by_name(MICROPHONE_NAME).index
        return [o.proplist.get("application.name", o.name) for o in pulse.source_output_list() if o.source == index]


def hears_sound(client: Recorder, seconds: float = 0.3) -> bool:
    """The last ``seconds`` that the client got are neither missing nor silent."""
    recording = client.snapshot()
    if not recording.arrivals or time.monotonic() - recording.arrivals[-1] > seconds:
        return False
    recent = recording.samples[recording.at(time.monotonic() - seconds) :]
    return len(recent) > 0 and float(np.abs(recent).max()) > 1e-4


def application(server: PrivateServer) -> Recorder:
    """An ordinary recorder on "DenseNoiser Mic"."""
    return Recorder(server, SOURCE_NAME)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an engine; ``model`` are options of the tiny model, ``denoiser`` stands in for it."""
    stack: list[Running] = []

    def begin(
        *backends: FakeBackend, settings: Settings | None = None, denoiser: Denoiser | None = None, **model: Any
    ) -> Running:
        chosen = denoiser or tiny(tmp_path, "tiny", **model)
        running = Running(chosen, settings or Settings(), *(backends or (FakeBackend(),)))
        stack.append(running.__enter__())
        if not backends:
            running.await_state(State.BYPASSED if chosen.fault else State.RUNNING)
        return running

    yield begin
    for running in stack:
        running.__exit__()
