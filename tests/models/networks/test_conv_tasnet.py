"""Causal Conv-TasNet: nothing of the future, the same streamed as whole, at any level; learns, exports and runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from densenoiser_models.frame import FrameSpec
from densenoiser_models.networks.conv_tasnet import ConvTasNet, CumulativeNorm
from densenoiser_models.training.export import export
from densenoiser_models.training.onnx_graph import offline_mask
from densenoiser_models.training.recipe import Recipe
from densenoiser_models.training.trainer import Run, Trainer

from ...support.exported_model import runs_in_the_engine
from ...support.tiny_batch import tiny_batch

FRAMES = 80
"""More than the longest dilation, 64 frames back."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """On shared cores torch's threads wait for each other: these tests took ten times as long with two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def net() -> ConvTasNet:
    """A network whose every parameter is away from its start."""
    torch.manual_seed(0)
    net = ConvTasNet().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    return net


def spectra(seed: int) -> Tensor:
    """(1, frames, 769, 2), louder by 40 dB on the way."""
    level = torch.logspace(-2, 0, FRAMES)[None, :, None, None]
    return torch.randn(1, FRAMES, FrameSpec().bins, 2, generator=torch.Generator().manual_seed(seed)) * level


def bands(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """The spectrum as networks see it in training."""
    return spectrum[:, :, 1:257], spectrum[:, :, 257:].square().sum(3).unflatten(2, (16, 32)).mean(3).sqrt()


def test_it_is_as_large_as_documented(net: ConvTasNet) -> None:
    assert sum(p.numel() for p in net.parameters()) == 1_868_457


@torch.no_grad()
def test_untrained_encoder_and_decoder_undo_each_other() -> None:
    net = ConvTasNet()
    frames = torch.randn(10, 512)
    torch.testing.assert_close(net.decoder(net.encoder(frames)), frames, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_norm_is_that_of_all_frames_so_far() -> None:
    x = torch.randn(2, 12, 5) * 3 + 1
    y = CumulativeNorm(5)(x)
    for t in (0, 6, 11):
        past = x[:, : t + 1].flatten(1)
        expected = (x[:, t] - past.mean(1, keepdim=True)) / past.std(1, keepdim=True, correction=0)
        torch.testing.assert_close(y[:, t], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_future_changes_nothing(net: ConvTasNet) -> None:
    one, other = spectra(0), spectra(0)
    other[:, 70:] = spectra(1)[:, 70:]
    for a, b in zip(net(*bands(one)), net(*bands(other)), strict=True):
        assert torch.equal(a[:, :70], b[:, :70])
        assert (a[:, 70:] - b[:, 70:]).abs().max() > 1e-2


@torch.no_grad()
def test_it_remembers(net: ConvTasNet) -> None:
    one, other = spectra(0), spectra(0)
    other[:, 5] *= 10
    assert (net(*bands(one))[0] - net(*bands(other))[0])[:, 70:].abs().max() > 1e-4


@torch.no_grad()
def test_frame_by_frame_equals_the_whole(net: ConvTasNet) -> None:
    spectrum = spectra(2)
    mask, gains = net(*bands(spectrum))
    assert mask.shape == (1, FRAMES, 256, 2)
    assert gains.shape == (1, FRAMES, 16)
    whole = offline_mask(mask[0], gains[0])
    streaming = net.streaming()
    for _ in range(2):  # from zero states it is the same again
        states = [torch.zeros(shape) for shape in streaming.state_shapes.values()]
        for frame, expected in zip(spectrum[0], whole, strict=True):
            result, *states = streaming(frame[None], *states)
            assert [state.shape for state in states] == list(streaming.state_shapes.values())
            torch.testing.assert_close(result[0], expected, atol=1e-4, rtol=1e-4)
    assert states[0].item() == FRAMES


@pytest.mark.slow
def test_it_learns_a_batch_by_heart(tmp_path: Path) -> None:
    trainer = Trainer(Recipe("conv_tasnet", rate=2e-3), Run(tmp_path, tmp_path, passes=1), tmp_path)
    batch = tiny_batch(2, 20)
    # Muon orthogonalises in bf16: nine seconds a step for matrices this large where the processor has no units for it.
    optimizer = torch.optim.AdamW(trainer.net.parameters(), 2e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = trainer.loss(trainer.net, batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.slow
def test_it_exports_and_runs_in_the_engine(tmp_path: Path) -> None:
    trainer = Trainer(Recipe("conv_tasnet"), Run(tmp_path, tmp_path), tmp_path)
    trainer.save()
    done = export(trainer.checkpoint, tmp_path, "tasnet", "", [])
    # Every weight of a product once a frame; norms, slopes and taps are not products.
    assert done.million_macs_per_second == pytest.approx(183.9, rel=0.01)
    runs_in_the_engine(done.path)
