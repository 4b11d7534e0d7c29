"""Causal Conv-TasNet, as a baseline: Luo and Mesgarani, "Conv-TasNet: Surpassing Ideal Time-Frequency Magnitude Masking
for Speech Separation", IEEE/ACM TASLP 2019.

    frame -> learned encoder -> cumulative layer norm -> 1x1 -> dilated depthwise blocks over time, skips summed
    -> sigmoid mask on the encoded frame -> learned decoder -> frame

The encoder and decoder are the paper's, linear and learned freely, over the frames of our contract: 32 ms of sound up
to 8 kHz every 10 ms, where the paper takes 2 ms every 1 ms. A frame arrives as its 256 complex bins, which are an
orthogonal transform of its samples at 16 kHz: any linear encoder of the samples is one of the bins. What the decoder
says is handed on as the complex ratio to what was heard, so that the loss, the engine and the delay are those of every
network here. Bands above 8 kHz, which the paper does not have, are seen as log energies and get a gain each.
1 868 457 parameters; train it with ``--rate 5e-4`` (after 0.22 h of audio the loss was .256, at the default 2e-3 .274).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..bands import BAND_BINS, HIGH_BANDS, LOW_BINS
from .mask import full_mask, log_level, ratio, split_bands

FILTERS, BOTTLENECK, HIDDEN = 512, 128, 256
"""N, B (and Sc) and H in the paper."""
DILATIONS = (1, 2, 4, 8, 16, 32) * 2
"""X = 6, R = 2; three taps: 2.5 s of the past."""
_EPSILON = 1e-8


class CumulativeNorm(nn.Module):
    """Layer norm over the features of all frames so far (the paper's cLN)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, features) to the same."""
        count = torch.arange(1, x.shape[1] + 1, device=x.device)[:, None]
        mean = x.mean(2, keepdim=True).cumsum(1) / count
        square = (x * x).mean(2, keepdim=True).cumsum(1) / count
        return self._scaled(x, mean, square)

    def step(self, x: Tensor, means: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One frame (1, features), the means of values and squares before it (1, 2), and one over the count of frames
        with it; to the frame normalised and the new means."""
        now = torch.cat([x, x * x], 0).mean(1)[None]
        means = means + (now - means) * share
        mean, square = means.split(1, 1)
        return self._scaled(x, mean, square), means

    def _scaled(self, x: Tensor, mean: Tensor, square: Tensor) -> Tensor:
        deviation = torch.sqrt((square - mean * mean).clamp(min=0) + _EPSILON)
        return (x - mean) / deviation * self.gain + self.bias


class ConvBlock(nn.Module):
    """1x1, depthwise convolution of three causal taps, and one 1x1 each for what goes on and for the skip sum."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.widen = nn.Linear(BOTTLENECK, HIDDEN)
        self.first = nn.PReLU()
        self.first_norm = CumulativeNorm(HIDDEN)
        self.taps = nn.Parameter(torch.empty(3, HIDDEN).uniform_(-(3**-0.5), 3**-0.5))
        self.second = nn.PReLU()
        self.second_norm = CumulativeNorm(HIDDEN)
        self.narrow = nn.Linear(HIDDEN, 2 * BOTTLENECK)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, 128) to the same and the skip."""
        wide = self.first_norm(self.first(self.widen(x)))
        frames = x.shape[1]
        older = F.pad(wide, (0, 0, self.dilation, 0))[:, :frames]
        oldest = F.pad(wide, (0, 0, 2 * self.dilation, 0))[:, :frames]
        mixed = oldest * self.taps[0] + older * self.taps[1] + wide * self.taps[2]
        residual, skip = self.narrow(self.second_norm(self.second(mixed))).split(BOTTLENECK, 2)
        return x + residual, skip


class ConvTasNet(nn.Module):
    """The network over whole sequences, for training."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(2 * LOW_BINS, FILTERS, bias=False)
        self.decoder = nn.Linear(FILTERS, 2 * LOW_BINS, bias=False)
        self.norm = CumulativeNorm(FILTERS)
        self.enter = nn.Linear(FILTERS + HIGH_BANDS, BOTTLENECK)
        self.blocks = nn.ModuleList(ConvBlock(dilation) for dilation in DILATIONS)
        self.leave = nn.Sequential(nn.PReLU(), nn.Linear(BOTTLENECK, FILTERS + HIGH_BANDS), nn.Sigmoid())
        # The start is the Fourier transform: after 0.22 h of audio at rate 5e-4 the loss was .256, from a random
        # orthogonal encoder .287.
        nn.init.eye_(self.encoder.weight)
        nn.init.eye_(self.decoder.weight)

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Bins up to 8 kHz (batch, frames, 256, 2), band amplitudes (batch, frames, 16); to mask and gains, same shapes."""
        encoded = self.encoder(low.flatten(2))
        x = self.enter(torch.cat([self.norm(encoded), log_level(high)], 2))
        skips = torch.zeros_like(x)
        for block in self.blocks:
            x, skip = block(x)
            skips = skips + skip
        kept, gains = self.leave(skips).split([FILTERS, HIGH_BANDS], 2)
        return ratio(self.decoder(encoded * kept).reshape(low.shape), low), gains

    def conv_blocks(self) -> Iterator[ConvBlock]:
        """The blocks, first to last."""
        for block in self.blocks:
            assert isinstance(block, ConvBlock)
            yield block

    def streaming(self) -> StreamingConvTasNet:
        """The same function frame by frame."""
        return StreamingConvTasNet(self)


class StreamingConvTasNet(nn.Module):
    """Spectrum of a frame (1, 769, 2) and states to the mask (1, 769, 2) and the next states.

    ``frames`` counts what was heard, ``means`` holds the norms' means of values and squares, and ``history`` the hidden
    features of past frames, oldest first, as many of each block as its taps reach back.
    """

    def __init__(self, net: ConvTasNet) -> None:
        super().__init__()
        self.net = net
        reach = torch.tensor([2 * dilation for dilation in DILATIONS])
        starts = reach.cumsum(0) - reach
        rows, blocks = int(reach.sum()), len(DILATIONS)
        oldest, older = starts, starts + reach // 2
        self.register_buffer("taken", torch.stack([oldest, older], 1).flatten())
        # A frame moves every row up by one; the last row of each block is then the new one.
        moved = torch.arange(rows) + 1
        moved[starts + reach - 1] = rows + torch.arange(blocks)
        self.register_buffer("moved", moved)
        self.state_shapes = {"frames": (1, 1), "means": (1 + 2 * blocks, 2), "history": (rows, HIDDEN)}

    def forward(self, spectrum: Tensor, frames: Tensor, means: Tensor, history: Tensor) -> tuple[Tensor, ...]:
        """One frame; states in the order of ``state_shapes``."""
        net = self.net
        low, high = split_bands(spectrum)
        frames = frames + 1.0
        share = 1.0 / frames
        before = iter(means.split(1, 0))
        after, news = [], []

        def normalised(norm: CumulativeNorm, x: Tensor) -> Tensor:
            x, mean = norm.step(x, next(before), share)
            after.append(mean)
            return x

        encoded = net.encoder(low.reshape(1, -1))
        x = net.enter(torch.cat([normalised(net.norm, encoded), log_level(high / BAND_BINS**0.5)], 1))
        skips = torch.zeros_like(x)
        pasts = history[self.get_buffer("taken")].split(2, 0)
        for block, past in zip(net.conv_blocks(), pasts, strict=True):
            wide = normalised(block.first_norm, block.first(block.widen(x)))
            news.append(wide)
            mixed = (torch.cat([past, wide], 0) * block.taps).sum(0, keepdim=True)
            residual, skip = block.narrow(normalised(block.second_norm, block.second(mixed))).split(BOTTLENECK, 1)
            x, skips = x + residual, skips + skip
        kept, gains = net.leave(skips).split([FILTERS, HIGH_BANDS], 1)
        mask = ratio(net.decoder(encoded * kept).reshape(low.shape), low)
        moved = torch.cat([history, *news], 0)[self.get_buffer("moved")]
        return full_mask(mask.transpose(1, 2), gains), frames, torch.cat(after, 0), moved
