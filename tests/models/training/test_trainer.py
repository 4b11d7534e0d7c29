"""The training loop: learns, stops and goes on exactly, shares a step among processes, survives bad batches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from densenoiser_models.corpus.mixer import Mixer, Recipe
from densenoiser_models.corpus.pool import Pool, build_pool
from densenoiser_models.errors import ModelError
from densenoiser_models.training.cli import main
from densenoiser_models.training.trainer import BAD_STEPS_IN_A_ROW, Fit, FitConfig, read_checkpoint

from ...support.recordings import make_trees


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("fit")
    speech, noise = make_trees(root)
    list(build_pool(root / "pool", [speech], [noise], synthetic_hours=0.004, seed=5, workers=1))
    return str(root / "pool")


def config(pool: str, **changes: object) -> FitConfig:
    values: dict[str, object] = {"pool": pool, "validation": pool, "steps": 4, "cooldown": 2, "warm_up": 2}
    values |= {"batch": 2, "frames": 40, "validate_every": 2, "validation_batches": 1}
    return FitConfig(**(values | changes))  # type: ignore[arg-type]


def mixer(of: FitConfig) -> Mixer:
    return Mixer(Pool(Path(of.pool)), Recipe(), of.seed, of.batch, of.frames)


def test_a_tiny_batch_is_learnt_by_heart(pool: str, tmp_path: Path) -> None:
    fit = Fit(config(pool, steps=120, cooldown=0, warm_up=5, passes=1), tmp_path)
    batch = Mixer(Pool(Path(pool)), Recipe((0, 0), noise_only=0, clean_only=0, room=0), 0, 2, 60).draw(0)
    losses = [fit.train_step(lambda _: batch) for _ in range(120)]
    assert losses[-1] < 0.35 * losses[0]


def test_a_run_goes_on_where_it_stopped(pool: str, tmp_path: Path) -> None:
    of = config(pool)
    whole, half = Fit(of, tmp_path / "whole"), Fit(of, tmp_path / "half")
    for _ in range(4):
        whole.train_step(mixer(of).draw)
    for _ in range(2):
        half.train_step(mixer(of).draw)
    half.save()
    resumed = Fit(of, tmp_path / "half")
    resumed.load(resumed.checkpoint)
    for _ in range(2):
        resumed.train_step(mixer(of).draw)
    for name in ("net", "average", "optimizer"):
        expected, found = whole.state()[name], resumed.state()[name]
        if name == "optimizer":
            for part in ("muon", "adam"):
                states = expected[part]["state"], found[part]["state"]
                assert states[0]
                assert all(torch.equal(states[0][i][k], states[1][i][k]) for i in states[0] for k in states[0][i])
        else:
            assert all(torch.equal(expected[k], found[k]) for k in expected)


def test_workers_draw_the_same_batches_in_the_same_order(pool: str, tmp_path: Path) -> None:
    alone, helped = (Fit(config(pool, workers=workers), tmp_path / str(workers)) for workers in (0, 2))
    for fit in (alone, helped):
        fit.train_step(mixer(fit.config).draw)
        fit.run(lambda _row: None)
        assert fit.step == fit.config.steps
    for name, expected in alone.net.state_dict().items():
        torch.testing.assert_close(helped.net.state_dict()[name], expected, rtol=0, atol=0)


def test_a_run_begins_with_the_weights_of_another(pool: str, tmp_path: Path) -> None:
    first = Fit(config(pool), tmp_path / "first")
    first.train_step(mixer(first.config).draw)
    first.save()
    second = Fit(config(pool), tmp_path / "second")
    second.start_with(first.checkpoint)
    assert second.step == 0
    for net in (second.net, second.average):
        for name, weight in first.average.state_dict().items():
            assert torch.equal(net.state_dict()[name], weight)
    with pytest.raises(ModelError, match="holds a densenet-small, not a densenet-tiny"):
        Fit(config(pool, network="densenet-tiny"), tmp_path / "other").start_with(first.checkpoint)


def test_the_rate_rises_stays_and_falls(pool: str, tmp_path: Path) -> None:
    fit = Fit(config(pool, steps=100, cooldown=20, warm_up=10), tmp_path)
    rates = []
    for step in range(100):
        fit.step = step
        rates.append(fit.rate() / fit.config.rate)
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:81] == [1.0] * 72
    assert rates[90] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.05)


def test_a_batch_that_is_not_finite_changes_nothing(pool: str, tmp_path: Path) -> None:
    of = config(pool, passes=1)
    fit = Fit(of, tmp_path)
    batch = mixer(of).draw(0)
    batch.noisy_low[0, 0, 0, 0] = torch.nan
    before = [p.clone() for p in fit.net.parameters()]
    fit.train_step(lambda _: batch)
    assert all(torch.equal(a, b) for a, b in zip(before, fit.net.parameters(), strict=True))
    assert all(torch.isfinite(b).all() for b in fit.average.buffers())
    fit.bad_steps = BAD_STEPS_IN_A_ROW - 1
    with pytest.raises(ModelError, match="not finite"):
        fit.train_step(lambda _: batch)


def test_out_of_memory_says_how_to_go_on(pool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    of = config(pool)
    fit = Fit(of, tmp_path)
    monkeypatch.setattr(fit, "loss", exhausted)
    with pytest.raises(ModelError, match="--batch 1 --passes 4"):
        fit.train_step(mixer(of).draw)


def test_bf16_loss_and_gradient_are_those_of_fp32(pool: str, tmp_path: Path) -> None:
    gradients, losses = [], []
    for precision in ("fp32", "bf16"):
        of = config(pool, precision=precision, batch=4, frames=80)
        fit = Fit(of, tmp_path)
        fit.net.train()
        torch.manual_seed(0)
        for p in fit.net.parameters():
            p.data += 0.02 * torch.randn_like(p)
        loss = fit.loss(fit.net, mixer(of).draw(0))
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([p.grad.reshape(-1) for p in fit.net.parameters() if p.grad is not None]))
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    assert torch.cosine_similarity(gradients[0], gradients[1], 0).item() > 0.98


TWO_PROCESSES = """
import sys
from pathlib import Path
import torch
import torch.distributed as dist
from densenoiser_models.training.trainer import Fit, FitConfig
from densenoiser_models.corpus.mixer import Mixer, Recipe
from densenoiser_models.corpus.pool import Pool

dist.init_process_group("gloo")
pool, out = sys.argv[1:]
of = FitConfig(pool=pool, validation=pool, batch=2, frames=40, passes=2, warm_up=0)
fit = Fit(of, Path(out))
# Statistics of a batch are those of a pass, in one process or two.
fit.train_step(Mixer(Pool(Path(pool)), Recipe(), of.seed, of.batch, of.frames).draw)
fit.save()
dist.destroy_process_group()
"""


def test_two_processes_take_the_step_of_one(pool: str, tmp_path: Path) -> None:
    of = FitConfig(pool=pool, validation=pool, batch=2, frames=40, passes=2, warm_up=0)
    alone = Fit(of, tmp_path / "alone")
    alone.train_step(mixer(of).draw)
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*command, str(script), pool, str(tmp_path / "two")], check=True, timeout=240, capture_output=True)
    state = read_checkpoint(tmp_path / "two/last.pt")
    for part, momentum in ("muon", "momentum_buffer"), ("adam", "exp_avg"):
        gradients = alone.optimizer.state_dict()[part]["state"]
        assert gradients
        for i, gradient in gradients.items():
            shared = state["optimizer"][part]["state"][i]
            torch.testing.assert_close(shared[momentum], gradient[momentum], atol=1e-7, rtol=1e-4)
    for name, parameter in alone.net.named_parameters():
        torch.testing.assert_close(state["net"][name], parameter.detach(), atol=2e-5, rtol=1e-3)


def test_passes_that_do_not_fit_the_processes_are_refused(
    pool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ModelError, match="multiple"):
        Fit(config(pool, passes=4), tmp_path)


def test_fit_writes_curves_and_a_checkpoint_with_its_config(pool: str, tmp_path: Path) -> None:
    options = [
        "--steps",
        "25",
        "--cooldown",
        "5",
        "--batch",
        "1",
        "--passes",
        "1",
        "--frames",
        "20",
        "--validation-batches",
        "1",
    ]
    assert (
        main(["fit", "--out", str(tmp_path), "--pool", pool, "--validation", pool, "--validate-every", "25", *options])
        == 0
    )
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert list((tmp_path / "tensorboard").iterdir())
    state = read_checkpoint(tmp_path / "last.pt")
    assert state["step"] == 25
    assert state["config"]["frames"] == 20
    assert state["history"][-1]["validation"] > 0


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_checkpoint_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"last\.pt"):
        read_checkpoint(tmp_path / "last.pt")
