"""An output that plays in real time to nobody, and keeps what it was given."""

from __future__ import annotations

import time

import numpy as np

from densenoiser_models.stft import Samples

RATE = 48_000


class FakeOutput:
    """Keeps the contract of ``hearing.playback.Output``."""

    def __init__(self) -> None:
        self.xruns = 0
        self.is_ready = True
        self.is_closed = False
        self._parts: list[Samples] = []
        self._empty_at = time.monotonic()

    @property
    def played(self) -> Samples:
        """Everything so far."""
        return np.concatenate([np.zeros(0, np.float32), *self._parts])

    def follow(self) -> None:
        """The default never changes."""

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def write(self, samples: Samples) -> None:
        self._parts.append(samples.copy())
        self._empty_at = max(self._empty_at, time.monotonic()) + len(samples) / RATE

    @property
    def latency(self) -> float | None:
        return max(0.0, self._empty_at - time.monotonic())

    def close(self) -> None:
        self.is_closed = True
