"""The networks in torch, one file each: sequences for training, frames for export.

A network is a module with ``forward(low, high) -> (mask, gains)`` over whole sequences: bins 1 to 256 (batch, frames,
256, 2) and the amplitudes of the bands above (batch, frames, 16), to a complex mask and real gains of the same shapes.
Its ``streaming()`` is a module with ``state_shapes``, name to shape in order, and ``forward(spectrum, *states) ->
(mask, *next_states)`` over one frame of all bins, (1, 769, 2) both; states start at zero. Training, export, engine and
evaluation know no more than that. A network that estimates spectra itself hands on their ratio to what it heard.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from ..errors import ModelError
from .conv_tasnet import ConvTasNet
from .densenet import SIZES, DenseNet
from .densenet_seed import DenseNetSeed

NETWORKS = tuple(f"densenet-{size}" for size in SIZES)
BASELINES: Mapping[str, type[nn.Module]] = {"densenet_seed": DenseNetSeed, "conv_tasnet": ConvTasNet}
"""What ours is compared with, trained on the same data in the same way."""


def build_network(name: str) -> nn.Module:
    """A network with random weights; ModelError if there is none of that name."""
    if name in BASELINES:
        return BASELINES[name]()
    if name not in NETWORKS:
        raise ModelError(f"unknown network {name!r}; choose one of {', '.join([*NETWORKS, *BASELINES])}")
    return DenseNet(name.removeprefix("densenet-"))
