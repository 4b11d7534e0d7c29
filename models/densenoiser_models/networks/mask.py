"""What every network here does to a spectrum before and after: compression, band energies, the full mask."""

from __future__ import annotations

import torch
from torch import Tensor

LOW_BINS = 256
HIGH_BANDS = 16
BAND_BINS = 32
COMPRESSION = 0.3
LOG_SCALE = 0.1
POWER_FLOOR = 1e-8
"""Power under which nothing is heard: -110 dBFS spread over all bins."""


def compress(low: Tensor) -> Tensor:
    """Bins (..., 2) with the same phase and their magnitude to the power of 0.3, and that magnitude: (..., 3)."""
    power = torch.sum(low * low, -1, keepdim=True)
    return torch.cat([low, torch.sqrt(power)], -1) * torch.pow(power + POWER_FLOOR, (COMPRESSION - 1) / 2)


def compressed_magnitude(low: Tensor) -> Tensor:
    """Magnitudes of bins (..., 2) to the power of 0.3, shape (...)."""
    return torch.pow(torch.sum(low * low, -1) + POWER_FLOOR, COMPRESSION / 2)


def ratio(estimate: Tensor, heard: Tensor) -> Tensor:
    """The complex mask that makes ``estimate`` of ``heard``, both (..., 2)."""
    e_re, e_im = estimate.split(1, -1)
    h_re, h_im = heard.split(1, -1)
    power = h_re * h_re + h_im * h_im + POWER_FLOOR
    return torch.div(torch.cat([e_re * h_re + e_im * h_im, e_im * h_re - e_re * h_im], -1), power)


def log_energy(power: Tensor) -> Tensor:
    """Power to about -1 to 1."""
    return LOG_SCALE * torch.log(power + POWER_FLOOR)


def split_power(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """One frame (1, 769, 2) to its low bins (1, 256, 2) and the power of each band above, summed over its bins (1, 16)."""
    _, low, high = spectrum.split([1, LOW_BINS, HIGH_BANDS * BAND_BINS], 1)
    return low, (high * high).reshape(1, HIGH_BANDS, 2 * BAND_BINS).sum(2)


def full_mask(low: Tensor, gains: Tensor) -> Tensor:
    """Mask of the low bins (1, 2, 256) and gains (1, 16) to all bins (1, 769, 2); bin 0 as bin 1."""
    mask = low.transpose(1, 2)
    real = torch.tensor([[1.0, 0.0]]).expand(BAND_BINS, 2)
    high = (gains.reshape(HIGH_BANDS, 1, 1) * real).reshape(1, HIGH_BANDS * BAND_BINS, 2)
    return torch.cat([mask[:, :1], mask, high], 1)
