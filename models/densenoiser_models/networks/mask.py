"""What every network here does to a spectrum before and after: compression, band energies, the full mask."""

from __future__ import annotations

import torch
from torch import Tensor

from ..bands import BAND_BINS, HIGH_BANDS, LOW_BINS

COMPRESSION = 0.3
LOG_SCALE = 0.2
POWER_FLOOR = 1e-8
"""Power under which nothing is heard: -110 dBFS spread over all bins."""
AMPLITUDE_FLOOR = POWER_FLOOR**0.5


def compress(low: Tensor, axis: int = -1) -> Tensor:
    """Bins, real and imaginary part along ``axis``, with the same phase and their magnitude to the power of 0.3, and that
    magnitude: three along ``axis``.
    """
    magnitude = torch.linalg.vector_norm(low, dim=axis, keepdim=True)
    return torch.cat([low, magnitude], axis) * torch.pow(magnitude + AMPLITUDE_FLOOR, COMPRESSION - 1)


def compressed_magnitude(low: Tensor) -> Tensor:
    """Magnitudes of bins (..., 2) to the power of 0.3, shape (...)."""
    return torch.pow(torch.sum(low * low, -1) + POWER_FLOOR, COMPRESSION / 2)


def ratio(estimate: Tensor, heard: Tensor) -> Tensor:
    """The complex mask that makes ``estimate`` of ``heard``, both (..., 2)."""
    e_re, e_im = estimate.split(1, -1)
    h_re, h_im = heard.split(1, -1)
    power = h_re * h_re + h_im * h_im + POWER_FLOOR
    return torch.div(torch.cat([e_re * h_re + e_im * h_im, e_im * h_re - e_re * h_im], -1), power)


def log_level(amplitude: Tensor) -> Tensor:
    """Amplitude to about -1 to 1."""
    return LOG_SCALE * torch.log(amplitude + AMPLITUDE_FLOOR)


def split_bands(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """One frame (1, 769, 2) to its low bins (1, 256, 2) and the norm of each band above, over all its bins (1, 16)."""
    _, low, high = spectrum.split([1, LOW_BINS, HIGH_BANDS * BAND_BINS], 1)
    return low, torch.linalg.vector_norm(high.reshape(1, HIGH_BANDS, 2 * BAND_BINS), dim=2)


def decompress(mask: Tensor, axis: int = -1) -> Tensor:
    """The mask of spectra from one of compressed spectra, real and imaginary part along ``axis``: M |M|^(7/3).

    A network finds the compressed one easier to say: there -40 dB is a quarter, not a hundredth.
    """
    power = torch.sum(mask * mask, axis, keepdim=True)
    return mask * torch.pow(power + POWER_FLOOR, (1 / COMPRESSION - 1) / 2)


def full_mask(low: Tensor, gains: Tensor) -> Tensor:
    """Mask of the low bins (1, 2, 256) and gains (1, 16) to all bins (1, 769, 2); bin 0 as bin 1."""
    mask = low.transpose(1, 2)
    # A product makes the imaginary part: ONNX Runtime broadcasts along a last axis of 2 ten times as slowly.
    bands = torch.arange(HIGH_BANDS).repeat_interleave(BAND_BINS)
    high = torch.matmul(gains[:, bands][..., None], torch.tensor([[1.0, 0.0]]))
    return torch.cat([mask[:, :1], mask, high], 1)
