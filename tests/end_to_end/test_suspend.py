"""A machine that slept for hours: time jumps while the samples go on where they stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.fake_backend import FakeBackend
from tests.support.tiny_model import write_tiny_model
from tests.support.waiting import wait_until

from densenoiser_daemon.engine.engine import Engine
from densenoiser_daemon.errors import DeviceError
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import State
from densenoiser_models.denoiser import OnnxDenoiser
from densenoiser_models.frame import FrameSpec
from densenoiser_models.model_file import load_model

NIGHT_SECONDS = 9 * 3600.0
FRAME = np.full(FrameSpec().hop, 0.1, np.float32)


class Clock:
    """The real one, and what was slept."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.slept


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def engine(backend: FakeBackend, clock: Clock, tmp_path: Path) -> Iterator[Engine]:
    model = load_model(str(write_tiny_model(tmp_path)))
    running = Engine(lambda: backend, OnnxDenoiser(model, "cpu"), Settings(), clock=clock)
    thread = threading.Thread(target=running.run)
    thread.start()
    yield running
    running.quit()
    thread.join(10.0)
    assert not thread.is_alive()


def test_a_jump_of_hours_costs_no_frame(engine: Engine, backend: FakeBackend, clock: Clock) -> None:
    wait_until(lambda: engine.status.state is State.RUNNING, 5, "running")
    backend.hear(*[FRAME] * 3)
    clock.slept += NIGHT_SECONDS
    backend.hear(*[FRAME] * 3)
    wait_until(lambda: len(backend.output) == 6 * len(FRAME), 5, "every frame is played")
    assert engine.status.state is State.RUNNING
    assert (engine.status.counters.dropped_frames, engine.status.counters.deadline_misses) == (0, 0)


def test_after_the_night_a_busy_microphone_is_tried_at_once(engine: Engine, backend: FakeBackend, clock: Clock) -> None:
    wait_until(lambda: engine.status.state is State.RUNNING, 5, "running")
    backend.refusals.append(DeviceError("busy"))
    backend.capture_fault = DeviceError("suspended")
    backend.settle()
    clock.slept += NIGHT_SECONDS
    wait_until(lambda: engine.status.state is State.RUNNING, 5, "running again")
    assert backend.starts >= 2
