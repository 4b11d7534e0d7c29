"""Levels in bands before and after the filter, for those who watch: a spectrogram's next columns."""

from __future__ import annotations

import numpy as np

from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples

from .band_levels import WINDOW, BandLevels
from .frame_tap import FrameTap, TapReader


class SpectrumTap:
    """The newest moment of both sides. One thread."""

    def __init__(self, spec: FrameSpec, tap: FrameTap) -> None:
        self._tap = tap
        self._levels = BandLevels(spec.sample_rate)
        self._reader: TapReader | None = None
        self._before = self._after = np.zeros(WINDOW, np.float32)

    @property
    def is_watched(self) -> bool:
        """Whether ``take`` has anything to tell."""
        return self._reader is not None

    def watch(self, wanted: bool) -> None:
        """Begin or end to follow."""
        if wanted and self._reader is None:
            self._reader = self._tap.open()
        elif not wanted and self._reader is not None:
            self._reader.close()
            self._reader = None

    def take(self) -> tuple[bytes, bytes] | None:
        """Levels of the newest moment, before and after. None if nothing has come since the last one."""
        read = self._reader.read() if self._reader is not None else None
        if read is None:
            return None
        self._before, self._after = _newest(self._before, read[0]), _newest(self._after, read[1])
        before, after = self._levels.of(self._before, self._after)
        return before, after


def _newest(past: Samples, new: Samples) -> Samples:
    return np.concatenate([past, new])[-WINDOW:]
