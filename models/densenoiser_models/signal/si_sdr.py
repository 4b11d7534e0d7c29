"""Measures SI-SDR, the ratio of the wanted speech in a recording to everything else in it."""

from __future__ import annotations

import numpy as np

from ..stft import Samples
from .level import power_db


def si_sdr(reference: Samples, output: Samples) -> float:
    """The scale-invariant signal-to-distortion ratio of ``output``, dB.

    Both arrays are float32, shape (samples,), and lined up. Their means are removed first. The formula is equation 2 of
    Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019.
    """
    target = reference - np.mean(reference, dtype=np.float64)
    estimate = output - np.mean(output, dtype=np.float64)
    scaled = np.dot(estimate, target) / (np.dot(target, target) + 1e-20) * target
    return power_db((np.dot(scaled, scaled) + 1e-20) / (np.sum(np.square(estimate - scaled)) + 1e-20))
