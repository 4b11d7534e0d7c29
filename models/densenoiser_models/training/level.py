"""Speech level while somebody speaks, and the gains that make a signal-to-noise ratio of it."""

from __future__ import annotations

import numpy as np

from ..stft import Samples

MARGIN_DB = 15.9
_FRAME_SECONDS = 0.02
_FLOOR = 1e-12


def active_level(samples: Samples, sample_rate: int) -> float:
    """Level of the active part, dB re full scale (a square wave of amplitude 1 is 0 dBFS); -120 for silence.

    The mean power of the 20 ms frames that lie less than 15.9 dB under that very mean: the threshold of ITU-T P.56,
    method B, found by iteration from the mean of all frames upward, on frames in place of P.56's envelope.
    """
    size = max(1, round(_FRAME_SECONDS * sample_rate))
    padded = np.pad(samples, (0, -len(samples) % size))
    power = np.mean(np.square(padded.reshape(-1, size), dtype=np.float64), axis=1)
    return 10.0 * float(np.log10(active_power(power) + _FLOOR))


def active_power(power: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Mean over those frame powers, shape (frames,), that are less than 15.9 dB under that mean."""
    mean = float(power.mean()) if len(power) else 0.0
    share = 10.0 ** (-MARGIN_DB / 10.0)
    while mean > 0.0:
        higher = float(power[power > share * mean].mean())
        if higher <= mean * (1.0 + 1e-6):
            break
        mean = higher
    return mean


def to_level(samples: Samples, sample_rate: int, level_db: float) -> Samples:
    """The samples scaled to an active level of ``level_db`` dBFS."""
    return samples * np.float32(10.0 ** ((level_db - active_level(samples, sample_rate)) / 20.0))


def mix_at(speech: Samples, noise: Samples, sample_rate: int, snr_db: float) -> Samples:
    """Speech plus noise, so that speech's active level is ``snr_db`` above the noise's mean power."""
    mean = 10.0 * float(np.log10(np.mean(np.square(noise, dtype=np.float64)) + _FLOOR))
    gain = 10.0 ** ((active_level(speech, sample_rate) - snr_db - mean) / 20.0)
    return speech + noise * np.float32(gain)
