"""Levels in bands before and after the filter, for those who watch: a spectrogram's next columns. Never samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples

BANDS = 48
LOWEST_HZ, HIGHEST_HZ = 50.0, 20_000.0
FLOOR_DBFS = -100.0
STEP_DB = 0.5
"""A band's level is a byte: so many steps above the floor."""
_WINDOW = 2048
_RING_FRAMES = 20
"""More than a window, the longest delay of a filter and a frame that is being written."""


class SpectrumTap:
    """The last moments of both sides. ``note`` is called by the audio thread, the rest by one other thread."""

    def __init__(self, spec: FrameSpec) -> None:
        self.is_watched = False
        self._hop = spec.hop
        self._before = np.zeros(_RING_FRAMES * spec.hop, np.float32)
        self._after = np.zeros(_RING_FRAMES * spec.hop, np.float32)
        self._frames = self._taken = 0
        self._latency = 0
        window = np.hanning(_WINDOW)
        # A sine of full scale is 0 dBFS: its main lobe sums to this.
        self._scale = 2.0 / (np.sum(window**2) * _WINDOW / 2)
        self._window = window.astype(np.float32)
        self._first, self._last = _bins(spec.sample_rate)

    def note(self, before: Samples, after: Samples, latency_samples: int) -> None:
        """A frame, shape (hop,), and what is heard ``latency_samples`` after it was captured."""
        if self.is_watched:
            place = self._frames % _RING_FRAMES * self._hop
            self._before[place : place + self._hop] = before
            self._after[place : place + self._hop] = after
            self._latency = latency_samples
            self._frames += 1

    def take(self) -> tuple[bytes, bytes] | None:
        """Levels of the newest moment that both sides have, before and after. None if nothing has come since the last one."""
        frames = self._frames
        if frames == self._taken:
            return None
        self._taken = frames
        end = frames * self._hop
        return self._levels(self._before, end - self._latency), self._levels(self._after, end)

    def _levels(self, ring: Samples, end: int) -> bytes:
        places = np.arange(end - _WINDOW, end) % len(ring)
        power = np.abs(np.fft.rfft(ring[places] * self._window)) ** 2
        total = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])
        decibels = 10 * np.log10((total[self._last] - total[self._first]) * self._scale + 1e-12)
        return bytes(np.clip(np.round((decibels - FLOOR_DBFS) / STEP_DB), 0, 255).astype(np.uint8))


def _bins(sample_rate: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first bin of each band, and the one after its last. A band narrower than a bin has the one at its middle."""
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 1) * _WINDOW / sample_rate
    first, last = np.round(edges[:-1]).astype(np.int64), np.round(edges[1:]).astype(np.int64)
    middle = np.round(np.sqrt(edges[:-1] * edges[1:])).astype(np.int64)
    narrow = last <= first
    return np.where(narrow, middle, first), np.where(narrow, middle + 1, last)
