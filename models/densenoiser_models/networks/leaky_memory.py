"""The memory along time: an exponential average that decides anew in each frame how fast it follows.

    leak[t], news[t] = heard[t] + bias + recall @ memory[t - 1]
    memory[t] = clamp(memory[t - 1] + sigmoid(leak[t]) * (news[t] - memory[t - 1]), -LARGEST, LARGEST)

This is a minimal gated unit (Zhou et al., "Minimal gated unit for recurrent neural networks", 2016) whose gate acts on
the news alone, and whose news are linear. The gates see the memory, so a memory can follow a noise floor: it falls at
once and rises slowly. Nothing keeps ``recall`` from making more of a memory than there was, so a rare sound could let
the memory grow without end; hence the bound. ``heard`` is one product over all frames; only the small product with
``recall`` goes frame by frame.

Both directions are operators of their own, so that ``torch.compile`` does not unroll the frames. Faster kernels for a kind
of device may take their place (``memory_kernels.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

LARGEST = 32.0
"""Memories stay within so much on either side: twice what the loudest sounds make of them. Exact in bfloat16."""


def leaky_memory(heard: Tensor, bias: Tensor, recall: Tensor) -> Tensor:
    """The memory after each frame, starting from zero, (channels, frames, values), in the type of ``heard``.

    ``heard`` (2 * channels, frames, values): what this frame says to leak (before the sigmoid) and to news;
    ``bias`` (2 * channels); ``recall`` (2 * channels, channels): what the memory says to them. The sums are kept in the
    type of ``recall``.
    """
    memory: Tensor = _forward(heard, bias, recall)[0]
    return memory


class Kernels(NamedTuple):
    """Both directions, with the arguments and results of ``_forward`` and ``_backward``."""

    forward: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
    backward: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


kernels: dict[str, Kernels] = {}
"""What runs in place of the loops, for float32 and bfloat16, by type of device."""


def _kernels_for(recall: Tensor) -> Kernels | None:
    return kernels.get(recall.device.type) if recall.dtype == torch.float32 else None


@torch.library.custom_op("densenoiser::leaky_forward", mutates_args=())
def _forward(heard: Tensor, bias: Tensor, recall: Tensor) -> tuple[Tensor, Tensor]:
    """The memory (channels, frames, values), and leak after the sigmoid and news (2 * channels, frames, values)."""
    fast = _kernels_for(recall)
    if fast is not None:
        return fast.forward(heard.contiguous(), bias, recall)
    width = recall.shape[1]
    gates, memory = torch.empty_like(heard), torch.empty_like(heard[:width])
    before = torch.zeros(width, heard.shape[2], dtype=recall.dtype, device=heard.device)
    with torch.autocast(heard.device.type, enabled=False):
        for frame in range(heard.shape[1]):
            gate = torch.addmm(heard[:, frame].to(recall.dtype) + bias[:, None], recall, before)
            leak, news = gate[:width].sigmoid_(), gate[width:]
            before = torch.lerp(before, news, leak).clamp_(-LARGEST, LARGEST)
            gates[:, frame], memory[:, frame] = gate, before
    return memory, gates


@_forward.register_fake
def _(heard: Tensor, bias: Tensor, recall: Tensor) -> tuple[Tensor, Tensor]:
    return heard.new_empty((recall.shape[1], *heard.shape[1:])), torch.empty_like(heard)


@torch.library.custom_op("densenoiser::leaky_backward", mutates_args=())
def _backward(gradient: Tensor, gates: Tensor, memory: Tensor, recall: Tensor) -> Tensor:
    """Gradient of ``heard`` from that of the memory."""
    fast = _kernels_for(recall)
    if fast is not None:
        return fast.backward(gradient, gates, memory, recall)
    width, back = recall.shape[1], recall.T.contiguous()
    of_heard = torch.empty_like(gates)
    carried = torch.zeros(width, gates.shape[2], dtype=recall.dtype, device=gates.device)
    with torch.autocast(gates.device.type, enabled=False):
        for frame in reversed(range(gates.shape[1])):
            leak, news = gates[:, frame].to(recall.dtype).split(width)
            before = memory[:, frame - 1].to(recall.dtype) if frame else torch.zeros_like(carried)
            is_free = memory[:, frame].abs() < LARGEST
            total = (carried + gradient[:, frame]) * is_free  # of this memory, through all later ones
            of_news = total * leak
            of_gate = torch.cat([of_news * (news - before) * (1 - leak), of_news])
            of_heard[:, frame] = of_gate
            carried = torch.addmm(total - of_news, back, of_gate)
    return of_heard


@_backward.register_fake
def _(gradient: Tensor, gates: Tensor, memory: Tensor, recall: Tensor) -> Tensor:
    return torch.empty_like(gates)


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*output, inputs[2])


def _differentiate(ctx: Any, gradient: Tensor, _of_gates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    memory, gates, recall = ctx.saved_tensors
    of_heard = _backward(gradient.contiguous(), gates, memory, recall)
    now, before = of_heard[:, 1:].flatten(1), memory[:, :-1].flatten(1)  # the memory before the first frame is zero
    return of_heard, of_heard.sum((1, 2), dtype=recall.dtype), torch.mm(now, before.T).to(recall.dtype)


_forward.register_autograd(_differentiate, setup_context=_keep)


def recall_for_change(recall: Tensor) -> Tensor:
    """``recall`` for gates that give the news less the memory: one operation a frame fewer in a graph."""
    width = recall.shape[1]
    return torch.cat([recall[:width], recall[width:] - torch.eye(width)])
