"""DenseNoiser's network: dense blocks along time over a learned patch view of the spectrum.

Every layer of a block sees the outputs of all layers before it, and a transition compresses them (Huang et al.,
"Densely Connected Convolutional Networks", CVPR 2017). The layers are causal, dilated convolutions over frames.

    spectrum, this frame and the last -> |X|^0.3 -> strided convolution over frequency: 12 channels x 32 positions
    -> linear, joined by the log energies above 8 kHz -> dense blocks over time -> linear, joined by the patches
    -> transposed convolution: complex mask up to 8 kHz;  and sigmoid: one gain a band above
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .mask import HIGH_BANDS, LOW_BINS, compress, full_mask, log_energy, split_spectrum

KERNEL, STRIDE = 16, 8
POSITIONS = LOW_BINS // STRIDE


@dataclass(frozen=True, slots=True)
class DenseNetSize:
    """Widths: features of a frame between blocks, features a layer adds, patch channels; dilations, block by block."""

    width: int = 160
    growth: int = 40
    patch_channels: int = 12
    dilations: tuple[tuple[int, ...], ...] = ((1, 2, 4, 8), (1, 2, 4, 8), (2, 4, 8, 16))


SIZES = {
    "small": DenseNetSize(),
    "large": DenseNetSize(384, 80, 24, ((1, 2, 4, 8), (1, 2, 4, 8), (1, 2, 4, 8), (2, 4, 8, 16))),
}


class DenseBlock(nn.Module):
    """Causal dilated convolutions of three taps, each fed by all before it, then a 1x1 transition and the residual.

    A convolution is one product for its three taps, then a sum of shifted frames: on a CPU twice as fast as Conv1d
    with so few channels.
    """

    def __init__(self, width: int, growth: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.width, self.growth, self.dilations = width, growth, dilations
        self.taps = nn.ModuleList(nn.Linear(width + i * growth, 3 * growth, bias=False) for i in range(len(dilations)))
        self.norms = nn.ModuleList(nn.BatchNorm1d(growth) for _ in dilations)
        self.transition = nn.Linear(width + len(dilations) * growth, width, bias=False)
        self.transition_norm = nn.BatchNorm1d(width)
        with torch.no_grad():
            for weight in self.taps.parameters():
                nn.init.kaiming_uniform_(weight, nonlinearity="relu")
                weight.mul_(3**-0.5)  # three taps are summed

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) to the same."""
        batch, frames, _ = x.shape
        features = x
        for taps, norm, dilation in zip(self.taps, self.norms, self.dilations, strict=True):
            oldest, older, now = taps(features).split(self.growth, 2)
            new = now + F.pad(older, (0, 0, dilation, 0))[:, :frames]
            new = new + F.pad(oldest, (0, 0, 2 * dilation, 0))[:, :frames]
            new = F.relu(norm(new.reshape(-1, self.growth))).reshape(batch, frames, -1)
            features = torch.cat([features, new], 2)
        new = self.transition_norm(self.transition(features).reshape(-1, self.width))
        return x + F.relu(new).reshape(x.shape)


class DenseNet(nn.Module):
    """The network over whole sequences, for training."""

    def __init__(self, size: str = "small") -> None:
        super().__init__()
        self.size = SIZES[size]
        channels, width = self.size.patch_channels, self.size.width
        self.stem = nn.Conv1d(4, channels, KERNEL, STRIDE, (KERNEL - STRIDE) // 2, bias=False)
        self.stem_norm = nn.BatchNorm1d(channels)
        self.encode = nn.Linear(channels * POSITIONS + HIGH_BANDS, width, bias=False)
        self.encode_norm = nn.BatchNorm1d(width)
        self.blocks = nn.ModuleList(DenseBlock(width, self.size.growth, d) for d in self.size.dilations)
        self.decode = nn.Linear(width, channels * POSITIONS, bias=False)
        self.decode_norm = nn.BatchNorm1d(channels * POSITIONS)
        self.gains = nn.Linear(width, HIGH_BANDS)
        self.leaf = nn.ConvTranspose1d(2 * channels, 2, KERNEL, STRIDE, (KERNEL - STRIDE) // 2)
        nn.init.zeros_(self.leaf.weight)  # the mask starts as one
        nn.init.zeros_(self.gains.weight)
        assert self.leaf.bias is not None
        with torch.no_grad():
            self.leaf.bias.copy_(torch.tensor([1.0, 0.0]))
            self.gains.bias.fill_(2.0)

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Bins up to 8 kHz (batch, frames, 256, 2), band amplitudes (batch, frames, 16); to mask and gains, same shapes."""
        batch, frames = low.shape[:2]
        now = compress(low)
        last = F.pad(now, (0, 0, 0, 0, 1, 0))[:, :-1]
        both = torch.cat([last, now], 3).flatten(0, 1).transpose(1, 2)
        patches = F.relu(self.stem_norm(self.stem(both)))
        energies = log_energy(high**2).flatten(0, 1)
        x = F.relu(self.encode_norm(self.encode(torch.cat([patches.flatten(1), energies], 1))))
        x = x.reshape(batch, frames, -1)
        for block in self.blocks:
            x = block(x)
        x = x.flatten(0, 1)
        decoded = F.relu(self.decode_norm(self.decode(x))).reshape(batch * frames, -1, POSITIONS)
        mask = self.leaf(torch.cat([decoded, patches], 1)).transpose(1, 2).reshape(batch, frames, LOW_BINS, 2)
        return mask, torch.sigmoid(self.gains(x)).reshape(batch, frames, HIGH_BANDS)

    def streaming(self) -> StreamingDenseNet:
        """The same function frame by frame, normalisation folded into the weights."""
        return StreamingDenseNet(self)


def _folded(weight: Tensor, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight (out, ...) and bias (out,) of a convolution and the BatchNorm after it as one."""
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return weight * scale.reshape(-1, *[1] * (weight.dim() - 1)), norm.bias - norm.running_mean * scale


class StreamingBlock(nn.Module):
    """A dense block for one frame.

    What a frame adds to later frames is computed in one product when it is seen, and kept: ``state`` holds the last
    ``2 * max(dilations)`` frames of it, shape (frames, 2 * layers * growth). A layer then needs one product of its own,
    instead of gathering, joining and multiplying three frames of features.
    """

    places: Tensor
    bias: Tensor
    later: Tensor
    transition: Tensor
    transition_bias: Tensor

    def __init__(self, block: DenseBlock) -> None:
        super().__init__()
        growth, layers = block.growth, len(block.dilations)
        self.growth = growth
        self.memory = 2 * max(block.dilations)
        later = torch.zeros(block.width + (layers - 1) * growth, 2 * layers * growth)
        biases, places = [], []
        for i, (taps, norm, dilation) in enumerate(zip(block.taps, block.norms, block.dilations, strict=True)):
            assert isinstance(taps, nn.Linear)
            oldest, older, now = taps.weight.detach().split(growth)
            weight, bias = _folded(now, norm)
            self.register_buffer(f"now_{i}", weight.T.contiguous())
            biases.append(bias.detach())
            for tap, past, age in ((0, oldest, 2 * dilation), (1, older, dilation)):
                column = (tap * layers + i) * growth
                later[: past.shape[1], column : column + growth] = _folded(past, norm)[0].T
                places.append((self.memory - age) * 2 * layers * growth + column + torch.arange(growth))
        self.register_buffer("bias", torch.cat(biases)[None])
        # places come layer by layer; rows are the taps.
        order = torch.stack(places).reshape(layers, 2, growth).transpose(0, 1).reshape(2, layers * growth)
        self.register_buffer("places", order)
        self.register_buffer("later", later)
        weight, bias = _folded(block.transition.weight.detach(), block.transition_norm)
        self.register_buffer("transition", weight.T.contiguous())
        self.register_buffer("transition_bias", bias.detach())
        self.layers = layers

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(1, width) and the state to the same, one frame later."""
        pasts = (state.reshape(-1)[self.places].sum(0, keepdim=True) + self.bias).split(self.growth, 1)
        features = seen = x
        for i, past in enumerate(pasts):
            seen = features  # by the layers; the last one's output goes to the transition alone
            new = F.relu(torch.addmm(past, seen, self.get_buffer(f"now_{i}")))
            features = torch.cat([seen, new], 1)
        next_state = torch.cat([state[1:], seen @ self.later], 0)
        return x + F.relu(torch.addmm(self.transition_bias, features, self.transition)), next_state


class StreamingDenseNet(nn.Module):
    """Spectrum of a frame (1, 769, 2) and states to the mask (1, 769, 2) and the next states."""

    stem: Tensor
    stem_bias: Tensor
    encode: Tensor
    encode_bias: Tensor
    decode: Tensor
    decode_bias: Tensor
    gains: Tensor
    gains_bias: Tensor
    leaf: Tensor
    leaf_bias: Tensor

    def __init__(self, net: DenseNet) -> None:
        super().__init__()
        stem, stem_bias = _folded(net.stem.weight.detach(), net.stem_norm)
        encode, encode_bias = _folded(net.encode.weight.detach(), net.encode_norm)
        decode, decode_bias = _folded(net.decode.weight.detach(), net.decode_norm)
        assert net.leaf.bias is not None
        for name, tensor in {
            "stem": stem,
            "stem_bias": stem_bias,
            "encode": encode.T.contiguous(),
            "encode_bias": encode_bias,
            "decode": decode.T.contiguous(),
            "decode_bias": decode_bias,
            "gains": net.gains.weight.T.contiguous(),
            "gains_bias": net.gains.bias,
            "leaf": net.leaf.weight,
            "leaf_bias": net.leaf.bias,
        }.items():
            self.register_buffer(name, tensor.detach().clone())
        self.blocks = nn.ModuleList(StreamingBlock(b) for b in net.blocks if isinstance(b, DenseBlock))
        self.state_shapes = {"last_spectrum": (1, 2, LOW_BINS)} | {
            f"block_{i}": (b.memory, b.later.shape[1])
            for i, b in enumerate(self.blocks)
            if isinstance(b, StreamingBlock)
        }

    def forward(self, spectrum: Tensor, last: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """One frame; states in the order of ``state_shapes``."""
        now, energies = split_spectrum(spectrum)
        both = torch.cat([last, now], 1)
        patches = F.relu(F.conv1d(both, self.stem, self.stem_bias, STRIDE, (KERNEL - STRIDE) // 2))
        encoded = torch.cat([patches.reshape(1, -1), energies], 1)
        x = F.relu(torch.addmm(self.encode_bias, encoded, self.encode))
        next_states = []
        for block, state in zip(self.blocks, states, strict=True):
            x, next_state = block(x, state)
            next_states.append(next_state)
        decoded = F.relu(torch.addmm(self.decode_bias, x, self.decode)).reshape(1, -1, POSITIONS)
        leaf = F.conv_transpose1d(
            torch.cat([decoded, patches], 1), self.leaf, self.leaf_bias, STRIDE, (KERNEL - STRIDE) // 2
        )
        gains = torch.sigmoid(torch.addmm(self.gains_bias, x, self.gains))
        return full_mask(leaf, gains), now, *next_states
