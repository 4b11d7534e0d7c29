"""The spectrum as the networks see it: complex bins up to 8 kHz, band amplitudes above."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

from ..bands import BAND_BINS, HIGH_BANDS, LOW_BINS, SPEC
from ..stft import Samples, analysis_window

BIN_HZ = SPEC.sample_rate / SPEC.fft_size


def full_spectra(samples: Samples) -> NDArray[np.float32]:
    """Spectra of a whole signal, frame for frame what ``Analysis`` gives on a stream that starts with it.

    Shape (frames, 769, 2), real and imaginary parts last. A last frame that is not full is left out.
    """
    frames = len(samples) // SPEC.hop
    padded = np.concatenate([np.zeros(SPEC.fft_size - SPEC.hop, np.float32), samples[: frames * SPEC.hop]])
    windowed = np.lib.stride_tricks.sliding_window_view(padded, SPEC.fft_size)[:: SPEC.hop] * analysis_window(SPEC)
    return np.asarray(rfft(windowed, axis=1).view(np.float32).reshape(frames, SPEC.bins, 2))


def analyse(samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The spectra as the networks see them: low bins, shape (frames, 256, 2), and the root mean square over each
    high band, shape (frames, 16)."""
    spectra = full_spectra(samples)
    low = np.ascontiguousarray(spectra[:, 1 : 1 + LOW_BINS])
    high = spectra[:, 1 + LOW_BINS :].reshape(len(spectra), HIGH_BANDS, 2 * BAND_BINS)
    return low, np.sqrt(2 * np.mean(high**2, axis=2))


def power(low: NDArray[np.float32], high: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power of each frame over all bins, shape (frames,); the scale is that of an unnormalised transform."""
    return np.asarray(np.sum(low**2, axis=(1, 2)) + BAND_BINS * np.sum(high**2, axis=1), np.float32)
