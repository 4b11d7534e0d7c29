"""DenseNoiser's network: dense blocks over time and frequency, whose weights all positions of the spectrum share.

Every layer of a block sees the outputs of all layers before it, and a transition compresses them (Huang et al.,
"Densely Connected Convolutional Networks", CVPR 2017). A layer looks along one axis: a leaky memory along time, a
convolution along frequency, a fixed mixture of all positions, or an attention that decides which positions to hear
(single-headed: Vaswani et al., "Attention is all you need", NeurIPS 2017).

    spectrum, this frame and two before -> |X|^0.3 -> patches: 64 positions of 125 Hz -> dense layer
    -> 32 positions of 250 Hz, joined by 4 of 4 kHz made of the log energies above 8 kHz -> dense blocks
    -> 64 positions, joined by the patches -> dense layer -> gain of each bin up to 8 kHz, and of each band above
    -> slow release
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..bands import BAND_BINS, HIGH_BANDS, LOW_BINS
from .conv_layer import Layer, StreamingLayer, folded, mix_channels, normalise
from .leaky_memory import leaky_memory, news_as_change
from .mask import AMPLITUDE_FLOOR, LOG_SCALE, compress, log_level, real_mask, split_bands
from .release import RELEASE, slow_release

KERNEL, STRIDE = 8, 4
FINE = LOW_BINS // STRIDE
COARSE = FINE // 2
HIGH_POSITIONS = 4
POSITIONS = COARSE + HIGH_POSITIONS
SEEN = 3
"""Frames that a bin is seen in: the two last ones and this one, so that it is known from more than one window."""
INPUTS = 3 * SEEN
"""Channels of a bin: real part, imaginary part and magnitude, of each frame."""


@dataclass(frozen=True, slots=True)
class DenseNetSize:
    """Channels of the patches, channels that a layer adds at the fine positions, channels of the coarse ones, channels that
    a layer adds there, how many blocks, and how many of them, the last ones, attend.
    """

    patches: int
    fine: int
    width: int
    growth: int
    blocks: int
    attending: int = 0


SIZES = {
    "tiny": DenseNetSize(8, 8, 16, 8, 1),
    "small": DenseNetSize(32, 24, 48, 24, 3, 2),
    "large": DenseNetSize(48, 40, 80, 40, 4, 2),
}


def _parts(growth: int) -> list[int]:
    """Channels of what is asked, told and offered."""
    return [growth // 2, growth // 2, growth]


def attend(attention: nn.Conv2d, x: Tensor) -> Tensor:
    """Every position asks, tells and offers; it gets the mean of the offers, weighed by how well told fits asked.

    (channels, frames, positions) to (growth, frames, positions), of 2 * growth outputs of ``attention``.
    """
    assert attention.bias is not None
    product = mix_channels(attention.weight[:, :, 0, 0], x) + attention.bias[:, None, None]
    asked, told, offered = product.to(x.dtype).permute(1, 2, 0).split(_parts(len(product) // 2), 2)
    return F.scaled_dot_product_attention(asked, told, offered).permute(2, 0, 1)


class DenseBlock(nn.Module):
    """Memory along time, convolution along frequency, mixture of all positions, perhaps attention; then a transition and
    the residual.
    """

    def __init__(self, width: int, growth: int, attends: bool) -> None:
        super().__init__()
        self.leak = nn.Conv2d(width, width, 1)
        self.news = nn.Conv2d(width, width, 1)
        self.recall = nn.Parameter(torch.zeros(2 * width, width))
        self.near = Layer(2 * width, growth, 3)
        self.far = nn.Conv2d(2 * width + growth, growth, 1, bias=False)
        self.far_norm = nn.BatchNorm2d(growth)
        self.mixture = nn.Parameter(torch.randn(POSITIONS, POSITIONS) * POSITIONS**-0.5)
        seen = 2 * width + growth
        self.attention = nn.Conv2d(seen, 2 * growth, 1) if attends else None
        self.transition = Layer(seen + growth * (2 if attends else 1), width)
        assert self.leak.bias is not None
        with torch.no_grad():  # memories of 1 to 100 frames
            self.leak.bias.copy_(torch.logit(torch.logspace(-0.3, -2, width)))

    def forward(self, x: Tensor, batch: int) -> Tensor:
        """(width, frames * batch, positions), time first, to the same."""
        heard = torch.cat([self._gate(gate, x, batch) for gate in (self.leak, self.news)])
        memory = leaky_memory(heard, self.recall).to(x.dtype).reshape(x.shape)
        features = torch.cat([x, memory])
        features = torch.cat([features, self.near(features)])
        far = normalise(self.far_norm, mix_channels(self.far.weight[:, :, 0, 0], features))
        found = [features, F.relu(torch.matmul(far, self.mixture.T))]
        if self.attention is not None:
            found.append(attend(self.attention, features))
        y: Tensor = x + self.transition(torch.cat(found))
        return y

    @staticmethod
    def _gate(gate: nn.Conv2d, x: Tensor, batch: int) -> Tensor:
        assert gate.bias is not None
        product = mix_channels(gate.weight[:, :, 0, 0], x).reshape(len(x), -1, batch * POSITIONS)
        return product.float() + gate.bias[:, None, None]


class DenseNet(nn.Module):
    """The network over whole sequences, for training."""

    def __init__(self, size: str = "small") -> None:
        super().__init__()
        self.size = SIZES[size]
        patches, fine, width = self.size.patches, self.size.fine, self.size.width
        self.stem = nn.Linear(INPUTS * KERNEL, patches, bias=False)
        self.stem_norm = nn.BatchNorm2d(patches)
        self.fine_place = nn.Parameter(torch.zeros(patches, FINE))
        self.encode = Layer(patches, fine, 3)
        self.down = Layer(patches + fine, width, 4, 2)
        self.high = nn.Linear(HIGH_BANDS, HIGH_POSITIONS * width, bias=False)
        self.high_norm = nn.BatchNorm1d(HIGH_POSITIONS * width)
        self.place = nn.Parameter(0.3 * torch.randn(1, width, 1, POSITIONS))
        self.blocks = nn.ModuleList(
            DenseBlock(width, self.size.growth, self.size.blocks - i <= self.size.attending)
            for i in range(self.size.blocks)
        )
        self.up = Layer(width, fine, 4, 2, transposed=True)
        self.decode = Layer(patches + 2 * fine, fine, 3)
        self.leaf = nn.ConvTranspose2d(patches + fine, 1, (1, KERNEL), (1, STRIDE), (0, STRIDE // 2))
        self.gains = nn.Linear(HIGH_POSITIONS * width, HIGH_BANDS)
        nn.init.zeros_(self.leaf.weight)  # the gains start as one
        nn.init.zeros_(self.gains.weight)
        assert self.leaf.bias is not None
        with torch.no_grad():
            self.leaf.bias.fill_(1.0)
            self.gains.bias.fill_(2.0)

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Bins up to 8 kHz (batch, frames, 256, 2), band amplitudes (batch, frames, 16); to mask and gains, same shapes.

        The mask is real: nothing was lost where the imaginary part of a complex one was left out. Training sees the gains
        wanted, without the release: trained through it, they left noise that sounded rougher.
        """
        batch, frames = low.shape[:2]
        low, high = low.transpose(0, 1), high.transpose(0, 1)
        now = compress(low)
        past = F.pad(now, (0, 0, 0, 0, 0, 0, SEEN - 1, 0))
        patches = self._patches(torch.cat([past[i : i + frames] for i in range(SEEN)], 3).flatten(0, 1))
        encoded = torch.cat([patches, self.encode(patches)])
        energies = F.relu(self.high_norm(self.high(log_level(high).flatten(0, 1))))
        above = energies.reshape(len(energies), -1, HIGH_POSITIONS).transpose(0, 1)
        down = self.down(encoded)
        x = torch.cat([down, above.to(down.dtype)], 2) + self.place[0].to(down.dtype)
        for block in self.blocks:
            x = block(x, batch)
        gains = torch.sigmoid(self.gains(x[..., COARSE:].transpose(0, 1).flatten(1)))
        decoded = self.decode(torch.cat([encoded, self.up(x[..., :COARSE])]))
        wanted = torch.cat([self._leaf(torch.cat([patches, decoded])), gains], 1).reshape(frames, batch, -1)
        released = wanted if self.training else slow_release(wanted)
        mask, gains = released.transpose(0, 1).split([LOW_BINS, HIGH_BANDS], 2)
        return torch.stack([mask, torch.zeros_like(mask)], 3), gains

    def _patches(self, bins: Tensor) -> Tensor:
        """(frames, 256, 9) to (patches, frames, 64): a convolution of kernel 8 and stride 4, as a product of chunks."""
        padded = F.pad(bins, (0, 0, STRIDE // 2, STRIDE // 2)).reshape(len(bins), FINE + 1, STRIDE * INPUTS)
        seen = torch.cat([padded[:, :-1], padded[:, 1:]], 2).flatten(0, 1)
        product = torch.mm(self.stem.weight, seen.T).reshape(-1, len(bins), FINE)
        return F.relu(normalise(self.stem_norm, product) + self.fine_place[:, None])

    def _leaf(self, x: Tensor) -> Tensor:
        """(patches + fine, frames, 64) to (frames, 256): a transposed convolution of kernel 8 and stride 4."""
        assert self.leaf.bias is not None
        taps = mix_channels(self.leaf.weight[:, :, 0].permute(2, 1, 0).flatten(0, 1), x)
        early, late = taps.permute(1, 2, 0).chunk(2, 2)
        chunks = F.pad(early, (0, 0, 0, 1)) + F.pad(late, (0, 0, 1, 0))
        return chunks.flatten(1)[:, STRIDE // 2 : -STRIDE // 2] + self.leaf.bias

    def streaming(self) -> StreamingDenseNet:
        """The same function frame by frame, normalisation folded into the weights."""
        return StreamingDenseNet(self)


class StreamingBlock(nn.Module):
    """A ``DenseBlock`` for one frame; ``memory`` (1, width, positions) is its state."""

    leak_and_news: Tensor
    leak_and_news_bias: Tensor
    far: Tensor
    far_bias: Tensor
    mixture: Tensor

    def __init__(self, block: DenseBlock) -> None:
        super().__init__()
        self.width, self.growth = block.leak.out_channels, block.far.out_channels
        assert block.leak.bias is not None
        assert block.news.bias is not None
        heard = torch.cat([block.leak.weight, block.news.weight])[..., 0, 0]
        recall = news_as_change(block.recall)
        far, far_bias = folded(block.far.weight, block.far_norm)
        far = far[..., 0, 0]
        self.attends = block.attention is not None
        if block.attention is not None:
            # One product over channels for both: faster than two.
            assert block.attention.bias is not None
            scale = torch.ones(2 * self.growth)
            scale[: self.growth // 2] = (self.growth // 2) ** -0.5
            far = torch.cat([far, block.attention.weight[..., 0, 0] * scale[:, None]])
            far_bias = torch.cat([far_bias, block.attention.bias * scale])
        for name, tensor in {
            "leak_and_news": torch.cat([heard, recall], 1)[..., None],
            "leak_and_news_bias": torch.cat([block.leak.bias, block.news.bias]),
            "far": far[..., None],
            "far_bias": far_bias,
            "mixture": block.mixture.T.contiguous(),
        }.items():
            self.register_buffer(name, tensor.detach().clone())
        self.near, self.transition = StreamingLayer(block.near), StreamingLayer(block.transition)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(1, width, positions) and the memory to the same, one frame later."""
        gates = F.conv1d(torch.cat([x, memory], 1), self.leak_and_news, self.leak_and_news_bias)
        leak, change = gates.split(self.width, 1)
        memory = memory + torch.sigmoid(leak) * change
        features = torch.cat([x, memory], 1)
        features = torch.cat([features, self.near(features)], 1)
        product = F.conv1d(features, self.far, self.far_bias)
        if self.attends:
            far, asked, told, offered = product.split([self.growth, *_parts(self.growth)], 1)
            heard = [torch.matmul(offered, torch.softmax(torch.matmul(told.transpose(1, 2), asked), 1))]
        else:
            far, heard = product, []
        found = [features, F.relu(torch.matmul(far, self.mixture)), *heard]
        return x + self.transition(torch.cat(found, 1)), memory


class StreamingDenseNet(nn.Module):
    """Spectrum of a frame (1, 769, 2) and states to the mask (1, 769, 2) and the next states."""

    stem: Tensor
    fine_place: Tensor
    high: Tensor
    high_bias: Tensor
    place: Tensor
    gains: Tensor
    gains_bias: Tensor
    leaf: Tensor
    leaf_bias: Tensor

    def __init__(self, net: DenseNet) -> None:
        super().__init__()
        stem, stem_bias = folded(net.stem.weight, net.stem_norm)
        high, high_bias = folded(net.high.weight, net.high_norm)
        assert net.leaf.bias is not None
        for name, tensor in {
            "stem": stem.reshape(-1, KERNEL, INPUTS).transpose(1, 2).contiguous(),
            "fine_place": net.fine_place + stem_bias[:, None],
            # log_level of a band's amplitude, its factors folded into the weights: fewer nodes.
            "high": LOG_SCALE * high.T.contiguous(),
            "high_bias": high_bias - LOG_SCALE * math.log(BAND_BINS**0.5) * high.sum(1),
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
        self.state_shapes = {"last_spectra": (1, INPUTS - 3, LOW_BINS), "last_gains": (1, LOW_BINS + HIGH_BANDS)} | {
            f"memory_{i}": (1, self.width, POSITIONS) for i in range(len(self.blocks))
        }

    def forward(self, spectrum: Tensor, last: Tensor, last_gains: Tensor, *memories: Tensor) -> tuple[Tensor, ...]:
        """One frame; states in the order of ``state_shapes``."""
        low, bands = split_bands(spectrum)
        seen = torch.cat([last, compress(low.transpose(1, 2), 1)], 1)
        energies = torch.log(bands + BAND_BINS**0.5 * AMPLITUDE_FLOOR)
        patches = F.relu(F.conv1d(seen, self.stem, None, STRIDE, STRIDE // 2) + self.fine_place)
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
        leaf = F.conv_transpose1d(torch.cat([patches, decoded], 1), self.leaf, self.leaf_bias, STRIDE, STRIDE // 2)
        gains = torch.maximum(torch.cat([leaf.flatten(1), gains], 1), RELEASE * last_gains)
        return real_mask(gains), seen[:, 3:], gains, *next_memories
