"""Adaptation: learns a noise, installs what is better, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from densenoiser_models.model_file import load_model
from densenoiser_models.training import adapt as adapt_module
from densenoiser_models.training.adapt import adapt
from densenoiser_models.training.cli import main
from densenoiser_models.training.recipe import Recipe
from densenoiser_models.training.trainer import Run, Trainer

from ...support.recordings import hiss, voice, write


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six voices, 25 s of rumble, and an untrained network, which leaves all of it in."""
    root = tmp_path_factory.mktemp("place")
    for i in range(6):
        write(root / "speech" / f"{i}.wav", voice(i, 3.0, 16_000), 16_000)
    rumble = lfilter([0.05], [1, -0.95], hiss(7, 25.0, 48_000)).astype(np.float32)
    write(root / "rumble.wav", rumble, 48_000)
    torch.manual_seed(0)
    Trainer(Recipe("densenet-tiny"), Run(root, root), root / "run").save()
    return root


@pytest.fixture(autouse=True)
def few_mixtures(monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch of them to compare models by: the differences that are asserted are large."""
    monkeypatch.setattr(adapt_module, "MIXTURES", 8)


@pytest.mark.slow
def test_a_better_model_is_installed(place: Path, tmp_path: Path) -> None:
    done = adapt(
        place / "run/last.pt", place / "rumble.wav", [place / "speech"], tmp_path, "mine", 8.0, lambda _: None, rate=2e-3
    )  # fmt: skip
    assert done.own_after < done.own_before
    assert done.installed is not None
    assert load_model(str(tmp_path / "mine.onnx")).name == "mine"


@pytest.mark.slow
def test_a_worse_model_is_refused(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt_module, "GENERAL_LOSS_ALLOWED", 0.01)
    arguments = [
        str(place / "rumble.wav"),
        "--speech",
        str(place / "speech"),
        "--checkpoint",
        str(place / "run/last.pt"),
    ]
    assert main(["adapt", *arguments, "--out", str(tmp_path), "--minutes", "0.02"]) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_is_too_short_is_an_error(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = write(tmp_path / "short.wav", hiss(0, 5.0, 48_000), 48_000)
    arguments = [str(short), "--speech", str(place / "speech"), "--checkpoint", str(place / "run/last.pt")]
    assert main(["adapt", *arguments]) == 1
    assert "too short" in capsys.readouterr().err
