"""The bench: its parts are the real ones, its figures are percentiles of what was measured."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from tests.support.command_module import run_command_module

from densenoiser_models.denoiser import OnnxDenoiser
from densenoiser_models.evaluation import frame_cost, systems
from densenoiser_models.evaluation.frame_cost import part_steps, peer_step, summarise, syllables, time_steps
from densenoiser_models.evaluation.framewise import FramewiseSystem
from densenoiser_models.evaluation.systems import System
from densenoiser_models.frame import FrameSpec
from densenoiser_models.model_file import ModelFile
from densenoiser_models.stft import Samples

MakeModel = Callable[..., ModelFile]


def test_json_has_every_part_in_order_of_size(make_model: MakeModel, capsys: pytest.CaptureFixture[str]) -> None:
    model = make_model("mine")
    assert run_command_module(frame_cost, ["--model", str(model.path), "--frames", "200", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["sha256"], report["frames"]) == ("mine", model.sha256, 200)
    assert list(report["steps"]) == ["analysis", "graph", "synthesis", "whole"]
    for row in report["steps"].values():
        assert 0 < row["p10_us"] <= row["median_us"] <= row["p99_us"]
        assert row["rtf"] == pytest.approx(row["median_us"] / 10_000, abs=2e-5)


def test_table_names_the_columns(make_model: MakeModel, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_module(frame_cost, ["--model", str(make_model().path), "--frames", "100"]) == 0
    said = capsys.readouterr().out
    for word in ("analysis", "graph", "synthesis", "whole", "median us", "p99 us", "real-time factor"):
        assert word in said


def test_parts_together_do_what_the_whole_does(make_model: MakeModel) -> None:
    model = make_model(gain=0.5)
    steps, whole = part_steps(model, "cpu"), OnnxDenoiser(model, "cpu")
    for frame in syllables(FrameSpec(), 20):
        *_, output = [step(frame) for step in steps.values()]
        np.testing.assert_array_equal(np.asarray(output), whole.process(frame))
    assert np.asarray(output).any()


def test_time_steps_measures_each_step_and_keeps_pace() -> None:
    slept = {"short": 0.001, "long": 0.004}
    steps = {name: (lambda _, seconds=seconds: time.sleep(seconds)) for name, seconds in slept.items()}
    signal = np.zeros((100, 480), np.float32)[:5]
    start = time.perf_counter()
    seconds = time_steps(steps, signal, pace_seconds=0.02)
    assert time.perf_counter() - start >= 5 * 0.02
    assert {name: len(values) for name, values in seconds.items()} == {"short": 5, "long": 5}
    for name, least in slept.items():
        assert min(seconds[name]) >= least


def test_summary_is_percentiles_in_microseconds() -> None:
    row = summarise([i * 1e-6 for i in range(101)], 0.01)
    assert row == {"median_us": 50.0, "p10_us": 10.0, "p99_us": 99.0, "rtf": 0.005}


def test_unknown_model_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_module(frame_cost, ["--model", "no-such-model"]) == 1
    assert "no model named 'no-such-model'" in capsys.readouterr().err


def test_rnnoise_is_timed_in_the_same_run(make_model: MakeModel, capsys: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec("pyrnnoise") is None:  # its library alone is used: the package itself would not load
        pytest.skip("pyrnnoise (packaging/peers.txt) is not installed")
    assert (
        run_command_module(
            frame_cost, ["--model", str(make_model().path), "--frames", "100", "--compare", "RNNoise 0.2", "--json"]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["steps"]["RNNoise 0.2"]["median_us"] > 10


def test_other_models_are_timed_beside_the_first(make_model: MakeModel, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = make_model("first"), make_model("second")
    assert (
        run_command_module(
            frame_cost, ["--model", str(first.path), "--frames", "100", "--compare", str(second.path), "--json"]
        )
        == 0
    )
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert 1 / 3 < steps[str(second.path)]["median_us"] / steps["whole"]["median_us"] < 3


def test_a_filters_own_hop_is_scaled_to_ten_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    @contextmanager
    def start() -> Iterator[Callable[[Samples], Samples]]:
        def process(frame: Samples) -> Samples:
            seen.append(len(frame))
            return frame

        yield process

    monkeypatch.setattr(systems, "load_system", lambda name: System(name, "1", FramewiseSystem(128, start, 16_000)))
    with peer_step("any") as (step, scale):
        step(np.zeros(480, np.float32))
    assert seen == [128]
    assert scale == pytest.approx(1.25)


def test_what_does_not_work_frame_by_frame_is_named(make_model: MakeModel, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_module(frame_cost, ["--model", str(make_model().path), "--compare", "noisy"]) == 1
    assert "noisy does not work frame by frame" in capsys.readouterr().err


def test_the_table_in_markdown_names_command_and_machine(
    make_model: Callable[..., ModelFile], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", str(make_model().path), "--frames", "100", "--markdown"]
    assert run_command_module(frame_cost, arguments) == 0
    heading, _empty, columns, _rule, *rows = capsys.readouterr().out.splitlines()
    assert heading.startswith("`densenoiser bench")
    assert "cores" in heading
    assert columns.count("|") == 6
    assert [row.split("|")[1].strip() for row in rows][-1] == "whole"
