"""Measures levels in decibels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..stft import Samples


def power_db(power: float) -> float:
    """Converts a mean power to dB. It is -infinity for 0."""
    return 10.0 * math.log10(power) if power > 0.0 else -math.inf


def level_db(audio: Samples | NDArray[np.float64]) -> float:
    """The mean power of samples in [-1, 1], shape (samples,), in dBFS. It is -200 for silence or no samples."""
    power = float(np.mean(np.square(audio, dtype=np.float64))) if len(audio) else 0.0
    return power_db(power + 1e-20)
