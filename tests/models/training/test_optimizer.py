"""Muon for matrices, AdamW for the rest: every parameter moves, and a matrix moves in all its directions alike."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from densenoiser_models.networks import build_network
from densenoiser_models.training.optimizer import MuonAndAdamW


@pytest.mark.slow
@pytest.mark.parametrize("name", ["densenet-tiny", "densenet-small", "densenet_seed", "conv_tasnet"])
def test_every_parameter_moves(name: str) -> None:
    net = build_network(name)
    before = [p.detach().clone() for p in net.parameters()]
    optimizer = MuonAndAdamW(net.parameters(), 1e-2, 0.0)
    for parameter in net.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    assert all((now != then).any() for now, then in zip(net.parameters(), before, strict=True))


def test_a_filter_moves_in_all_directions_alike() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(16, 12, 1, 3))
    gradient = torch.randn(16, 36)
    gradient[0] *= 1000  # one output far louder than the others
    optimizer = MuonAndAdamW([weight, nn.Parameter(torch.zeros(16))], 1.0, 0.0)
    weight.grad = gradient.reshape(weight.shape)
    optimizer.step()
    stretch = singular_values(weight)
    assert stretch.max() < 6 * stretch.min()
    assert singular_values(gradient).max() > 50 * singular_values(gradient).min()


def test_a_parameter_without_a_gradient_stays() -> None:
    used, unused, bias = (nn.Parameter(torch.ones(*shape)) for shape in ((8, 8), (8, 8), (8,)))
    optimizer = MuonAndAdamW([used, unused, bias], 0.1, 0.0)
    used.grad = torch.eye(8)
    optimizer.step()
    assert (used != 1).any()
    assert (unused == 1).all()
    assert (bias == 1).all()
    optimizer.zero_grad()
    assert used.grad is None


def singular_values(weight: Tensor) -> Tensor:
    values: Tensor = torch.linalg.svdvals(weight.detach().flatten(1))
    return values
