"""DenseNoiser's network: dense blocks over time and frequency, whose weights all positions of the spectrum share.

Every layer of a block sees the outputs of all layers before it, and a transition compresses them (Huang et al.,
"Densely Connected Convolutional Networks", CVPR 2017). A layer looks along one axis: a leaky memory along time, a
convolution along frequency, a mixture of all positions.

    spectrum, this frame and the last -> |X|^0.3 -> patches: 64 positions of 125 Hz -> dense layer
    -> 32 positions of 250 Hz, joined by 4 of 4 kHz made of the log energies above 8 kHz -> dense blocks
    -> 64 positions, joined by the patches -> dense layer -> complex mask up to 8 kHz;  and one gain a band above
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .leaky_memory import leaky_memory
from .mask import HIGH_BANDS, LOW_BINS, compress, full_mask, log_energy, split_spectrum, with_magnitude

KERNEL, STRIDE = 8, 4
FINE = LOW_BINS // STRIDE
COARSE = FINE // 2
HIGH_POSITIONS = 4
POSITIONS = COARSE + HIGH_POSITIONS
INPUTS = 6
"""Channels of a bin: real part, imaginary part and magnitude, of the last frame and of this one."""


@dataclass(frozen=True, slots=True)
class DenseNetSize:
    """Channels of the fine and of the coarse positions, channels that a layer adds there, and how many blocks."""

    fine: int
    width: int
    growth: int
    blocks: int


SIZES = {
    "tiny": DenseNetSize(8, 16, 8, 1),
    "small": DenseNetSize(24, 48, 24, 3),
    "large": DenseNetSize(48, 96, 48, 5),
}


class Layer(nn.Module):
    """A convolution along frequency, its normalisation, and ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, transposed: bool = False) -> None:
        super().__init__()
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        padding = (kernel - stride + 1) // 2
        self.convolution = kind(inputs, outputs, (1, kernel), (1, stride), (0, padding), bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(frames, inputs, 1, positions) to (frames, outputs, 1, positions), all channels-last in memory."""
        return F.relu(self.norm(self.convolution(x)))


class DenseBlock(nn.Module):
    """Memory along time, convolution along frequency, mixture of all positions; then a transition and the residual."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.leak = nn.Conv2d(width, width, 1)
        self.news = nn.Conv2d(width, width, 1)
        self.near = Layer(2 * width, growth, 3)
        self.far = nn.Conv2d(2 * width + growth, growth, 1, bias=False)
        self.far_norm = nn.BatchNorm2d(growth)
        self.mixture = nn.Parameter(torch.randn(POSITIONS, POSITIONS) * POSITIONS**-0.5)
        self.transition = Layer(2 * width + 2 * growth, width)
        assert self.leak.bias is not None
        with torch.no_grad():  # memories of 1 to 100 frames
            self.leak.bias.copy_(torch.logit(torch.logspace(-0.3, -2, width)))

    def forward(self, x: Tensor, batch: int) -> Tensor:
        """(frames * batch, width, 1, positions), time first, to the same."""
        frames = len(x) // batch
        leak, news = (
            part.permute(0, 2, 3, 1).float().reshape(frames, -1) for part in (self.leak(x), self.news(x))
        )
        memory = leaky_memory(torch.sigmoid(leak), news).to(x.dtype)
        features = torch.cat([x, memory.reshape(len(x), 1, POSITIONS, -1).permute(0, 3, 1, 2)], 1)
        features = torch.cat([features, self.near(features)], 1)
        far = self.far_norm(self.far(features))
        mixed = F.relu(torch.matmul(self.mixture, far.permute(0, 2, 3, 1)))
        return x + self.transition(torch.cat([features, mixed.permute(0, 3, 1, 2)], 1))


class DenseNet(nn.Module):
    """The network over whole sequences, for training."""

    def __init__(self, size: str = "small") -> None:
        super().__init__()
        self.size = SIZES[size]
        fine, width = self.size.fine, self.size.width
        self.stem = nn.Linear(INPUTS * KERNEL, fine, bias=False)
        self.stem_norm = nn.BatchNorm2d(fine)
        self.encode = Layer(fine, fine, 3)
        self.down = Layer(2 * fine, width, 4, 2)
        self.high = nn.Linear(HIGH_BANDS, HIGH_POSITIONS * width, bias=False)
        self.high_norm = nn.BatchNorm1d(HIGH_POSITIONS * width)
        self.place = nn.Parameter(0.3 * torch.randn(1, width, 1, POSITIONS))
        self.blocks = nn.ModuleList(DenseBlock(width, self.size.growth) for _ in range(self.size.blocks))
        self.up = Layer(width, fine, 4, 2, transposed=True)
        self.decode = Layer(3 * fine, fine, 3)
        self.leaf = nn.ConvTranspose2d(2 * fine, 2, (1, KERNEL), (1, STRIDE), (0, STRIDE // 2))
        self.gains = nn.Linear(HIGH_POSITIONS * width, HIGH_BANDS)
        nn.init.zeros_(self.leaf.weight)  # the mask starts as one
        nn.init.zeros_(self.gains.weight)
        assert self.leaf.bias is not None
        with torch.no_grad():
            self.leaf.bias.copy_(torch.tensor([1.0, 0.0]))
            self.gains.bias.fill_(2.0)

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Bins up to 8 kHz (batch, frames, 256, 2), band amplitudes (batch, frames, 16); to mask and gains, same shapes."""
        batch, frames = low.shape[:2]
        low, high = low.transpose(0, 1), high.transpose(0, 1)
        now = with_magnitude(compress(low))
        last = F.pad(now, (0, 0, 0, 0, 0, 0, 1, 0))[:-1]
        patches = self._patches(torch.cat([last, now], 3).flatten(0, 1))
        encoded = torch.cat([patches, self.encode(patches)], 1)
        energies = F.relu(self.high_norm(self.high(log_energy(high**2).flatten(0, 1))))
        above = energies.reshape(len(energies), -1, 1, HIGH_POSITIONS)
        x = torch.cat([self.down(encoded), above], 3) + self.place
        x = x.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, batch)
        gains = torch.sigmoid(self.gains(x[..., COARSE:].flatten(1)))
        decoded = self.decode(torch.cat([encoded, self.up(x[..., :COARSE])], 1))
        mask = self.leaf(torch.cat([patches, decoded], 1)).permute(0, 3, 1, 2)
        return (
            mask.reshape(frames, batch, LOW_BINS, 2).transpose(0, 1),
            gains.reshape(frames, batch, HIGH_BANDS).transpose(0, 1),
        )

    def _patches(self, bins: Tensor) -> Tensor:
        """(frames, 256, 6) to (frames, fine, 1, 64).

        A convolution of kernel 8 and stride 4, written as a product of chunks of four bins: torch 2.13's bf16
        convolution is wrong for so few channels and so long a kernel.
        """
        padded = F.pad(bins, (0, 0, STRIDE // 2, STRIDE // 2)).reshape(len(bins), 1, FINE + 1, STRIDE * INPUTS)
        product = self.stem(torch.cat([padded[:, :, :-1], padded[:, :, 1:]], 3))
        return F.relu(self.stem_norm(product.permute(0, 3, 1, 2)))

    def streaming(self) -> StreamingDenseNet:
        """The same function frame by frame, normalisation folded into the weights."""
        return StreamingDenseNet(self)


def _folded(weight: Tensor, norm: nn.Module) -> tuple[Tensor, Tensor]:
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
            folded, bias = _folded(weight.transpose(0, 1), layer.norm)
            weight = folded.transpose(0, 1).contiguous()
        else:
            weight, bias = _folded(weight, layer.norm)
        self.register_buffer("weight", weight.detach())
        self.register_buffer("bias", bias.detach())
        self.stride, self.padding = layer.convolution.stride[1], layer.convolution.padding[1]

    def forward(self, x: Tensor) -> Tensor:
        """(1, inputs, positions) to (1, outputs, positions)."""
        function = F.conv_transpose1d if self.transposed else F.conv1d
        return F.relu(function(x, self.weight, self.bias, self.stride, self.padding))


class StreamingBlock(nn.Module):
    """A ``DenseBlock`` for one frame; ``memory`` (1, width, positions) is its state."""

    leak_and_news: Tensor
    leak_and_news_bias: Tensor
    far: Tensor
    far_bias: Tensor
    mixture: Tensor

    def __init__(self, block: DenseBlock) -> None:
        super().__init__()
        self.width = block.leak.out_channels
        assert block.leak.bias is not None
        assert block.news.bias is not None
        far, far_bias = _folded(block.far.weight, block.far_norm)
        for name, tensor in {
            "leak_and_news": torch.cat([block.leak.weight, block.news.weight])[:, :, 0],
            "leak_and_news_bias": torch.cat([block.leak.bias, block.news.bias]),
            "far": far[:, :, 0],
            "far_bias": far_bias,
            "mixture": block.mixture.T.contiguous(),
        }.items():
            self.register_buffer(name, tensor.detach().clone())
        self.near, self.transition = StreamingLayer(block.near), StreamingLayer(block.transition)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(1, width, positions) and the memory to the same, one frame later."""
        leak, news = F.conv1d(x, self.leak_and_news, self.leak_and_news_bias).split(self.width, 1)
        memory = memory + torch.sigmoid(leak) * (news - memory)
        features = torch.cat([x, memory], 1)
        features = torch.cat([features, self.near(features)], 1)
        mixed = F.relu(torch.matmul(F.conv1d(features, self.far, self.far_bias), self.mixture))
        return x + self.transition(torch.cat([features, mixed], 1)), memory


class StreamingDenseNet(nn.Module):
    """Spectrum of a frame (1, 769, 2) and states to the mask (1, 769, 2) and the next states."""

    stem: Tensor
    stem_bias: Tensor
    high: Tensor
    high_bias: Tensor
    place: Tensor
    gains: Tensor
    gains_bias: Tensor
    leaf: Tensor
    leaf_bias: Tensor

    def __init__(self, net: DenseNet) -> None:
        super().__init__()
        stem, stem_bias = _folded(net.stem.weight, net.stem_norm)
        high, high_bias = _folded(net.high.weight, net.high_norm)
        assert net.leaf.bias is not None
        for name, tensor in {
            "stem": stem.reshape(-1, KERNEL, INPUTS).transpose(1, 2).contiguous(),
            "stem_bias": stem_bias,
            "high": high.T.contiguous(),
            "high_bias": high_bias,
            "place": net.place[:, :, 0],
            "gains": net.gains.weight.T.contiguous(),
            "gains_bias": net.gains.bias,
            "leaf": net.leaf.weight[:, :, 0],
            "leaf_bias": net.leaf.bias,
        }.items():
            self.register_buffer(name, tensor.detach().clone())
        self.width = net.size.width
        self.encode, self.down, self.up, self.decode = (
            StreamingLayer(layer) for layer in (net.encode, net.down, net.up, net.decode)
        )
        self.blocks = nn.ModuleList(StreamingBlock(block) for block in net.blocks if isinstance(block, DenseBlock))
        self.state_shapes = {"last_spectrum": (1, INPUTS // 2, LOW_BINS)} | {
            f"memory_{i}": (1, self.width, POSITIONS) for i in range(len(self.blocks))
        }

    def forward(self, spectrum: Tensor, last: Tensor, *memories: Tensor) -> tuple[Tensor, ...]:
        """One frame; states in the order of ``state_shapes``."""
        now, energies = split_spectrum(spectrum)
        now = with_magnitude(now, 1)
        patches = F.relu(F.conv1d(torch.cat([last, now], 1), self.stem, self.stem_bias, STRIDE, STRIDE // 2))
        encoded = torch.cat([patches, self.encode(patches)], 1)
        above = F.relu(torch.addmm(self.high_bias, energies, self.high)).reshape(1, self.width, HIGH_POSITIONS)
        x = torch.cat([self.down(encoded), above], 2) + self.place
        next_memories = []
        for block, memory in zip(self.blocks, memories, strict=True):
            x, next_memory = block(x, memory)
            next_memories.append(next_memory)
        below, above = x.split([COARSE, HIGH_POSITIONS], 2)
        gains = torch.sigmoid(torch.addmm(self.gains_bias, above.reshape(1, -1), self.gains))
        decoded = self.decode(torch.cat([encoded, self.up(below)], 1))
        leaf = F.conv_transpose1d(
            torch.cat([patches, decoded], 1), self.leaf, self.leaf_bias, STRIDE, STRIDE // 2
        )
        return full_mask(leaf, gains), now, *next_memories
