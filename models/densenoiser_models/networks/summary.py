"""A memory of the frame as a whole, beside those that each position has for itself: which voice it is, which noise.

    v[t] = relu(all of x[t])      m[t] = leaky memory of v[t]      x[t] + readout of m[t]

As the recurrent layers that other filters have at their narrowest place (Schröter et al., "DeepFilterNet", ICASSP 2022). Its
weights are used once a frame, so they cost the way from memory more than the product: few channels go in and out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layer import folded, mix_channels
from .leaky_memory import leaky_memory, news_as_change

CHANNELS = 12
"""Channels of a position that go into the gist and come back."""


class Summary(nn.Module):
    """Over whole sequences, for training; adds nothing at first."""

    def __init__(self, width: int, positions: int, size: int) -> None:
        super().__init__()
        self.positions = positions
        self.narrow = nn.Parameter(torch.randn(CHANNELS, width) * width**-0.5)
        self.gist = nn.Linear(CHANNELS * positions, size, bias=False)
        self.norm = nn.BatchNorm1d(size)
        self.gate = nn.Linear(size, 2 * size)
        self.recall = nn.Parameter(torch.zeros(2 * size, size))
        self.readout = nn.Linear(size, CHANNELS * positions)
        self.widen = nn.Parameter(torch.zeros(width, CHANNELS))
        with torch.no_grad():  # memories of 1 to 100 frames
            self.gate.bias[:size] = torch.logit(torch.logspace(-0.3, -2, size))

    def forward(self, x: Tensor, batch: int) -> Tensor:
        """(width, frames * batch, positions), time first, to the same."""
        gist = F.relu(self.norm(self.gist(mix_channels(self.narrow, x).transpose(0, 1).flatten(1))))
        heard = self.gate(gist).float().T.reshape(2 * gist.shape[1], -1, batch).contiguous()
        memory = leaky_memory(heard, self.recall).flatten(1).T
        told = F.relu(self.readout(memory)).reshape(-1, CHANNELS, self.positions).transpose(0, 1)
        y: Tensor = x + mix_channels(self.widen, told).to(x.dtype)
        return y


class StreamingSummary(nn.Module):
    """A ``Summary`` for one frame; ``memory`` (1, size) is its state."""

    narrow: Tensor
    gist: Tensor
    gist_bias: Tensor
    gate: Tensor
    gate_bias: Tensor
    readout: Tensor
    readout_bias: Tensor
    widen: Tensor

    def __init__(self, summary: Summary) -> None:
        super().__init__()
        self.size = summary.gist.out_features
        gist, gist_bias = folded(summary.gist.weight, summary.norm)
        for name, tensor in {
            "narrow": summary.narrow[..., None],
            "gist": gist.T.contiguous(),
            "gist_bias": gist_bias,
            "gate": torch.cat([summary.gate.weight, news_as_change(summary.recall)], 1).T.contiguous(),
            "gate_bias": summary.gate.bias,
            "readout": summary.readout.weight.T.contiguous(),
            "readout_bias": summary.readout.bias,
            "widen": summary.widen[..., None],
        }.items():
            self.register_buffer(name, tensor.detach().clone())

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(1, width, positions) and the memory to the same, one frame later."""
        gist = F.relu(torch.addmm(self.gist_bias, F.conv1d(x, self.narrow).reshape(1, -1), self.gist))
        gates = torch.addmm(self.gate_bias, torch.cat([gist, memory], 1), self.gate)
        leak, change = gates.split(self.size, 1)
        memory = memory + torch.sigmoid(leak) * change
        told = F.relu(torch.addmm(self.readout_bias, memory, self.readout)).reshape(1, CHANNELS, -1)
        return x + F.conv1d(told, self.widen), memory
