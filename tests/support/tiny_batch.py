"""One batch that a network can learn by heart: a gated comb of tones, and white noise over it."""

from __future__ import annotations

import torch
from torch import Tensor

from densenoiser_models.corpus.mixer import Batch


def tiny_batch(crops: int, frames: int) -> Batch:
    """Tones in every eighth bin that speak for ten frames and pause for ten, 20 dB over noise that never ends."""
    generator = torch.Generator().manual_seed(3)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(crops, frames, *shape, generator=generator)

    speaks = (torch.arange(frames) // 10 % 2).float()[:, None]
    comb = (torch.arange(256) % 8 == 0).float()[:, None]
    clean_low = 10 * drawn(256, 2) * comb * speaks[..., None]
    clean_high = 3 * drawn(16).abs() * speaks
    noisy_low = clean_low + drawn(256, 2)
    noisy_high = torch.sqrt(clean_high**2 + drawn(16) ** 2)
    return Batch(noisy_low, noisy_high, clean_low, clean_high, torch.ones(crops), torch.ones(crops, frames, 16))
