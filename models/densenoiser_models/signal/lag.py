"""Finds the lag between two recordings by cross-correlation."""

from __future__ import annotations

import numpy as np

from ..stft import Samples


def best_lag(piece: Samples, around: Samples) -> tuple[int, float]:
    """The position in ``around`` where the shorter ``piece`` fits best, samples, and the normalised correlation, -1 to 1."""
    size = 1 << (len(around) + len(piece) - 1).bit_length()
    spectrum = np.fft.rfft(around, size) * np.conj(np.fft.rfft(piece, size))
    lags = len(around) - len(piece) + 1
    product = np.fft.irfft(spectrum, size)[:lags]
    energy = np.cumsum(np.concatenate([[0.0], around.astype(np.float64) ** 2]))
    local = energy[len(piece) :] - energy[: -len(piece)]
    norm = np.sqrt(np.maximum(local, 1e-12) * max(float(piece @ piece), 1e-12))
    scores = product / norm
    best = int(np.argmax(scores))
    return best, float(scores[best])


def whole_lag(reference: Samples, recording: Samples, longest: int | None = None) -> int:
    """The lag of ``recording`` behind ``reference``, samples, at least 0 and below ``longest``.

    The correlation is not normalised. So the recording must hold the whole reference, or all but its end.
    """
    size = 1 << (len(reference) + len(recording)).bit_length()
    spectrum = np.fft.rfft(recording, size) * np.conj(np.fft.rfft(reference, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: longest or len(recording)]))
