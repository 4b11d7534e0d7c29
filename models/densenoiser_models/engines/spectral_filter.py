"""Networks that turn a spectrum into a clean one, at 16 or 48 kHz, as filters at 48 kHz.

A window of 20 ms has the same bins, 50 Hz apart, at any rate. So a network of 16 kHz takes the lowest 161 of the 481 bins
at 48 kHz, and nothing needs to be resampled.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..frame import FrameSpec
from ..stft import Analysis, Samples, Spectrum, Synthesis, vorbis_window

_SPEC = FrameSpec(48_000, 480, 960, 960)
BINS_PER_KHZ = 20


class SpectralNetwork(Protocol):
    """What a network has to do. Owned by one thread at a time."""

    @property
    def bins(self) -> int:
        """How many bins it takes: 20 for each kHz of its band, and one more."""
        ...

    def process(self, spectrum: Spectrum) -> Spectrum:
        """One spectrum, shape (bins,), as a transform without a scale factor has it at twice the band. The clean one."""
        ...

    def reset(self) -> None:
        """Forgets past audio."""
        ...


class SpectralFilter:
    """A ``Filter``: a network between transforms of 20 ms, every 10 ms, with Vorbis windows.

    Above the network's band the gain is that of the upper half of its band, never more than 1. So what is noise to the
    network is not heard there either.
    """

    def __init__(self, network: SpectralNetwork) -> None:
        window = vorbis_window(_SPEC.fft_size)
        self._network = network
        self._analysis = Analysis(_SPEC, window)
        self._synthesis = Synthesis(_SPEC, window)
        self._clean = np.zeros(_SPEC.bins, np.complex64)
        bins = network.bins
        self._scale = np.float32((bins - 1) / (_SPEC.bins - 1))
        self._band, self._above, self._upper_half = slice(bins), slice(bins, None), slice(bins // 2, bins)

    def process(self, frame: Samples) -> Samples:
        spectrum = self._analysis.process(frame)
        clean = self._clean
        np.divide(self._network.process(spectrum[self._band] * self._scale), self._scale, out=clean[self._band])
        if len(clean) > self._network.bins:
            before, after = (float(np.linalg.norm(s[self._upper_half])) for s in (spectrum, clean))
            gain = min(after / before, 1.0) if before > 0.0 else 0.0
            np.multiply(spectrum[self._above], np.float32(gain), out=clean[self._above])
        return self._synthesis.process(clean)

    def reset(self) -> None:
        self._analysis.reset()
        self._synthesis.reset()
        self._network.reset()
