"""The student's dense net: one frame, one answer; nothing above 8 kHz; learns, exports and runs like every network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from densenoiser_models.frame import FrameSpec
from densenoiser_models.networks.densenet_seed import DenseNetSeed
from densenoiser_models.training.export import export
from densenoiser_models.training.onnx_graph import offline_mask
from densenoiser_models.training.recipe import Recipe
from densenoiser_models.training.trainer import Run, Trainer

from ...support.exported_model import runs_in_the_engine
from ...support.tiny_batch import tiny_batch

BINS = FrameSpec().bins


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """On shared cores torch's threads wait for each other: these tests took ten times as long with two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def net() -> DenseNetSeed:
    torch.manual_seed(0)
    return DenseNetSeed().eval()


def heard(frames: int, seed: int = 0) -> Tensor:
    """Low bins of one crop, (1, frames, 256, 2)."""
    return torch.randn(1, frames, 256, 2, generator=torch.Generator().manual_seed(seed))


def test_it_is_as_large_as_documented(net: DenseNetSeed) -> None:
    assert sum(p.numel() for p in net.parameters()) == 69_170


@torch.no_grad()
def test_it_says_magnitudes_keeps_the_phase_and_mutes_the_top(net: DenseNetSeed) -> None:
    low = torch.cat([heard(5), heard(5, 1)])
    mask, gains = net(low, torch.rand(2, 5, 16))
    assert mask.shape == low.shape
    assert gains.shape == (2, 5, 16)
    assert (mask[..., 0] > 0).all()
    assert (mask[..., 1] == 0).all()
    assert (gains == 0).all()
    # What comes out depends on the noisy phase not at all, so neither does the mask.
    turned = torch.stack([-low[..., 1], low[..., 0]], 3)
    torch.testing.assert_close(net(turned, torch.rand(2, 5, 16))[0], mask)


@torch.no_grad()
def test_a_frame_knows_of_no_other(net: DenseNetSeed) -> None:
    low, other = heard(8), heard(8)
    other[:, :3], other[:, 4:] = heard(3, 1), heard(4, 2)
    high = torch.zeros(1, 8, 16)
    mask, changed = net(low, high)[0], net(other, high)[0]
    torch.testing.assert_close(mask[:, 3], changed[:, 3])
    assert (mask - changed)[:, [2, 4]].abs().max() > 1e-3


@torch.no_grad()
def test_frame_by_frame_equals_the_whole(net: DenseNetSeed) -> None:
    spectrum = torch.randn(6, BINS, 2, generator=torch.Generator().manual_seed(4))
    mask, gains = net(spectrum[None, :, 1:257], torch.zeros(1, 6, 16))
    streaming = net.streaming()
    assert streaming.state_shapes == {}
    streamed = torch.cat([streaming(frame[None])[0] for frame in spectrum])
    torch.testing.assert_close(streamed, offline_mask(mask[0], gains[0]), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_it_learns_a_batch_by_heart(tmp_path: Path) -> None:
    trainer = Trainer(
        Recipe("densenet_seed", rate=2e-3, warm_up=0), Run(tmp_path, tmp_path, cooldown=0, passes=1), tmp_path
    )
    batch = tiny_batch(1, 20)
    batch = replace(batch, judged=torch.zeros_like(batch.judged))  # it cannot help what is above 8 kHz
    losses = [trainer.train_step(lambda _: batch) for _ in range(60)]
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.slow
def test_it_exports_and_runs_in_the_engine(tmp_path: Path) -> None:
    trainer = Trainer(Recipe("densenet_seed"), Run(tmp_path, tmp_path), tmp_path)
    trainer.save()
    done = export(trainer.checkpoint, tmp_path, "seed", "", [])
    # Convolutions along 256 and 128 bins, and the GRU's 3 x 32 units at 128 positions: 12.2 million a frame.
    assert done.million_macs_per_second == pytest.approx(1220, rel=0.01)
    runs_in_the_engine(done.path)
