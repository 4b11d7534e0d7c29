"""Providers: what this ONNX Runtime can do, and how a missing CUDA is told, once."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import onnxruntime as ort
import pytest

from densenoiser_models import provider
from densenoiser_models.denoiser import OnnxDenoiser
from densenoiser_models.errors import ModelError
from densenoiser_models.model_file import ModelFile
from densenoiser_models.provider import available_providers, open_session

MakeModel = Callable[..., ModelFile]

without_cuda = pytest.mark.skipif("cuda" in available_providers(), reason="this ONNX Runtime has CUDA built in")


def test_the_cpu_is_always_there() -> None:
    assert available_providers()[0] == "cpu"


def test_cpu_opens_with_one_thread_and_says_nothing(make_model: MakeModel, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        session, name = open_session(make_model(), "cpu")
    assert name == "cpu"
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_session_options().intra_op_num_threads == 1
    assert not caplog.records


@without_cuda
@pytest.mark.parametrize(("choice", "level"), [("cuda", logging.WARNING), ("auto", logging.DEBUG)])
def test_missing_cuda_falls_back_with_exactly_one_line(
    make_model: MakeModel,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    choice: str,
    level: int,
) -> None:
    with caplog.at_level(logging.DEBUG):
        denoiser = OnnxDenoiser(make_model(gain=0.5), choice)
    assert denoiser.provider == "cpu"
    assert [record.levelno for record in caplog.records] == [level]
    assert "onnxruntime-gpu" in caplog.text
    assert capfd.readouterr() == ("", "")
    frame = np.full(480, 0.1, np.float32)
    denoiser.process(frame)
    assert denoiser.process(frame).any()


def test_cuda_that_is_built_in_but_does_not_load_falls_back_too(
    make_model: MakeModel, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What onnxruntime-gpu does on a machine without the driver: the session raises, or silently gets the CPU alone."""
    monkeypatch.setattr(provider, "available_providers", lambda: ("cpu", "cuda"))
    real = ort.InferenceSession

    def cuda_missing(graph: bytes, options: ort.SessionOptions, **how: object) -> ort.InferenceSession:
        assert how["enable_fallback"] == 0
        return real(graph, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(ort, "InferenceSession", cuda_missing)
    with caplog.at_level(logging.DEBUG):
        _, name = open_session(make_model(), "auto")
    assert name == "cpu"
    assert len(caplog.records) == 1
    assert "did not load" in caplog.text


def test_auto_takes_the_provider_with_the_lower_p99(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sessions are real CPU ones; only the clock's verdict is given."""
    model = make_model()
    cpu, other = open_session(model, "cpu")[0], open_session(model, "cpu")[0]
    monkeypatch.setattr(provider, "_open_cuda", lambda _: other)
    monkeypatch.setattr(provider, "_open", lambda *_: cpu)
    for verdict, expected in (({cpu: 1e-4, other: 3e-4}, (cpu, "cpu")), ({cpu: 3e-4, other: 1e-4}, (other, "cuda"))):
        monkeypatch.setattr(provider, "_p99_seconds", lambda session, _, verdict=verdict: verdict[session])
        assert open_session(model, "auto") == expected


def test_unknown_provider_names_the_choices(make_model: MakeModel) -> None:
    with pytest.raises(ModelError, match="auto, cpu, cuda"):
        open_session(make_model(), "gpu")


def test_a_graph_that_cannot_run_is_found_on_opening(make_model: MakeModel) -> None:
    with pytest.raises(ModelError, match="a trial run failed"):
        open_session(make_model(fail_above=-1.0), "cpu")
