"""The leaky memory along time on a GPU, in Triton (``leaky_memory.py`` has the formula).

A program follows a few values through all frames, so that the memory stays in registers. The next frame is loaded while
this one is computed. Channels are padded to a power of two.
"""
# mypy: ignore-errors
# Triton compiles these functions itself: their arguments are pointers and constants of its own.

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .leaky_memory import LARGEST

VALUES = 16
"""Values that one program follows."""


def forward(heard: Tensor, bias: Tensor, recall: Tensor) -> tuple[Tensor, Tensor]:
    """As ``leaky_memory._forward``."""
    width, frames, values = recall.shape[1], heard.shape[1], heard.shape[2]
    gates, memory = torch.empty_like(heard), heard.new_empty(width, frames, values)
    grid = (triton.cdiv(values, VALUES),)
    _forward_kernel[grid](
        heard, bias.contiguous(), recall.contiguous(), gates, memory, frames, values, **_sizes(width)
    )  # fmt: skip
    return memory, gates


def backward(gradient: Tensor, gates: Tensor, memory: Tensor, recall: Tensor) -> Tensor:
    """As ``leaky_memory._backward``."""
    width, frames, values = memory.shape
    of_heard = torch.empty_like(gates)
    grid = (triton.cdiv(values, VALUES),)
    _backward_kernel[grid](
        gradient, gates, memory, recall.contiguous(), of_heard, frames, values, **_sizes(width)
    )  # fmt: skip
    return of_heard


def _sizes(width: int) -> dict[str, int]:
    padded = max(16, triton.next_power_of_2(width))
    return {"W": width, "P": padded, "N": VALUES, "LARGEST_MEMORY": LARGEST, "num_warps": max(4, padded // 16)}


@triton.jit
def _forward_kernel(
    heard,
    bias,
    recall,
    gates,
    memory,
    frames,
    values,
    W: tl.constexpr,
    P: tl.constexpr,
    N: tl.constexpr,
    LARGEST_MEMORY: tl.constexpr,
):
    c, k = tl.arange(0, P), tl.arange(0, P)
    n = tl.program_id(0) * N + tl.arange(0, N)
    alive = c < W
    live = alive[:, None] & (n < values)[None, :]
    square = alive[:, None] & (k < W)[None, :]
    of_leak = tl.load(recall + c[:, None] * W + k[None, :], square, 0.0)
    of_news = tl.load(recall + (c + W)[:, None] * W + k[None, :], square, 0.0)
    leak_bias = tl.load(bias + c, alive, 0.0)[:, None]
    news_bias = tl.load(bias + W + c, alive, 0.0)[:, None]
    before = tl.zeros((P, N), tl.float32)
    step = frames.to(tl.int64) * values
    at = c.to(tl.int64)[:, None] * step + n[None, :]
    end = (c.to(tl.int64)[:, None] + 1) * step
    next_leak = tl.load(heard + at, live, 0.0)
    next_news = tl.load(heard + W * step + at, live, 0.0)
    for _ in range(frames):
        leak = next_leak.to(tl.float32) + leak_bias
        news = next_news.to(tl.float32) + news_bias
        more = live & (at + values < end)
        next_leak = tl.load(heard + at + values, more, 0.0)
        next_news = tl.load(heard + W * step + at + values, more, 0.0)
        leak = tl.sigmoid(tl.dot(of_leak, before, leak, input_precision="tf32"))
        news = tl.dot(of_news, before, news, input_precision="tf32")
        now = before + leak * (news - before)
        before = tl.where(live, tl.minimum(tl.maximum(now, -LARGEST_MEMORY), LARGEST_MEMORY), 0.0)
        tl.store(gates + at, leak.to(gates.dtype.element_ty), live)
        tl.store(gates + W * step + at, news.to(gates.dtype.element_ty), live)
        tl.store(memory + at, before.to(memory.dtype.element_ty), live)
        at += values


@triton.jit
def _backward_kernel(
    gradient,
    gates,
    memory,
    recall,
    of_heard,
    frames,
    values,
    W: tl.constexpr,
    P: tl.constexpr,
    N: tl.constexpr,
    LARGEST_MEMORY: tl.constexpr,
):
    c, k = tl.arange(0, P), tl.arange(0, P)
    n = tl.program_id(0) * N + tl.arange(0, N)
    alive = c < W
    live = alive[:, None] & (n < values)[None, :]
    square = alive[:, None] & (k < W)[None, :]
    # Transposed: row c is channel c of the memory, column k a gate.
    from_leak = tl.load(recall + k[None, :] * W + c[:, None], square, 0.0)
    from_news = tl.load(recall + (k + W)[None, :] * W + c[:, None], square, 0.0)
    carried = tl.zeros((P, N), tl.float32)
    step = frames.to(tl.int64) * values
    second = c.to(tl.int64)[:, None] * step + values  # where a channel's second frame begins
    at = second - values + n[None, :] + step - values
    next_leak = tl.load(gates + at, live, 0.0)
    next_news = tl.load(gates + W * step + at, live, 0.0)
    next_before = tl.load(memory + at - values, live & (at >= second), 0.0)
    next_gradient = tl.load(gradient + at, live, 0.0)
    memory_now = tl.load(memory + at, live, 0.0).to(tl.float32)
    for _ in range(frames):
        leak, news, before = next_leak.to(tl.float32), next_news.to(tl.float32), next_before.to(tl.float32)
        total = tl.where(tl.abs(memory_now) < LARGEST_MEMORY, carried + next_gradient.to(tl.float32), 0.0)
        memory_now = before
        more = live & (at >= second)
        next_leak = tl.load(gates + at - values, more, 0.0)
        next_news = tl.load(gates + W * step + at - values, more, 0.0)
        next_before = tl.load(memory + at - 2 * values, live & (at >= second + values), 0.0)
        next_gradient = tl.load(gradient + at - values, more, 0.0)
        of_leak = total * (news - before) * leak * (1 - leak)
        of_news = total * leak
        tl.store(of_heard + at, of_leak.to(of_heard.dtype.element_ty), live)
        tl.store(of_heard + W * step + at, of_news.to(of_heard.dtype.element_ty), live)
        carried = tl.dot(from_leak, of_leak, total - of_news, input_precision="tf32")
        carried = tl.dot(from_news, of_news, carried, input_precision="tf32")
        at -= values
