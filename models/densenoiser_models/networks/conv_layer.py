"""A convolution along frequency, its normalisation and ReLU: over whole sequences for training, over a frame for export."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Layer(nn.Module):
    """A convolution along frequency, its normalisation, and ReLU.

    Training keeps channels outermost in memory, (channels, frames, positions): joining features is then a plain copy,
    and everything but the products runs over long rows. A convolution is one product for all its taps, whose results
    are shifted along the positions and added. On a CPU twice as fast as Conv2d.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, transposed: bool = False) -> None:
        """``kernel`` and ``stride`` are 1 and 1, 3 and 1, or 4 and 2; transposed only the last."""
        super().__init__()
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        padding = (kernel - stride + 1) // 2
        self.convolution = kind(inputs, outputs, (1, kernel), (1, stride), (0, padding), bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.kernel, self.stride, self.padding, self.transposed = kernel, stride, padding, transposed

    def forward(self, x: Tensor) -> Tensor:
        """(inputs, frames, positions) to (outputs, frames, positions)."""
        weight = self.convolution.weight[:, :, 0]
        if self.kernel == 1:
            y = mix_channels(weight[..., 0], x)
        elif self.stride == 1:
            before, now, after = mix_channels(weight.permute(2, 0, 1).flatten(0, 1), x).chunk(3)
            y = now + F.pad(before, (1, -1)) + F.pad(after, (-1, 1))
        elif self.transposed:
            taps = mix_channels(weight.permute(2, 1, 0).flatten(0, 1), x).chunk(4)
            even, odd = taps[1] + F.pad(taps[3], (1, -1)), taps[2] + F.pad(taps[0], (-1, 1))
            y = torch.stack([even, odd], 3).flatten(2)
        else:
            pairs = F.pad(x, (1, 1)).reshape(x.shape[0], x.shape[1], -1, 2)
            early, late = pairs[:, :, :-1], pairs[:, :, 1:]
            seen = torch.cat([early[..., 0], early[..., 1], late[..., 0], late[..., 1]])
            y = mix_channels(weight.permute(0, 2, 1).flatten(1), seen)
        return F.relu(normalise(self.norm, y))


def mix_channels(weight: Tensor, x: Tensor) -> Tensor:
    """The product over channels: (outputs, inputs) and (inputs, frames, positions) to (outputs, frames, positions)."""
    return torch.mm(weight, x.flatten(1)).reshape(-1, *x.shape[1:])


def normalise(norm: nn.Module, x: Tensor) -> Tensor:
    """BatchNorm of (channels, frames, positions)."""
    y: Tensor = norm(x[None])
    return y[0]


def folded(weight: Tensor, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight (out, ...) and bias (out,) of a convolution and the BatchNorm after it as one."""
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return weight * scale.reshape(-1, *[1] * (weight.dim() - 1)), norm.bias - norm.running_mean * scale


class StreamingLayer(nn.Module):
    """A ``Layer`` for one frame, (1, channels, positions)."""

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        assert isinstance(layer, Layer)
        weight = layer.convolution.weight.detach()[:, :, 0]
        self.transposed = isinstance(layer.convolution, nn.ConvTranspose2d)
        if self.transposed:
            flipped, bias = folded(weight.transpose(0, 1), layer.norm)
            weight = flipped.transpose(0, 1).contiguous()
        else:
            weight, bias = folded(weight, layer.norm)
        self.register_buffer("weight", weight.detach())
        self.register_buffer("bias", bias.detach())
        self.stride, self.padding = layer.stride, layer.padding

    def forward(self, x: Tensor) -> Tensor:
        """(1, inputs, positions) to (1, outputs, positions)."""
        function = F.conv_transpose1d if self.transposed else F.conv1d
        return F.relu(function(x, self.weight, self.bias, self.stride, self.padding))
