"""The training loop: learns, stops and goes on exactly, shares a step among processes, survives bad batches."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from densenoiser_models.corpus.pool import build_pool
from densenoiser_models.errors import ModelError
from densenoiser_models.training.batches import Draw, pool_batches
from densenoiser_models.training.checkpoint import read_checkpoint
from densenoiser_models.training.cli import main
from densenoiser_models.training.recipe import Recipe
from densenoiser_models.training.trainer import BAD_STEPS_IN_A_ROW, Run, Trainer

from ...support.recordings import make_trees
from ...support.tiny_batch import tiny_batch

RECIPE = Recipe(network="densenet-tiny", crops=4, frames=40, warm_up=2)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fit")
    speech, noise = make_trees(root)
    list(build_pool(root / "pool", [speech], [noise], synthetic_hours=0.004, seed=5, workers=1))
    return root / "pool"


@pytest.fixture
def run(pool: Path) -> Run:
    return Run(pool, pool, steps=4, cooldown=2, validate_every=2, validation_batches=1)


def batches(trainer: Trainer) -> Draw:
    return pool_batches(trainer.plan.pool, trainer.recipe, trainer.plan.seed, trainer.plan.passes)


@pytest.mark.slow
def test_a_tiny_batch_is_learnt_by_heart(run: Run, tmp_path: Path) -> None:
    trainer = Trainer(replace(RECIPE, rate=6e-3), replace(run, steps=50, cooldown=0, passes=1), tmp_path)
    batch = tiny_batch(2, 40)
    losses = [trainer.train_step(lambda _: batch) for _ in range(50)]
    assert losses[-1] < 0.35 * losses[0]


def test_a_run_goes_on_where_it_stopped(run: Run, tmp_path: Path) -> None:
    whole, half = Trainer(RECIPE, run, tmp_path / "whole"), Trainer(RECIPE, run, tmp_path / "half")
    for _ in range(4):
        whole.train_step(batches(whole))
    for _ in range(2):
        half.train_step(batches(half))
    half.save()
    resumed = Trainer(RECIPE, run, tmp_path / "half")
    resumed.load(resumed.checkpoint)
    for _ in range(2):
        resumed.train_step(batches(resumed))
    assert resumed.step == whole.step
    assert resumed.hours == whole.hours > 0
    for name in ("net", "average", "optimizer"):
        expected, found = whole.state()[name], resumed.state()[name]
        if name == "optimizer":
            for part in ("muon", "adam"):
                states = expected[part]["state"], found[part]["state"]
                assert states[0]
                assert all(torch.equal(states[0][i][k], states[1][i][k]) for i in states[0] for k in states[0][i])
        else:
            assert all(torch.equal(expected[k], found[k]) for k in expected)


def test_workers_draw_the_same_batches_in_the_same_order(run: Run, tmp_path: Path) -> None:
    alone, helped = (Trainer(RECIPE, replace(run, workers=workers), tmp_path / str(workers)) for workers in (0, 2))
    for trainer in (alone, helped):
        trainer.train_step(batches(trainer))
        trainer.train(lambda _row: None)
        assert trainer.step == run.steps
    for name, expected in alone.net.state_dict().items():
        torch.testing.assert_close(helped.net.state_dict()[name], expected, rtol=0, atol=0)


def test_a_run_begins_with_the_weights_of_another(run: Run, tmp_path: Path) -> None:
    first = Trainer(RECIPE, run, tmp_path / "first")
    first.train_step(batches(first))
    first.save()
    second = Trainer(RECIPE, run, tmp_path / "second")
    second.start_with(first.checkpoint)
    assert second.step == 0
    for net in (second.net, second.average):
        for name, weight in first.average.state_dict().items():
            assert torch.equal(net.state_dict()[name], weight)
    other = Trainer(replace(RECIPE, network="densenet-small"), run, tmp_path / "other")
    with pytest.raises(ModelError, match="holds a densenet-tiny, not a densenet-small"):
        other.start_with(first.checkpoint)


def test_the_rate_rises_stays_and_falls(run: Run, tmp_path: Path) -> None:
    trainer = Trainer(replace(RECIPE, warm_up=10), replace(run, steps=100, cooldown=20), tmp_path)
    rates = []
    for step in range(100):
        trainer.step = step
        rates.append(trainer.rate() / trainer.recipe.rate)
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:81] == [1.0] * 72
    assert rates[90] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.05)


def test_a_batch_that_is_not_finite_changes_nothing(run: Run, tmp_path: Path) -> None:
    trainer = Trainer(RECIPE, replace(run, passes=1), tmp_path)
    batch = batches(trainer)(0)
    batch.noisy_low[0, 0, 0, 0] = torch.nan
    before = [p.clone() for p in trainer.net.parameters()]
    trainer.train_step(lambda _: batch)
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.net.parameters(), strict=True))
    assert all(torch.isfinite(b).all() for b in trainer.average.buffers())
    trainer.bad_steps = BAD_STEPS_IN_A_ROW - 1
    with pytest.raises(ModelError, match="not finite"):
        trainer.train_step(lambda _: batch)


def test_out_of_memory_says_how_to_go_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    trainer = Trainer(RECIPE, run, tmp_path)
    monkeypatch.setattr(trainer, "loss", exhausted)
    with pytest.raises(ModelError, match="--passes 4"):
        trainer.train_step(batches(trainer))


def test_bf16_loss_and_gradient_are_those_of_fp32(run: Run, tmp_path: Path) -> None:
    gradients, losses = [], []
    for precision in ("fp32", "bf16"):
        trainer = Trainer(replace(RECIPE, frames=80), replace(run, precision=precision, passes=1), tmp_path)
        trainer.net.train()
        torch.manual_seed(0)
        for p in trainer.net.parameters():
            p.data += 0.02 * torch.randn_like(p)
        loss = trainer.loss(trainer.net, batches(trainer)(0))
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([p.grad.reshape(-1) for p in trainer.net.parameters() if p.grad is not None]))
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    assert torch.cosine_similarity(gradients[0], gradients[1], 0).item() > 0.98


TWO_PROCESSES = """
import sys
from pathlib import Path
import torch.distributed as dist
from densenoiser_models.training.batches import pool_batches
from densenoiser_models.training.recipe import Recipe
from densenoiser_models.training.trainer import Run, Trainer

dist.init_process_group("gloo")
pool, out = map(Path, sys.argv[1:])
recipe = Recipe(network="densenet-tiny", crops=4, frames=40, warm_up=0)
trainer = Trainer(recipe, Run(pool, pool), out)
# Statistics of a batch are those of a pass, in one process or two.
trainer.train_step(pool_batches(pool, recipe, 0, 2))
trainer.save()
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_take_the_step_of_one(pool: Path, tmp_path: Path) -> None:
    alone = Trainer(replace(RECIPE, warm_up=0), Run(pool, pool), tmp_path / "alone")
    alone.train_step(batches(alone))
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = [str(script), str(pool), str(tmp_path / "two")]
    subprocess.run([*command, *arguments], check=True, timeout=240, capture_output=True)
    state = read_checkpoint(tmp_path / "two/last.pt")
    for part, momentum in ("muon", "momentum_buffer"), ("adam", "exp_avg"):
        gradients = alone.optimizer.state_dict()[part]["state"]
        assert gradients
        for i, gradient in gradients.items():
            shared = state["optimizer"][part]["state"][i]
            torch.testing.assert_close(shared[momentum], gradient[momentum], atol=1e-7, rtol=1e-4)
    for name, parameter in alone.net.named_parameters():
        torch.testing.assert_close(state["net"][name], parameter.detach(), atol=2e-5, rtol=1e-3)


def test_passes_that_do_not_fit_are_refused(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"crops \(4\) must be a multiple"):
        Trainer(RECIPE, replace(run, passes=3), tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ModelError, match="the 3 processes"):
        Trainer(RECIPE, replace(run, passes=4), tmp_path)


@pytest.mark.slow
def test_fit_writes_curves_and_a_checkpoint_with_its_recipe(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('network = "densenet-tiny"\ncrops = 1\nframes = 20\n[loss]\nwaveform = 0.4\n')
    options = ["--recipe", str(recipe), "--out", str(tmp_path), "--pool", str(pool), "--validation", str(pool)]
    options += ["--steps", "25", "--cooldown", "5", "--passes", "1", "--validation-batches", "1"]
    assert main(["fit", *options, "--validate-every", "25", "--rate", "0.001"]) == 0
    assert "densenet-tiny in " in capsys.readouterr().out
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert list((tmp_path / "tensorboard").iterdir())
    state = read_checkpoint(tmp_path / "last.pt")
    assert state["step"] == 25
    assert state["hours"] == pytest.approx(25 * 20 / 360_000)
    assert state["recipe"]["frames"] == 20
    assert state["recipe"]["rate"] == 0.001
    assert state["recipe"]["loss"]["waveform"] == 0.4
    assert state["history"][-1]["validation"] > 0


@pytest.mark.slow
def test_a_profile_names_what_takes_the_time_and_stores_nothing(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('network = "densenet-tiny"\ncrops = 2\nframes = 20\n')
    out = tmp_path / "run"
    options = ["--recipe", str(recipe), "--out", str(out), "--pool", str(pool), "--validation", str(pool)]
    assert main(["fit", *options, "--profile"]) == 0
    assert "times real time" in capsys.readouterr().out
    assert not out.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_checkpoint_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"last\.pt"):
        read_checkpoint(tmp_path / "last.pt")
