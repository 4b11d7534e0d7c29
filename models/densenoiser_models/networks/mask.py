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
    return low * (torch.sum(low * low, -1, keepdim=True) + _FLOOR) ** ((COMPRESSION - 1) / 2)


def log_energy(power: Tensor) -> Tensor:
    """Power to about -1 to 1."""
    return 0.1 * torch.log(power + _FLOOR)


def split_spectrum(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """One frame (1, 769, 2) to its compressed low bins (1, 2, 256) and its log energies above (1, 16)."""
    _, low, high = spectrum.split([1, LOW_BINS, HIGH_BANDS * BAND_BINS], 1)
    power = (high * high).reshape(1, HIGH_BANDS, 2 * BAND_BINS).mean(2) * 2.0
    return compress(low).transpose(1, 2), log_energy(power)


def full_mask(low: Tensor, gains: Tensor) -> Tensor:
    """Mask of the low bins (1, 2, 256) and gains (1, 16) to all bins (1, 769, 2); bin 0 as bin 1."""
    mask = low.transpose(1, 2)
    real = torch.tensor([[1.0, 0.0]]).expand(BAND_BINS, 2)
    high = (gains.reshape(HIGH_BANDS, 1, 1) * real).reshape(1, HIGH_BANDS * BAND_BINS, 2)
    return torch.cat([mask[:, :1], mask, high], 1)
