"""Export: the file is the network, fits its budget, and runs in the streaming engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from densenoiser_models.denoiser import OnnxDenoiser
from densenoiser_models.errors import ModelError
from densenoiser_models.model_file import load_model
from densenoiser_models.training import export as export_module
from densenoiser_models.training.cli import main
from densenoiser_models.training.export import BUDGETS, Budget, Export, export
from densenoiser_models.training.recipe import Recipe
from densenoiser_models.training.trainer import Run, Trainer

from ...support.recordings import hiss

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    trainer = Trainer(Recipe(), Run(out, out), out)
    torch.manual_seed(0)
    for parameter in trainer.average.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
    trainer.save()
    return trainer.checkpoint


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    return export(checkpoint, tmp_path_factory.mktemp("exported"), "x", "", [])


def test_an_exported_network_runs_in_the_engine(checkpoint: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("split,kind,source,licence,duration_s\ntrain,noise,rain,CC0,7200\nvalid,noise,wind,CC0,3600\n")
    assert main(["export", str(checkpoint), "--out", str(tmp_path), "--name", "x", "--manifest", str(manifest)]) == 0
    model = load_model(str(tmp_path / "x.onnx"))
    assert model.card["data"] == [{"kind": "noise", "source": "rain", "licence": "CC0", "hours": 2.0}]
    assert model.card["nodes"] <= BUDGETS["densenet-small"].nodes
    denoiser = OnnxDenoiser(model, "cpu")
    for frame in hiss(0, 0.5, model.spec.sample_rate).reshape(-1, model.spec.hop):
        cleaned = denoiser.process(frame)
    assert denoiser.fault is None
    assert np.isfinite(cleaned).all()
    assert cleaned.std() > 0


def test_offline_streamed_and_onnx_are_one_function(exported: Export) -> None:
    assert exported.streaming_error < 1e-5
    assert exported.onnx_error < 1e-4


def test_macs_are_counted(exported: Export) -> None:
    # By hand: every weight of a convolution once a position (fine ones 64, coarse ones 32 or 36), the linear ones once.
    fine, coarse = 64 * (32 * 9 * 8 + 32 * 24 * 3 + 80 * 24 * 3), 32 * (56 * 48 * 4 + 48 * 24 * 4)
    leaf, imaginary = 64 * 56 * 16, 512 * 2
    block = 36 * (96 * 96 + 96 * 24 * 3 + 120 * 24 + 24 * 36 + 144 * 48)
    attention = 36 * (120 * 48 + 12 * 36 + 24 * 36 + 24 * 48)
    frame = 4 * 36 * 48 + (4 * 36 + 128) * 256 + 128 * 8 * 36 + 36 * 8 * 48
    above = 2 * 16 * 4 * 48
    counted = fine + coarse + leaf + 3 * (block + attention) + frame + above + imaginary
    assert exported.million_macs_per_second * 1e4 == pytest.approx(counted, rel=0.001)


def test_a_difference_or_a_broken_budget_writes_nothing(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "BUDGETS", {"densenet-small": Budget(90, 90.0)})
    with pytest.raises(ModelError, match="nodes"):
        export(checkpoint, tmp_path, "x", "", [])
    monkeypatch.setattr(export_module, "BUDGETS", {})
    monkeypatch.setattr(export_module, "TOLERANCE", 1e-12)
    with pytest.raises(ModelError, match="differs"):
        export(checkpoint, tmp_path, "x", "", [])
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_without_its_columns_is_an_error(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("a,b\n1,2\n")
    assert main(["export", str(checkpoint), "--out", str(tmp_path), "--manifest", str(tmp_path / "m.csv")]) == 1
