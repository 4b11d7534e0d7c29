"""A memory along time whose leak is decided anew in every frame: an exponential average that learns when to look and
when to hold.

    leak[t], news[t] = heard[t] + recall @ memory[t - 1]
    memory[t] = memory[t - 1] + sigmoid(leak[t]) * (news[t] - memory[t - 1])

A minimal gated unit (Zhou et al., "Minimal gated unit for recurrent neural networks", 2016) with its forget gate alone
on the news, and linear news. The gates see the memory, so it can follow a noise floor: fall at once, rise slowly.
What the gates hear is a product over all frames at once; frame by frame there is but one small product left.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _LeakyMemory(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, heard: Tensor, recall: Tensor) -> Tensor:
        width = recall.shape[1]
        gates = torch.empty_like(heard)
        memory = torch.empty_like(heard[:width])
        before = torch.zeros_like(heard[:width, 0])
        for gate, now, new in zip(gates.unbind(1), memory.unbind(1), heard.unbind(1), strict=True):
            torch.addmm(new, recall, before, out=gate)  # with ``out``, autocast leaves it alone
            torch.lerp(before, gate[width:], gate[:width].sigmoid_(), out=now)
            before = now
        ctx.save_for_backward(gates, memory, recall)
        return memory

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        gates, memory, recall = ctx.saved_tensors
        width = recall.shape[1]
        leak, news = gates[:width], gates[width:]
        before = F.pad(memory, (0, 0, 1, 0))[:, :-1]
        slope = (news - before) * leak * (1 - leak)
        of_heard = torch.empty_like(gates)
        carried = torch.zeros_like(memory[:, 0])
        back = recall.T.contiguous()
        steps = zip(gradients[0].unbind(1), of_heard.unbind(1), leak.unbind(1), slope.unbind(1), strict=True)
        for gradient, of_gate, share, steep in reversed(list(steps)):
            total = carried.add_(gradient)  # of this memory, through all later ones
            torch.mul(total, steep, out=of_gate[:width])
            torch.mul(total, share, out=of_gate[width:])
            carried = total.sub_(of_gate[width:]).addmm_(back, of_gate)
        return of_heard, of_heard.flatten(1) @ before.flatten(1).T


def leaky_memory(heard: Tensor, recall: Tensor) -> Tensor:
    """The memory after each frame, starting from zero, (channels, frames, values).

    ``heard`` (2 * channels, frames, values): what this frame says to leak (before the sigmoid) and news; ``recall``
    (2 * channels, channels): what the memory says to them. float32.
    """
    result: Tensor = _LeakyMemory.apply(heard, recall)  # type: ignore[no-untyped-call]
    return result


def news_as_change(recall: Tensor) -> Tensor:
    """``recall`` by which the news come out less the memory: one operation a frame fewer."""
    width = recall.shape[1]
    return torch.cat([recall[:width], recall[width:] - torch.eye(width)])
