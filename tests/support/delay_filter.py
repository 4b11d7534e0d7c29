"""A filter for ``EngineDenoiser`` that does nothing but halve and delay, and breaks when it is told to."""

from __future__ import annotations

import numpy as np

from densenoiser_models.stft import Samples


class Delay:
    """Half the input, so many samples later. ``broken`` is "raises" or "NaN"; ``grows`` lets the delay wander."""

    def __init__(self, samples: int, grows: bool = False) -> None:
        self.samples, self.grows = samples, grows
        self.line = np.zeros(9600, np.float32)
        self.broken = ""
        self.resets = 0

    def process(self, frame: Samples) -> Samples:
        if self.broken == "raises":
            raise RuntimeError("no more memory")
        self.line = np.concatenate([self.line[len(frame) :], frame])
        if self.grows:
            self.samples += 2
        heard = 0.5 * self.line[len(self.line) - self.samples - len(frame) : len(self.line) - self.samples]
        return np.full_like(heard, np.nan) if self.broken == "NaN" else heard

    def reset(self) -> None:
        self.line[:] = 0.0
        self.resets += 1
