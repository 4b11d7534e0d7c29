"""An engine that runs, on backends whose samples and clock are faked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tests.support.fake_backend import RATE, FakeBackend
from tests.support.tiny_model import write_tiny_model
from tests.support.waiting import wait_until

from densenoiser_daemon.engine.engine import Engine
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import State, Status
from densenoiser_models.denoiser import Denoiser, OnnxDenoiser
from densenoiser_models.frame import FrameSpec
from densenoiser_models.model_file import load_model
from densenoiser_models.stft import Samples

HOP = FrameSpec().hop
DELAY = FrameSpec().latency_samples


class Running:
    """An engine on its thread, with its fake backends and the states that it announced."""

    def __init__(self, denoiser: Denoiser, settings: Settings, *backends: FakeBackend) -> None:
        self.backend = backends[0]
        self.unused = list(backends)
        self.changes: list[Status] = []
        self.engine = Engine(self._next, denoiser, settings, model="tiny", provider="cpu")
        self.engine.on_change(self._note)
        self.died: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _next(self) -> FakeBackend:
        self.backend = self.unused.pop(0) if len(self.unused) > 1 else self.unused[0]
        return self.backend

    def _note(self) -> None:
        self.changes.append(self.engine.status)

    def _run(self) -> None:
        try:
            self.engine.run()
        except Exception as error:
            self.died = error

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.quit()
        self._thread.join(10.0)
        assert not self._thread.is_alive()
        if self.died is not None:
            raise self.died

    def await_state(self, state: State, seconds: float = 5.0) -> Status:
        wait_until(lambda: self.engine.status.state is state, seconds, f"{state}, not {self.engine.status}")
        return self.engine.status

    def say(self, signal: Samples, block: int = HOP) -> Samples:
        """``signal`` through the engine, ``block`` samples at a time; what was played meanwhile."""
        self.await_state(self.engine.status.state)
        before = len(self.backend.output)
        for start in range(0, len(signal), block):
            self.backend.hear(signal[start : start + block])
        return self.backend.output[before:]

    def states(self) -> list[State]:
        """The announced states, repetitions left out."""
        found: list[State] = []
        for status in self.changes:
            if not found or found[-1] is not status.state:
                found.append(status.state)
        return found


Start = Callable[..., Running]


def tiny(folder: Path, name: str = "tiny", **model: Any) -> OnnxDenoiser:
    return OnnxDenoiser(load_model(str(write_tiny_model(folder, name, **model))), "cpu")


def tone(seconds: float, amplitude: float = 0.25, frequency: float = 440.0) -> Samples:
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def largest_step(signal: Samples) -> float:
    return float(np.abs(np.diff(signal)).max())


def fit(value: Samples) -> bool:
    return bool(np.isfinite(value).all() and (np.abs(value) <= 1.0).all())
