"""The slow release, and where it is: in what is heard, not in what is trained."""

from __future__ import annotations

import math

import torch

from densenoiser_models.networks import build_network
from densenoiser_models.networks.release import RELEASE, slow_release


def test_a_gain_opens_at_once_and_falls_by_60_db_in_a_third_of_a_second() -> None:
    wanted = torch.zeros(40, 1)
    wanted[3] = 1.0
    gain = slow_release(wanted).flatten()
    assert gain[:4].tolist() == [0.0, 0.0, 0.0, 1.0]
    falling = [20 * math.log10(float(g)) for g in gain[3:]]
    assert falling[25] > -60 > falling[35]


def test_it_follows_what_is_wanted_where_that_is_more_and_is_never_negative() -> None:
    wanted = torch.randn(30, 7, generator=torch.Generator().manual_seed(0))
    gain = slow_release(wanted)
    held = RELEASE * torch.cat([torch.zeros(1, 7), gain[:-1]])
    assert torch.equal(gain, torch.where(wanted > held, wanted, held))
    assert gain.min() >= 0


@torch.no_grad()
def test_training_sees_the_gains_wanted_and_hearing_those_held() -> None:
    torch.manual_seed(0)
    net = build_network("densenet-tiny")
    torch.nn.init.normal_(net.leaf.weight, std=0.3)  # type: ignore[arg-type, union-attr]
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0  # what training has seen is what hearing knows
    low, high = torch.randn(1, 40, 256, 2), torch.rand(1, 40, 16)
    wanted, _ = net.train()(low, high)
    gains, _ = net.eval()(low, high)
    assert (gains[:, 1:, :, 0] >= RELEASE * gains[:, :-1, :, 0]).all()
    assert (wanted[:, 1:, :, 0] < RELEASE * wanted[:, :-1, :, 0]).any()
