"""What training minimises: how far the sound after synthesis is from the clean one.

The mask is judged after synthesis. Frames overlap by half, so half of what a mask does in one frame alone is heard, and
masks that jump from frame to frame sound rough although they are right on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..bands import SPEC
from ..corpus.mixer import Batch
from ..networks.mask import COMPRESSION
from ..stft import synthesis_window

DECIMATION = 3
"""Bins up to 8 kHz are those of a transform a third as long, at 16 kHz."""
SIZE, HOP = SPEC.fft_size // DECIMATION, SPEC.hop // DECIMATION
RESOLUTIONS = ((256, 64), (512, 160), (1024, 256))
"""Transform size and hop of the spectra that are compared, samples at 16 kHz."""
_FLOOR = 1e-4
"""Power of a bin below which errors do not count: 45 dB under pool speech's weak bins; keeps the slope at zero finite."""
_SYNTHESIS = torch.from_numpy(synthesis_window(SPEC)[::DECIMATION].copy())
_WINDOWS = {size: DECIMATION * (512 / size) ** 0.5 * torch.hann_window(size) for size, _ in RESOLUTIONS}
"""Scaled so that noise has the same power in a bin at each resolution."""


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How much each part of the loss counts."""

    magnitude: float = 0.6
    """Squared distance of magnitudes, compressed to the power 0.3, up to 8 kHz."""
    complex: float = 0.4
    """The same of complex bins, their magnitudes compressed and their phases kept."""
    waveform: float = 0.5
    """Mean absolute difference of the samples at 16 kHz."""
    high: float = 0.25
    """Squared distance of compressed amplitudes of the bands above 8 kHz, where the target is known."""
    lost_high: float = 0.4
    """What is lost of a band above 8 kHz counts so much more than what is left of its noise."""


def heard(low: Tensor) -> Tensor:
    """Bins up to 8 kHz (batch, frames, 256, 2) to what synthesis makes of them, at 16 kHz, (batch, frames * 160)."""
    bins = F.pad(torch.view_as_complex(low.contiguous()), (1, 0))
    blocks: Tensor = torch.fft.irfft(bins / DECIMATION, SIZE)[..., -2 * HOP :] * _SYNTHESIS.to(low.device)
    return (blocks[..., :HOP] + F.pad(blocks[..., HOP:], (0, 0, 1, 0))[:, :-1]).flatten(1)


def _spectrum(signal: Tensor, size: int, hop: int) -> tuple[Tensor, Tensor]:
    """Bins (batch, bins, frames), magnitudes compressed and phases kept as real and imaginary part (..., 2); magnitudes."""
    window = _WINDOWS[size].to(signal.device)
    bins = torch.view_as_real(torch.stft(signal, size, hop, window=window, center=False, return_complex=True))
    power = bins.square().sum(-1) + _FLOOR
    return bins * (power ** ((COMPRESSION - 1) / 2))[..., None], power ** (COMPRESSION / 2)


def spectral_loss(batch: Batch, mask: Tensor, gains: Tensor, weights: LossWeights) -> Tensor:
    """The distance of compressed spectra at three resolutions (Ephrat et al., SIGGRAPH 2018; Braun and Tashev, "A
    consolidated view of loss functions for supervised deep learning-based speech enhancement", 2021; several
    resolutions: Yamamoto et al., "Parallel WaveGAN", 2020), and of the samples.

    ``mask`` (batch, frames, 256, 2) and ``gains`` (batch, frames, 16) as from the network.
    """
    n_re, n_im = batch.noisy_low.unbind(-1)
    m_re, m_im = mask.unbind(-1)
    estimate = heard(torch.stack([n_re * m_re - n_im * m_im, n_re * m_im + n_im * m_re], -1))
    with torch.no_grad():
        clean = heard(batch.clean_low)
    total = weights.waveform * (estimate - clean).abs().mean()
    for size, hop in RESOLUTIONS:
        bins, magnitudes = _spectrum(estimate, size, hop)
        with torch.no_grad():
            clean_bins, clean_magnitudes = _spectrum(clean, size, hop)
        distance = weights.magnitude * (magnitudes - clean_magnitudes).square()
        distance = distance + weights.complex * (bins - clean_bins).square().sum(-1)
        total = total + distance.mean() / len(RESOLUTIONS)
    high_power = (gains * batch.noisy_high).square() + _FLOOR
    high = high_power ** (COMPRESSION / 2) - (batch.clean_high.square() + _FLOOR) ** (COMPRESSION / 2)
    high = (high.square() + weights.lost_high * (-high).clamp(min=0).square()) * batch.judged
    loss: Tensor = total + weights.high * high.mean()
    return loss
