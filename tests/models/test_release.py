"""The slow release: its recurrence, and its gradient, which is written by hand."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from densenoiser_models.networks.release import RELEASE, slow_release


def by_hand(wanted: Tensor) -> Tensor:
    gains = [torch.zeros_like(wanted[0])]
    for want in wanted:
        gains.append(torch.maximum(want, RELEASE * gains[-1]))
    return torch.stack(gains[1:])


def wishes(frames: int) -> Tensor:
    return torch.randn(frames, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_gain_opens_at_once_and_falls_by_60_db_in_a_third_of_a_second() -> None:
    wanted = torch.zeros(40, 1)
    wanted[3] = 1.0
    gain = slow_release(wanted).flatten()
    assert gain[:4].tolist() == [0.0, 0.0, 0.0, 1.0]
    falling = [20 * math.log10(float(g)) for g in gain[3:]]
    assert falling[25] > -60 > falling[35]


def test_it_is_what_its_formula_says_and_never_negative() -> None:
    wanted = wishes(30)
    gain = slow_release(wanted)
    torch.testing.assert_close(gain, by_hand(wanted))
    assert gain.min() >= 0


def test_gains_that_should_be_smaller_have_the_gradient_of_the_formula() -> None:
    weight = wishes(30).abs()
    found, expected = wishes(30).requires_grad_(), wishes(30).requires_grad_()
    (slow_release(found) * weight).sum().backward()
    (by_hand(expected) * weight).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad)
    assert expected.grad is not None
    assert float(expected.grad.abs().min()) == 0  # held gains


def test_a_closed_gain_that_should_be_larger_is_wanted_more_and_one_that_is_held_is_not() -> None:
    wanted = torch.tensor([[1.0], [0.1], [-0.1], *[[0.0]] * 9], requires_grad=True)
    gain = slow_release(wanted)
    (-gain[1:]).sum().backward()
    assert wanted.grad is not None
    closed = (gain < 0.1).flatten()
    assert 0 < closed.sum() < 11
    assert (wanted.grad.flatten()[1:] < 0).equal(closed[1:])
    assert wanted.grad[0] < -2
