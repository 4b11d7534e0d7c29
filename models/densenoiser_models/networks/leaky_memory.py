"""A memory along time whose leak the input decides: an exponential average that learns when to look and when to hold.

The recurrence of a quasi-recurrent network's pooling (Bradbury et al., "Quasi-Recurrent Neural Networks", ICLR 2017,
f-pooling): memory[t] = memory[t - 1] + leak[t] * (news[t] - memory[t - 1]). Unlike a GRU's gates, leak and news do not
depend on the memory, so that everything but this one line is a product over all frames at once: on a CPU a step of
training takes a twentieth of a GRU's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _LeakyMemory(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, leak: Tensor, news: Tensor) -> Tensor:
        memory = torch.empty_like(news)
        before = torch.zeros_like(news[:, 0])
        for now, new, share in zip(memory.unbind(1), news.unbind(1), leak.unbind(1), strict=True):
            torch.lerp(before, new, share, out=now)
            before = now
        ctx.save_for_backward(leak, news, memory)
        return memory

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        leak, news, memory = ctx.saved_tensors
        total = gradients[0].clone()  # of each memory, through all later ones
        of_news = torch.empty_like(news)
        later: tuple[Tensor, Tensor] | None = None
        steps = zip(total.unbind(1), of_news.unbind(1), leak.unbind(1), strict=True)
        for now, new, share in reversed(list(steps)):
            if later is not None:
                now.add_(later[0]).sub_(later[1])
            torch.mul(now, share, out=new)
            later = now, new
        of_leak = (news - F.pad(memory, (0, 0, 1, 0))[:, :-1]).mul_(total)
        return of_leak, of_news


def leaky_memory(leak: Tensor, news: Tensor) -> Tensor:
    """The memory after each frame, starting from zero: leak in (0, 1), news and result, all (channels, frames, values)."""
    result: Tensor = _LeakyMemory.apply(leak, news)  # type: ignore[no-untyped-call]
    return result
