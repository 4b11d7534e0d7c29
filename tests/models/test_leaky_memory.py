"""The memory along time: its recurrence, and its gradient, which is written by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from densenoiser_models.networks.leaky_memory import leaky_memory


def leak_and_news(frames: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    leak = torch.rand(3, frames, 5, generator=generator, dtype=torch.float64)
    return leak, torch.randn(3, frames, 5, generator=generator, dtype=torch.float64)


def test_a_leak_of_one_follows_and_a_leak_of_zero_holds() -> None:
    _, news = leak_and_news(7)
    torch.testing.assert_close(leaky_memory(torch.ones_like(news), news), news)
    held = leaky_memory(torch.zeros_like(news), news)
    assert not held.any()


def test_it_is_the_average_that_its_formula_says() -> None:
    leak, news = leak_and_news(9)
    memory = torch.zeros(3, 5, dtype=torch.float64)
    found = leaky_memory(leak, news)
    for frame in range(9):
        memory = memory + leak[:, frame] * (news[:, frame] - memory)
        torch.testing.assert_close(found[:, frame], memory)


def test_its_gradient_is_the_numerical_one() -> None:
    parts = [part.requires_grad_() for part in leak_and_news(6)]
    assert torch.autograd.gradcheck(leaky_memory, parts)
