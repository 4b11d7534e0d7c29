"""Every network: causal, the same streamed as whole, untouched by what came before a reset."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from densenoiser_models.errors import ModelError
from densenoiser_models.networks import NETWORKS, build_network
from densenoiser_models.networks.conv_layer import Layer
from densenoiser_models.networks.leaky_memory import LARGEST
from densenoiser_models.training.onnx_graph import offline_mask

FRAMES = 60


def spectra(seed: int) -> Tensor:
    """(1, frames, 769, 2), louder and softer by 40 dB on the way."""
    generator = torch.Generator().manual_seed(seed)
    level = torch.linspace(-2, 0, FRAMES)[None, :, None, None]
    return torch.randn(1, FRAMES, 769, 2, generator=generator) * 10**level


def bands(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    high = spectrum[:, :, 257:].square().sum(3).reshape(1, FRAMES, 16, 32).mean(3).sqrt()
    return spectrum[:, :, 1:257], high


def trained(name: str) -> nn.Module:
    """A network whose every parameter and statistic is away from its start."""
    torch.manual_seed(1)
    net = build_network(name)
    for parameter in net.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    for buffer in net.buffers():
        if buffer.is_floating_point():
            buffer.add_(0.3 * torch.rand_like(buffer))
    return net.eval()


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_frame_by_frame_equals_the_whole(name: str) -> None:
    net = trained(name)
    spectrum = spectra(0)
    whole = offline_mask(*(part[0] for part in net(*bands(spectrum))))
    streaming = net.streaming()  # type: ignore[operator]
    for _ in range(2):
        states = [torch.zeros(shape) for shape in streaming.state_shapes.values()]
        for i in range(FRAMES):
            mask, *states = streaming(spectrum[:, i], *states)
            torch.testing.assert_close(mask[0], whole[i], atol=2e-5, rtol=1e-4)
    assert whole.std(0).max() > 1e-3  # the mask does depend on the frame


@torch.no_grad()
def test_memories_that_feed_themselves_stay_bounded() -> None:
    net = trained("densenet-small")
    for name, parameter in net.named_parameters():
        if name.endswith("recall"):
            parameter.mul_(40)
    streaming = net.streaming()  # type: ignore[operator]
    states = [torch.zeros(shape) for shape in streaming.state_shapes.values()]
    for i in range(FRAMES):
        _mask, *states = streaming(spectra(0)[:, i], *states)
    memories = [s for name, s in zip(streaming.state_shapes, states, strict=True) if "memory" in name]
    assert [float(memory.abs().max()) for memory in memories] == [LARGEST] * len(memories)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_the_future_changes_nothing(name: str) -> None:
    net = trained(name)
    one = spectra(0)
    other = one.clone()
    other[:, 40:] = spectra(1)[:, 40:]
    for a, b in zip(net(*bands(one)), net(*bands(other)), strict=True):
        torch.testing.assert_close(a[:, :40], b[:, :40], atol=1e-6, rtol=1e-5)
        assert not torch.allclose(a[:, 40:], b[:, 40:])


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_a_batch_is_its_crops(name: str) -> None:
    net = trained(name)
    one, other = (bands(spectra(seed)) for seed in (0, 1))
    for joint, *alone in zip(net(*map(torch.cat, zip(one, other, strict=True))), net(*one), net(*other), strict=True):
        torch.testing.assert_close(joint, torch.cat(alone), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("kernel", "stride", "transposed"), [(1, 1, False), (3, 1, False), (4, 2, False), (4, 2, True)]
)
@torch.no_grad()
def test_a_layer_is_the_convolution_whose_weights_it_holds(kernel: int, stride: int, transposed: bool) -> None:
    torch.manual_seed(0)
    layer = Layer(5, 7, kernel, stride, transposed).eval()
    x = torch.randn(5, 3, 12)
    expected = torch.relu(layer.norm(layer.convolution(x.transpose(0, 1)[:, :, None])))
    torch.testing.assert_close(layer(x), expected[:, :, 0].transpose(0, 1))


@torch.no_grad()
def test_an_untrained_densenet_passes_speech_through() -> None:
    mask, gains = build_network("densenet-small").eval()(*bands(spectra(0)))
    torch.testing.assert_close(mask, torch.tensor([1.0, 0.0]).expand_as(mask))
    assert gains.min() > 0.8


def test_an_unknown_network_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(ModelError, match="densenet-small"):
        build_network("densnet")
