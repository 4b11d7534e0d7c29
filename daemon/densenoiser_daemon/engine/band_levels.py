"""Levels in bands of a moment of sound: a column of a spectrogram. Never samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from densenoiser_models.stft import Samples

BANDS = 48
LOWEST_HZ, HIGHEST_HZ = 50.0, 20_000.0
FLOOR_DBFS = -100.0
STEP_DB = 0.5
"""A band's level is a byte: so many steps above the floor."""
WINDOW = 2048


class BandLevels:
    """Any thread."""

    def __init__(self, sample_rate: int) -> None:
        window = np.hanning(WINDOW)
        # A sine of full scale is 0 dBFS: its main lobe sums to this.
        self._scale = 2.0 / (np.sum(window**2) * WINDOW / 2)
        self._window = window.astype(np.float32)
        self._first, self._last = _bins(sample_rate)

    def of(self, *moments: Samples) -> tuple[bytes, ...]:
        """The 48 levels of each of ``moments``, shape (WINDOW,), the lowest band first."""
        spectra = np.fft.rfft(np.stack(moments) * self._window)
        total = np.zeros((len(moments), spectra.shape[1] + 1))
        np.cumsum(spectra.real**2 + spectra.imag**2, axis=1, out=total[:, 1:])
        decibels = 10 * np.log10((total[:, self._last] - total[:, self._first]) * self._scale + 1e-12)
        steps = np.rint((decibels - FLOOR_DBFS) / STEP_DB)
        return tuple(row.tobytes() for row in np.minimum(np.maximum(steps, 0), 255).astype(np.uint8))


def _bins(sample_rate: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first bin of each band, and the one after its last. A band narrower than a bin has the one at its middle."""
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 1) * WINDOW / sample_rate
    first, last = np.round(edges[:-1]).astype(np.int64), np.round(edges[1:]).astype(np.int64)
    middle = np.round(np.sqrt(edges[:-1] * edges[1:])).astype(np.int64)
    narrow = last <= first
    return np.where(narrow, middle, first), np.where(narrow, middle + 1, last)
