"""The student's dense net that DenseNoiser began with, as a baseline: each frame on its own, faults and all.

    |X|^0.3 of one frame, 256 bins to 8 kHz -> 1x1 -> dense block along frequency -> 1x1 to 16 channels, pairs of bins
    averaged -> dense block -> GRU from low to high frequency -> |X|^0.3 of clean speech; the noisy phase is kept

What it does badly is the point of the comparison: it knows no other frame, says how loud speech is instead of how much
of a bin to keep, drops 0.4 of its features in training, and has nothing above 8 kHz. 69 170 parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..bands import HIGH_BANDS, LOW_BINS
from .mask import COMPRESSION, compressed_magnitude, full_mask

LAYERS, GROWTH, CHANNELS = 4, 32, 16
DROPOUT = 0.4
POOLED = 2
"""Bins that the transition averages to one position, and that the GRU's output tells apart again."""
MEMORY = 32
"""The GRU's features at a position: what it knows of the frequencies below."""


class FrequencyBlock(nn.Module):
    """Convolutions of three taps along frequency, each fed by all before it (Huang et al., CVPR 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(CHANNELS + i * GROWTH, GROWTH, 3, padding=1, bias=False),
                nn.BatchNorm1d(GROWTH),
                nn.ReLU(),
                nn.Dropout(DROPOUT),
            )
            for i in range(LAYERS)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(frames, 16, positions) to (frames, 144, positions)."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class DenseNetSeed(nn.Module):
    """The network over whole sequences, for training; frames do not know of each other."""

    def __init__(self) -> None:
        super().__init__()
        features = CHANNELS + LAYERS * GROWTH
        self.stem = nn.Conv1d(1, CHANNELS, 1)
        self.fine = FrequencyBlock()
        self.transition = nn.Conv1d(features, CHANNELS, 1)
        self.coarse = FrequencyBlock()
        self.recurrent = nn.GRU(features, MEMORY, batch_first=True)
        self.magnitudes = nn.Linear(MEMORY, POOLED)

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Bins up to 8 kHz (batch, frames, 256, 2), band amplitudes (batch, frames, 16); to mask and gains, same shapes.

        The mask is the ratio of the magnitudes said to those heard, imaginary part zero; the gains are zero.
        """
        batch, frames = low.shape[:2]
        heard = compressed_magnitude(low)
        x = self.fine(self.stem(heard.reshape(batch * frames, 1, LOW_BINS)))
        x = self.coarse(F.avg_pool1d(self.transition(x), POOLED))
        x, _ = self.recurrent(x.transpose(1, 2))
        said = F.softplus(self.magnitudes(x)).reshape(batch, frames, LOW_BINS)
        ratio = (said / heard) ** (1 / COMPRESSION)
        return torch.stack([ratio, torch.zeros_like(ratio)], 3), torch.zeros_like(high)

    def streaming(self) -> StreamingDenseNetSeed:
        """The same function frame by frame."""
        return StreamingDenseNetSeed(self)


class StreamingDenseNetSeed(nn.Module):
    """Spectrum of a frame (1, 769, 2) to the mask (1, 769, 2); there is no state."""

    def __init__(self, net: DenseNetSeed) -> None:
        super().__init__()
        self.net = net
        self.state_shapes: dict[str, tuple[int, ...]] = {}

    def forward(self, spectrum: Tensor) -> tuple[Tensor]:
        """One frame."""
        low = spectrum[:, 1 : 1 + LOW_BINS]
        mask, gains = self.net(low[None], torch.zeros(1, 1, HIGH_BANDS))
        return (full_mask(mask[0].transpose(1, 2), gains[0]),)
