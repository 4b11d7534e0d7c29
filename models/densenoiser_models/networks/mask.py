"""What every network here does to a spectrum before and after: compression, band energies, the full mask."""

from __future__ import annotations

import torch
from torch import Tensor

LOW_BINS = 256
HIGH_BANDS = 16
BAND_BINS = 32
COMPRESSION = 0.3
_FLOOR = 1e-8
"""Power under which nothing is heard: -110 dBFS spread over all bins."""


def compress(low: Tensor) -> Tensor:
    """Bins (..., 2) with the same phase and their magnitude to the power of 0.3."""
    return low * torch.pow(torch.sum(low * low, -1, keepdim=True) + _FLOOR, (COMPRESSION - 1) / 2)


def with_magnitude(compressed: Tensor, axis: int = -1) -> Tensor:
    """Real and imaginary parts along ``axis``, joined by the magnitude."""
    squared = torch.sum(compressed * compressed, axis, keepdim=True)
    return torch.cat([compressed, torch.sqrt(squared + _FLOOR)], axis)


def compressed_magnitude(low: Tensor) -> Tensor:
    """Magnitudes of bins (..., 2) to the power of 0.3, shape (...)."""
    return torch.pow(torch.sum(low * low, -1) + _FLOOR, COMPRESSION / 2)


def ratio(estimate: Tensor, heard: Tensor) -> Tensor:
    """The complex mask that makes ``estimate`` of ``heard``, both (..., 2)."""
    e_re, e_im = estimate.split(1, -1)
    h_re, h_im = heard.split(1, -1)
    power = h_re * h_re + h_im * h_im + _FLOOR
    return torch.div(torch.cat([e_re * h_re + e_im * h_im, e_im * h_re - e_re * h_im], -1), power)


def log_energy(power: Tensor) -> Tensor:
    """Power to about -1 to 1."""
    return 0.1 * torch.log(power + _FLOOR)


def split_power(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """One frame (1, 769, 2) to its low bins (1, 256, 2) and the mean power of a bin in each band above (1, 16)."""
    _, low, high = spectrum.split([1, LOW_BINS, HIGH_BANDS * BAND_BINS], 1)
    return low, (high * high).reshape(1, HIGH_BANDS, 2 * BAND_BINS).mean(2) * 2.0


def split_spectrum(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """One frame (1, 769, 2) to its compressed low bins (1, 2, 256) and its log energies above (1, 16)."""
    low, power = split_power(spectrum)
    return compress(low).transpose(1, 2), log_energy(power)


def full_mask(low: Tensor, gains: Tensor) -> Tensor:
    """Mask of the low bins (1, 2, 256) and gains (1, 16) to all bins (1, 769, 2); bin 0 as bin 1."""
    mask = low.transpose(1, 2)
    real = torch.tensor([[1.0, 0.0]]).expand(BAND_BINS, 2)
    high = (gains.reshape(HIGH_BANDS, 1, 1) * real).reshape(1, HIGH_BANDS * BAND_BINS, 2)
    return torch.cat([mask[:, :1], mask, high], 1)
