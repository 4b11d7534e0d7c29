"""What training minimises: distance of compressed spectra, with speech that is lost weighing more than noise that stays."""

from __future__ import annotations

import torch
from torch import Tensor

from ..networks.mask import COMPRESSION
from .mixture import Batch

_FLOOR = 1e-4
"""Power of a bin below which errors do not count: 45 dB under pool speech's weak bins; keeps the slope at zero finite."""
MAGNITUDE, COMPLEX, LOST, HIGH = 0.7, 0.3, 0.4, 0.25
CLEAR = 2.0
"""Extra weight of bins that hold speech alone. Compression makes an error of 2 dB there look small; ears do not."""
DISTORTION = 0.01
"""Weight of the signal-to-distortion ratio, in bels, of crops that hold speech: what carries the power counts, as heard."""
PAUSE = 1.0
"""Extra weight of frames without speech, 30 dB under the crop's mean: what is left there is all noise."""


def spectral_loss(batch: Batch, mask: Tensor, gains: Tensor) -> Tensor:
    """Mean over bins of the squared distance between spectra compressed to the power 0.3 (Ephrat et al., SIGGRAPH
    2018; Braun and Tashev, 2021), magnitudes and complex values, plus a penalty on magnitudes that are too small, plus
    the ratio of distortion to speech.

    ``mask`` (batch, frames, 256, 2) and ``gains`` (batch, frames, 16) as from the network.
    """
    n_re, n_im = batch.noisy_low.unbind(-1)
    m_re, m_im = mask.unbind(-1)
    re, im = n_re * m_re - n_im * m_im, n_re * m_im + n_im * m_re
    c_re, c_im = batch.clean_low.unbind(-1)
    power, c_power = re * re + im * im + _FLOOR, c_re * c_re + c_im * c_im + _FLOOR
    phase, c_phase = power ** ((COMPRESSION - 1) / 2), c_power ** ((COMPRESSION - 1) / 2)
    magnitude, c_magnitude = power.sqrt() * phase, c_power.sqrt() * c_phase
    difference = magnitude - c_magnitude
    low = MAGNITUDE * difference.square() + LOST * (-difference).clamp(min=0).square()
    low = low + COMPLEX * ((re * phase - c_re * c_phase).square() + (im * phase - c_im * c_phase).square())
    high_power = (gains * batch.noisy_high) ** 2 + _FLOOR
    high = high_power ** (COMPRESSION / 2) - (batch.clean_high**2 + _FLOOR) ** (COMPRESSION / 2)
    high = (high.square() + LOST * (-high).clamp(min=0).square()) * batch.judged
    clear = c_power / (c_power + (n_re - c_re).square() + (n_im - c_im).square())
    frame_power = (c_re.square() + c_im.square()).mean(2, keepdim=True)
    pause = (frame_power <= 1e-3 * frame_power.mean(1, keepdim=True)).float()
    low = low * (1 + CLEAR * clear**4 + PAUSE * pause)
    error = ((re - c_re).square() + (im - c_im).square()).mean((1, 2))
    speech = frame_power.mean((1, 2))
    # Better than 30 dB is not asked for: a clean crop must not drown the others.
    ratio = torch.log10((error + 1e-3 * speech + _FLOOR) / (speech + _FLOOR)) * (speech > _FLOOR)
    return low.mean() + HIGH * high.mean() + DISTORTION * ratio.mean()
