"""The memory along time: its recurrence, and its gradient, which is written by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from densenoiser_models.networks.leaky_memory import LARGEST, leaky_memory

CHANNELS = 3


def parts(frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """What a memory is made of: heard, bias, recall."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(2 * CHANNELS, *shape, generator=generator, dtype=torch.float64)

    return drawn(frames, 5), drawn(), 0.5 * drawn(CHANNELS)


def test_an_open_leak_follows_and_a_closed_one_holds() -> None:
    heard, bias, recall = parts(7)
    heard[:CHANNELS] = 100.0
    torch.testing.assert_close(leaky_memory(heard, 0 * bias, 0 * recall), heard[CHANNELS:])
    heard[:CHANNELS] = -100.0
    torch.testing.assert_close(leaky_memory(heard, 0 * bias, 0 * recall), 0 * heard[CHANNELS:])


def test_it_is_the_average_that_its_formula_says() -> None:
    heard, bias, recall = parts(9)
    memory = torch.zeros(CHANNELS, 5, dtype=torch.float64)
    found = leaky_memory(heard, bias, recall)
    for frame in range(9):
        leak, news = (heard[:, frame] + bias[:, None] + recall @ memory).chunk(2)
        memory = memory + torch.sigmoid(leak) * (news - memory)
        torch.testing.assert_close(found[:, frame], memory)


def test_it_can_follow_a_floor() -> None:
    """The leak opens where the news lies below the memory and closes where it lies above: no function of the news alone."""
    level = torch.tensor([-4.0, -4.0, -6.0, -1.0, -1.0, -5.0])[:, None]
    heard = torch.stack([-20 * level - 10, level])
    floor = leaky_memory(heard, torch.zeros(2), torch.tensor([[20.0], [0.0]])).flatten()
    torch.testing.assert_close(floor, torch.tensor([-4.0, -4.0, -6.0, -6.0, -6.0, -6.0]), atol=1e-3, rtol=0)


def test_its_gradient_is_the_numerical_one() -> None:
    assert torch.autograd.gradcheck(leaky_memory, [part.requires_grad_() for part in parts(6)])


def test_a_memory_that_feeds_itself_stays_bounded() -> None:
    heard, bias, recall = parts(200)
    found = leaky_memory(heard, bias, 8 * recall)
    assert found.abs().max() == LARGEST


def test_the_gradient_at_the_bound_is_the_numerical_one() -> None:
    heard, bias, recall = parts(6)
    heard[CHANNELS:] *= 30
    memory = leaky_memory(heard, bias, 4 * recall)
    assert (memory.abs() == LARGEST).any()
    assert (memory.abs() < LARGEST).any()
    assert torch.autograd.gradcheck(leaky_memory, [part.requires_grad_() for part in (heard, bias, 4 * recall)])
