"""Streaming STFT: turns frames of samples into spectra and back, without an allocation per frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .frame import FrameSpec

Samples = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


def _periodic_hann(length: int) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)


def vorbis_window(length: int) -> Samples:
    """The power-complementary window of Vorbis I (specification, section 4.3.1), shape (length,), float32."""
    sine = np.sin(np.pi * (np.arange(length) + 0.5) / length)
    return np.sin(0.5 * np.pi * sine**2).astype(np.float32)


def analysis_window(spec: FrameSpec) -> Samples:
    """The asymmetric analysis window, shape (fft_size,), float32.

    It is a long rising half of a square-root Hann window, followed by a short falling half (Mauler and Martin, EUSIPCO
    2007, eq. 10-11).
    """
    rise = spec.fft_size - spec.hop
    rising = np.sqrt(_periodic_hann(2 * rise)[:rise])
    falling = np.sqrt(_periodic_hann(2 * spec.hop)[spec.hop :])
    return np.concatenate([rising, falling]).astype(np.float32)


def synthesis_window(spec: FrameSpec) -> Samples:
    """The window of the last ``synthesis_window`` samples, shape (synthesis_window,), float32.

    Its product with the analysis window is a periodic Hann window of that length, which overlap-adds to one at half
    overlap.
    """
    analysis = analysis_window(spec).astype(np.float64)[-spec.synthesis_window :]
    product = _periodic_hann(spec.synthesis_window)
    window = np.zeros_like(product)
    np.divide(product, analysis, out=window, where=analysis > 0)
    return window.astype(np.float32)


class Analysis:
    """Turns frames into spectra. Owned by one thread."""

    def __init__(self, spec: FrameSpec, window: Samples | None = None) -> None:
        """``window`` has the shape (fft_size,), and is by default ``analysis_window``."""
        self.spec = spec
        # numpy's real transform stays in float32, a third faster and without temporaries, only if its scale factor is a
        # float32 too. It is one only with norm="forward". The window carries the inverse of that factor.
        self._window = (analysis_window(spec) if window is None else window) * np.float32(spec.fft_size)
        self._past = np.zeros(spec.fft_size, np.float32)
        self._windowed = np.zeros(spec.fft_size, np.float32)
        self._spectrum = np.zeros(spec.bins, np.complex64)

    def process(self, frame: Samples) -> Spectrum:
        """Takes one frame, shape (hop,), and returns the spectrum of the last ``fft_size`` samples, shape (bins,).

        The spectrum is valid until the next call.
        """
        hop = self.spec.hop
        self._past[:-hop] = self._past[hop:]
        self._past[-hop:] = frame
        np.multiply(self._past, self._window, out=self._windowed)
        np.fft.rfft(self._windowed, norm="forward", out=self._spectrum)  # type: ignore[arg-type]  # stubs know only float64
        return self._spectrum

    def reset(self) -> None:
        """Forgets past samples. The next frame follows silence."""
        self._past[:] = 0.0


class Synthesis:
    """Turns spectra into frames. Owned by one thread."""

    def __init__(self, spec: FrameSpec, window: Samples | None = None) -> None:
        """``window`` has the shape (synthesis_window,), and is by default ``synthesis_window``."""
        self.spec = spec
        self._window = synthesis_window(spec) if window is None else window
        self._samples = np.zeros(spec.fft_size, np.float32)
        self._sum = np.zeros(spec.synthesis_window, np.float32)
        self._frame = np.zeros(spec.hop, np.float32)

    def process(self, spectrum: Spectrum) -> Samples:
        """Takes one spectrum, shape (bins,), and returns the next finished frame, shape (hop,).

        The frame is valid until the next call.
        """
        hop = self.spec.hop
        np.fft.irfft(spectrum, n=self.spec.fft_size, out=self._samples)  # type: ignore[arg-type]  # as in Analysis
        recent = self._samples[-self.spec.synthesis_window :]
        np.multiply(recent, self._window, out=recent)
        np.add(self._sum, recent, out=self._sum)
        self._frame[:] = self._sum[:hop]
        self._sum[:-hop] = self._sum[hop:]
        self._sum[-hop:] = 0.0
        return self._frame

    def reset(self) -> None:
        """Forgets the overlap. The next frame follows silence."""
        self._sum[:] = 0.0
