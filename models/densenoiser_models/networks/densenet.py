"""DenseNoiser's network: dense blocks over time and frequency, whose weights all positions of the spectrum share.

Every layer of a block sees the outputs of all layers before it, and a transition compresses them (Huang et al.,
"Densely Connected Convolutional Networks", CVPR 2017). A layer looks along one axis: a leaky memory along time, a
convolution along frequency, a fixed mixture of all positions, or single-head attention among them (Vaswani et al.,
"Attention is all you need", NeurIPS 2017).

    spectrum, this frame and two before -> |X|^0.3 -> patches: 64 positions of 125 Hz -> dense layer
    -> 32 positions of 250 Hz, joined by 4 of 4 kHz made of the log energies above 8 kHz
    -> dense block -> memory of the whole frame -> dense blocks
    -> 64 positions, joined by the patches -> dense layer -> complex mask of each bin up to 8 kHz
    -> gain of each band above
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..bands import BAND_BINS, HIGH_BANDS, LOW_BINS
from .conv_layer import Layer, StreamingLayer, folded, mix_channels, normalise
from .frame_memory import FrameMemory, StreamingFrameMemory
from .leaky_memory import LARGEST, leaky_memory, recall_for_change
from .mask import AMPLITUDE_FLOOR, LOG_SCALE, compress, decompress, full_mask, log_level, split_bands

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
    """How large a network is."""

    patches: int
    """Channels of the patches."""
    fine: int
    """Channels that a layer adds at the fine positions."""
    width: int
    """Channels of the coarse positions."""
    growth: int
    """Channels that a layer of a block adds there."""
    blocks: int
    remembered: int
    """Values of the memory of the whole frame."""


SIZES = {
    "tiny": DenseNetSize(8, 8, 16, 8, 1, 32),
    "small": DenseNetSize(32, 24, 48, 24, 3, 128),
    "large": DenseNetSize(48, 40, 80, 40, 4, 128),
}


def _query_key_value(growth: int) -> list[int]:
    """Their channels."""
    return [growth // 2, growth // 2, growth]


def attend(attention: nn.Conv2d, x: Tensor) -> Tensor:
    """Single-head attention over positions: softmax(query . key) weights the values.

    (channels, frames, positions) to (growth, frames, positions), of 2 * growth outputs of ``attention``.
    """
    assert attention.bias is not None
    product = mix_channels(attention.weight[:, :, 0, 0], x) + attention.bias[:, None, None]
    parts = product.to(x.dtype).permute(1, 2, 0).split(_query_key_value(len(product) // 2), 2)
    query, key, value = (part.contiguous() for part in parts)
    weights = torch.softmax(torch.matmul(query, key.transpose(1, 2)).float() * query.shape[2] ** -0.5, 2)
    return torch.matmul(weights.to(x.dtype), value).permute(2, 0, 1)


class DenseBlock(nn.Module):
    """Memory along time, convolution along frequency, mixture of all positions, attention; a transition; the residual."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.leak = nn.Conv2d(width, width, 1)
        self.news = nn.Conv2d(width, width, 1)
        self.recall = nn.Parameter(torch.zeros(2 * width, width))
        self.near = Layer(2 * width, growth, 3)
        self.far = nn.Conv2d(2 * width + growth, growth, 1, bias=False)
        self.far_norm = nn.BatchNorm2d(growth)
        self.mixture = nn.Parameter(torch.randn(POSITIONS, POSITIONS) * POSITIONS**-0.5)
        self.attention = nn.Conv2d(2 * width + growth, 2 * growth, 1)
        self.transition = Layer(2 * width + 3 * growth, width)
        assert self.leak.bias is not None
        with torch.no_grad():  # memories of 1 to 100 frames
            self.leak.bias.copy_(torch.logit(torch.logspace(-0.3, -2, width)))

    def forward(self, x: Tensor, batch: int) -> Tensor:
        """(width, frames * batch, positions), time first, to the same."""
        assert self.leak.bias is not None
        assert self.news.bias is not None
        gates = torch.cat([self.leak.weight, self.news.weight])[:, :, 0, 0]
        heard = mix_channels(gates, x).reshape(len(gates), -1, batch * POSITIONS)
        memory = leaky_memory(heard, torch.cat([self.leak.bias, self.news.bias]), self.recall)
        features = torch.cat([x, memory.to(x.dtype).reshape(x.shape)])
        features = torch.cat([features, self.near(features)])
        far = normalise(self.far_norm, mix_channels(self.far.weight[:, :, 0, 0], features))
        far = F.relu(torch.matmul(far, self.mixture.T)).to(x.dtype)
        attended = attend(self.attention, features).to(x.dtype)
        y: Tensor = x + self.transition(torch.cat([features, far, attended]))
        return y


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
        self.blocks = nn.ModuleList(DenseBlock(width, self.size.growth) for _ in range(self.size.blocks))
        self.up = Layer(width, fine, 4, 2, transposed=True)
        self.decode = Layer(patches + 2 * fine, fine, 3)
        self.leaf = nn.ConvTranspose2d(patches + fine, 2, (1, KERNEL), (1, STRIDE), (0, STRIDE // 2))
        self.gains = nn.Linear(HIGH_POSITIONS * width, HIGH_BANDS)
        self.frame = FrameMemory(width, POSITIONS, self.size.remembered)
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
        now = compress(low)
        past = F.pad(now, (0, 0, 0, 0, 0, 0, SEEN - 1, 0))
        patches = self._patches(torch.cat([past[i : i + frames] for i in range(SEEN)], 3).flatten(0, 1))
        encoded = torch.cat([patches, self.encode(patches)])
        energies = F.relu(self.high_norm(self.high(log_level(high).flatten(0, 1))))
        above = energies.reshape(len(energies), -1, HIGH_POSITIONS).transpose(0, 1)
        down = self.down(encoded)
        x = torch.cat([down, above.to(down.dtype)], 2) + self.place[0].to(down.dtype)
        for i, block in enumerate(self.blocks):
            x = block(x, batch)
            if i == 0:
                x = self.frame(x, batch)
        gains = torch.sigmoid(self.gains(x[..., COARSE:].transpose(0, 1).flatten(1)))
        decoded = self.decode(torch.cat([encoded, self.up(x[..., :COARSE])]))
        mask = decompress(self._leaf(torch.cat([patches, decoded])).float())
        mask, gains = (part.reshape(frames, batch, *part.shape[1:]).transpose(0, 1) for part in (mask, gains))
        return mask, gains

    def _patches(self, bins: Tensor) -> Tensor:
        """(frames, 256, 9) to (patches, frames, 64): a convolution of kernel 8 and stride 4, as a product of chunks."""
        padded = F.pad(bins, (0, 0, STRIDE // 2, STRIDE // 2)).reshape(len(bins), FINE + 1, STRIDE * INPUTS)
        seen = torch.cat([padded[:, :-1], padded[:, 1:]], 2).flatten(0, 1)
        product = torch.mm(self.stem.weight, seen.T).reshape(-1, len(bins), FINE)
        return F.relu(normalise(self.stem_norm, product) + self.fine_place[:, None])

    def _leaf(self, x: Tensor) -> Tensor:
        """(patches + fine, frames, 64) to (frames, 256, 2): a transposed convolution of kernel 8 and stride 4."""
        assert self.leaf.bias is not None
        taps = mix_channels(self.leaf.weight[:, :, 0].permute(1, 2, 0).flatten(0, 1), x)
        parts = []
        for part, bias in zip(taps.chunk(2), self.leaf.bias, strict=True):
            early, late = part.permute(1, 2, 0).chunk(2, 2)
            chunks = F.pad(early, (0, 0, 0, 1)) + F.pad(late, (0, 0, 1, 0))
            parts.append(chunks.flatten(1)[:, STRIDE // 2 : -STRIDE // 2] + bias)
        return torch.stack(parts, 2)

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
        recall = recall_for_change(block.recall)
        far, far_bias = folded(block.far.weight, block.far_norm)
        far = far[..., 0, 0]
        # One product over channels for the mixture and for query, key and value: faster than two.
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
        memory = (memory + torch.sigmoid(leak) * change).clamp(-LARGEST, LARGEST)
        features = torch.cat([x, memory], 1)
        features = torch.cat([features, self.near(features)], 1)
        product = F.conv1d(features, self.far, self.far_bias)
        far, query, key, value = product.split([self.growth, *_query_key_value(self.growth)], 1)
        attended = torch.matmul(value, torch.softmax(torch.matmul(key.transpose(1, 2), query), 1))
        far = F.relu(torch.matmul(far, self.mixture))
        return x + self.transition(torch.cat([features, far, attended], 1)), memory


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
        self.frame = StreamingFrameMemory(net.frame)
        self.state_shapes: dict[str, tuple[int, ...]] = {
            "last_spectra": (1, INPUTS - 3, LOW_BINS),
            "frame_memory": (1, net.size.remembered),
        }
        self.state_shapes |= {f"memory_{i}": (1, self.width, POSITIONS) for i in range(len(self.blocks))}

    def forward(self, spectrum: Tensor, last: Tensor, frame_memory: Tensor, *memories: Tensor) -> tuple[Tensor, ...]:
        """One frame; states in the order of ``state_shapes``."""
        low, bands = split_bands(spectrum)
        seen = torch.cat([last, compress(low.transpose(1, 2), 1)], 1)
        energies = torch.log(bands + BAND_BINS**0.5 * AMPLITUDE_FLOOR)
        patches = F.relu(F.conv1d(seen, self.stem, None, STRIDE, STRIDE // 2) + self.fine_place)
        encoded = torch.cat([patches, self.encode(patches)], 1)
        above = F.relu(torch.addmm(self.high_bias, energies, self.high)).reshape(1, self.width, HIGH_POSITIONS)
        x = torch.cat([self.down(encoded), above], 2) + self.place
        next_memories = []
        for i, (block, memory) in enumerate(zip(self.blocks, memories, strict=True)):
            x, next_memory = block(x, memory)
            next_memories.append(next_memory)
            if i == 0:
                x, frame_memory = self.frame(x, frame_memory)
        below, above = x.split([COARSE, HIGH_POSITIONS], 2)
        gains = torch.sigmoid(torch.addmm(self.gains_bias, above.reshape(1, -1), self.gains))
        decoded = self.decode(torch.cat([encoded, self.up(below)], 1))
        leaf = F.conv_transpose1d(torch.cat([patches, decoded], 1), self.leaf, self.leaf_bias, STRIDE, STRIDE // 2)
        return full_mask(decompress(leaf, 1), gains), seen[:, 3:], frame_memory, *next_memories
