"""The memory of the whole frame: what all positions say together, remembered along time and told to each of them.

The memories of the dense blocks know one position each. This one hears every position through a few channels, so that
it can learn what holds for the whole spectrum: that somebody speaks, or how loud the noise is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .conv_layer import folded, mix_channels, normalise
from .leaky_memory import LARGEST, leaky_memory, recall_for_change

SQUEEZED, TOLD = 4, 8
"""Channels that a position is heard through, and channels that it is told."""


class FrameMemory(nn.Module):
    """``remembered`` leaky values a frame, in between a product from and a product to all positions; a residual."""

    def __init__(self, width: int, positions: int, remembered: int) -> None:
        super().__init__()
        self.positions, self.remembered = positions, remembered
        self.squeeze = nn.Parameter(torch.randn(SQUEEZED, width) * width**-0.5)
        self.hear = nn.Linear(SQUEEZED * positions, 2 * remembered)
        self.recall = nn.Parameter(torch.zeros(2 * remembered, remembered))
        self.tell = nn.Linear(remembered, TOLD * positions, bias=False)
        self.norm = nn.BatchNorm2d(TOLD)
        self.mix = nn.Parameter(torch.randn(width, TOLD) * 0.1 * TOLD**-0.5)
        with torch.no_grad():  # memories of 1 to 100 frames
            self.hear.bias[:remembered].copy_(torch.logit(torch.logspace(-0.3, -2, remembered)))

    def forward(self, x: Tensor, batch: int) -> Tensor:
        """(width, frames * batch, positions), time first, to the same."""
        squeezed = mix_channels(self.squeeze, x).permute(0, 2, 1).flatten(0, 1)
        heard = torch.mm(self.hear.weight, squeezed).reshape(2 * self.remembered, -1, batch)
        memory = leaky_memory(heard, self.hear.bias, self.recall).flatten(1)
        told = torch.mm(self.tell.weight, memory).reshape(TOLD, self.positions, -1).permute(0, 2, 1)
        y: Tensor = x + mix_channels(self.mix, F.relu(normalise(self.norm, told))).to(x.dtype)
        return y


class StreamingFrameMemory(nn.Module):
    """A ``FrameMemory`` for one frame; ``memory`` (1, remembered) is its state."""

    squeeze: Tensor
    hear: Tensor
    hear_bias: Tensor
    tell: Tensor
    tell_bias: Tensor
    mix: Tensor

    def __init__(self, frame: FrameMemory) -> None:
        super().__init__()
        self.positions, self.remembered = frame.positions, frame.remembered
        tell, tell_bias = folded(frame.tell.weight.reshape(TOLD, self.positions, self.remembered), frame.norm)
        for name, tensor in {
            "squeeze": frame.squeeze[None],
            "hear": torch.cat([frame.hear.weight, recall_for_change(frame.recall)], 1).T,
            "hear_bias": frame.hear.bias,
            "tell": tell.reshape(-1, self.remembered).T,
            "tell_bias": tell_bias.repeat_interleave(self.positions),
            "mix": frame.mix[..., None],
        }.items():
            self.register_buffer(name, tensor.detach().clone().contiguous())

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(1, width, positions) and the memory to the same, one frame later."""
        squeezed = torch.matmul(self.squeeze, x).reshape(1, -1)
        gates = torch.addmm(self.hear_bias, torch.cat([squeezed, memory], 1), self.hear)
        leak, change = gates.split(self.remembered, 1)
        memory = (memory + torch.sigmoid(leak) * change).clamp(-LARGEST, LARGEST)
        told = torch.addmm(self.tell_bias, memory, self.tell).reshape(1, TOLD, self.positions)
        return x + F.conv1d(F.relu(told), self.mix), memory
