"""A system that works frame by frame: run over a whole recording to be scored, or frame by frame to be timed."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import soxr

from ..signal.speech_activity import RATE
from ..stft import Samples

Process = Callable[[Samples], Samples]
"""One frame in, one frame out, shape (hop,), float32; what comes out is valid until the next call."""


@dataclass(frozen=True, slots=True)
class FramewiseSystem:
    """``start`` opens a fresh stream, and closing it frees what it holds; ``hop`` in samples at ``rate``, Hz."""

    hop: int
    start: Callable[[], AbstractContextManager[Process]]
    rate: int = RATE

    def __call__(self, noisy: Samples) -> Samples:
        """A fresh stream over a recording at 48 kHz, shape (samples,), the last frame padded; as many samples come back.

        The resamplers to and from another rate add no delay.
        """
        audio = noisy if self.rate == RATE else soxr.resample(noisy, RATE, self.rate, "VHQ")
        frames = math.ceil(len(audio) / self.hop)
        padded = np.zeros(frames * self.hop, np.float32)
        padded[: len(audio)] = audio
        with self.start() as process:
            for frame in padded.reshape(frames, self.hop):
                frame[:] = process(frame)
        enhanced = padded[: len(audio)]
        if self.rate != RATE:
            enhanced = soxr.resample(enhanced, self.rate, RATE, "VHQ")[: len(noisy)]
        return np.pad(enhanced, (0, len(noisy) - len(enhanced)))
