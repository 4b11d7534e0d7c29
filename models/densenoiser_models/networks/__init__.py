"""The networks in torch, one file each: sequences for training, frames for export."""

from __future__ import annotations

from torch import nn

from ..errors import ModelError
from .densenet import SIZES, DenseNet

NETWORKS = tuple(f"densenet-{size}" for size in SIZES)


def build_network(name: str) -> nn.Module:
    """A network with random weights; ModelError if there is none of that name."""
    if name not in NETWORKS:
        raise ModelError(f"unknown network {name!r}; choose one of {', '.join(NETWORKS)}")
    return DenseNet(name.removeprefix("densenet-"))
