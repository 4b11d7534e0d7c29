"""SI-SDR: how much of a recording is the speech that it should be."""

from __future__ import annotations

import numpy as np

from ..stft import Samples
from .level import power_db


def si_sdr(reference: Samples, output: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio of ``output``, dB. Both float32, shape (samples,), lined up.

    Both means are removed first. Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019, equation 2.
    """
    target = reference - np.mean(reference, dtype=np.float64)
    estimate = output - np.mean(output, dtype=np.float64)
    scaled = np.dot(estimate, target) / (np.dot(target, target) + 1e-20) * target
    return power_db((np.dot(scaled, scaled) + 1e-20) / (np.sum(np.square(estimate - scaled)) + 1e-20))
