"""A system that works frame by frame. The evaluation runs it over whole recordings, the benchmark frame by frame."""

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
"""Takes one frame and returns one, both shape (hop,), float32. The result is valid until the next call."""


@dataclass(frozen=True, slots=True)
class FramewiseSystem:
    """A system whose ``start`` opens a fresh stream; closing the stream frees it. ``hop`` is in samples at ``rate``, Hz."""

    hop: int
    start: Callable[[], AbstractContextManager[Process]]
    rate: int = RATE

    def __call__(self, noisy: Samples) -> Samples:
        """Runs a fresh stream over a recording at 48 kHz, shape (samples,). As many samples come back.

        The last frame is padded. The resamplers to and from another rate add no delay.
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
