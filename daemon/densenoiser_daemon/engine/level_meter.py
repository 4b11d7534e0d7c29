"""Measures what goes into the filter and what comes out: levels over the last moments, and frames cut off at full scale."""

from __future__ import annotations

import math

import numpy as np

from densenoiser_models.signal.level import power_db
from densenoiser_models.stft import Samples

from ..status import Levels

_CLIPPED_LEVEL = 0.999
_CLIPPED_SAMPLES = 4
"""A frame with this many samples at full scale is cut off. A voice that just reaches full scale touches it once or twice."""


class LevelMeter:
    """Sums the energy of frames. Owned by one thread. Energies are sums of squares of samples in [-1, 1]."""

    def __init__(self, hop: int) -> None:
        """``hop`` is the length of a frame, samples."""
        self.clipped_frames = 0
        """Frames so far that the microphone delivered cut off at full scale."""
        self._hop = hop
        self._before = self._after = 0.0
        self._frames = 0

    def note_captured(self, frame: Samples, energy: float) -> None:
        """A frame came from the microphone; shape (hop,), finite."""
        self._before += energy
        if energy > _CLIPPED_SAMPLES * _CLIPPED_LEVEL**2:
            self.clipped_frames += int(np.count_nonzero(np.abs(frame) >= _CLIPPED_LEVEL) >= _CLIPPED_SAMPLES)

    def note_heard(self, energy: float) -> None:
        """The frame that applications hear in its place has this energy."""
        self._after += energy
        self._frames += 1

    def take(self) -> Levels:
        """Mean levels since the last call."""
        samples = max(1, self._frames) * self._hop
        before, after = power_db(self._before / samples), power_db(self._after / samples)
        self._before = self._after = 0.0
        self._frames = 0
        return Levels(before, after, before - after if math.isfinite(before) and math.isfinite(after) else 0.0)
