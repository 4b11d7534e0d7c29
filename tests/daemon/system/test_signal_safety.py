"""The shipped model behind the engine's filter, on signals that no microphone should deliver, and on long silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from densenoiser_daemon.engine.frame_filter import FrameFilter
from densenoiser_daemon.engine.model_loader import LIGHTER_MODEL, lighter_than
from densenoiser_models.denoiser import OnnxDenoiser
from densenoiser_models.frame import FrameSpec
from densenoiser_models.model_file import DEFAULT_MODEL, load_model
from densenoiser_models.stft import Samples

HOP, RATE = FrameSpec().hop, FrameSpec().sample_rate


def shipped(name: str = DEFAULT_MODEL) -> OnnxDenoiser:
    return OnnxDenoiser(load_model(name), "cpu")


def through(voice: FrameFilter, signal: Any) -> Samples:
    frames = signal.astype(np.float32).reshape(-1, HOP)
    return np.concatenate([voice.process(frame.copy(), np.inf, muted=False)[0].copy() for frame in frames])


TIME = np.arange(RATE) / RATE
HOSTILE = {
    "square wave at full scale": np.sign(np.sin(2 * np.pi * 220.0 * TIME) + 1e-9),
    "square wave at half the rate": np.where(np.arange(RATE) % 2, 1.0, -1.0),
    "DC": np.ones(RATE),
    "NaN": np.full(RATE, np.nan),
    "infinity": np.full(RATE, -np.inf),
    "far beyond full scale": 1e30 * np.sin(2 * np.pi * 50.0 * TIME),
    "denormal": np.full(RATE, 1e-40),
    "single sample": np.eye(1, RATE, 24_000)[0],
}


@pytest.mark.parametrize("name", [DEFAULT_MODEL, LIGHTER_MODEL])
@pytest.mark.parametrize("signal", HOSTILE.values(), ids=HOSTILE.keys())
@np.errstate(over="ignore", invalid="ignore")  # as the engine's thread has it
def test_shipped_models_stay_finite_within_full_scale_and_usable(name: str, signal: Samples) -> None:
    denoiser = shipped(name)
    voice = FrameFilter(denoiser, name, "cpu")
    played = through(voice, signal)
    assert np.isfinite(played).all()
    assert np.abs(played).max() <= 1.0
    buzz = 0.2 * np.sign(np.sin(2 * np.pi * 150.0 * TIME))
    after = through(voice, buzz)
    assert np.isfinite(after).all()
    assert voice.fault is None


def test_clipped_input_is_counted_and_not_amplified() -> None:
    voice = FrameFilter(shipped(), DEFAULT_MODEL, "cpu")
    clipped = np.clip(3.0 * np.sin(2 * np.pi * 200.0 * TIME), -1.0, 1.0)
    played = through(voice, clipped)
    assert voice.meter.clipped_frames == RATE // HOP
    assert np.sqrt(np.mean(played**2)) <= np.sqrt(np.mean(clipped**2))
    through(voice, 0.98 * np.sin(2 * np.pi * 200.0 * TIME))
    assert voice.meter.clipped_frames == RATE // HOP, "loud is not clipped"


def test_state_that_went_bad_is_reset(caplog: pytest.LogCaptureFixture) -> None:
    denoiser = shipped()
    voice = FrameFilter(denoiser, DEFAULT_MODEL, "cpu")
    graph = denoiser._graph
    for states in graph._states:
        poison(states[-1])
    through(voice, 0.1 * np.sin(2 * np.pi * 200.0 * TIME))
    denoiser.recover()  # what the filter does after 5 s, if the mask was spoilt too
    played = through(voice, 0.1 * np.sin(2 * np.pi * 200.0 * TIME))
    assert np.isfinite(played).all()
    assert denoiser.fault is None
    assert all(np.isfinite(state.numpy()).all() for state in graph._states[graph._turn])


def poison(state: ort.OrtValue) -> None:
    state.update_inplace(np.full(state.shape(), np.nan, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_mending_resets_what_is_not_finite(value: float) -> None:
    graph = shipped()._graph
    state = graph._states[graph._turn][-1]
    state.update_inplace(np.full(state.shape(), value, np.float32))
    assert graph.mend()
    assert not state.numpy().any()
    assert not graph.mend()


def test_mending_makes_denormal_state_zero_and_keeps_the_rest() -> None:
    graph = shipped()._graph
    state = graph._states[graph._turn][-1]
    values = np.full(state.shape(), 1e-40, np.float32)
    values[..., 0] = 0.5
    state.update_inplace(values)
    assert not graph.mend()
    assert set(np.unique(state.numpy())) == {np.float32(0.0), np.float32(0.5)}


@pytest.mark.slow
def test_after_five_minutes_of_silence_speech_is_heard() -> None:
    denoiser = shipped(LIGHTER_MODEL)
    voice = FrameFilter(denoiser, LIGHTER_MODEL, "cpu")
    through(voice, np.random.default_rng(0).normal(0, 0.05, RATE))
    silence = np.zeros(HOP, np.float32)
    peak = 0.0
    for number in range(5 * 60 * 100):
        _output, energy = voice.process(silence, np.inf, muted=False)
        peak = max(peak, energy) if number > 100 else peak
    assert peak == 0.0
    states = denoiser._graph._states
    values = np.concatenate([state.numpy().ravel() for state in states[denoiser._graph._turn]])
    assert np.isfinite(values).all()
    vowel = sum(np.sin(2 * np.pi * 120.0 * n * TIME) / n for n in range(1, 30))
    assert np.abs(through(voice, 0.2 * vowel)).max() > 1e-3


def test_the_lighter_model_is_lighter() -> None:
    found = lighter_than(shipped())
    assert found is not None
    assert (found.model, found.provider) == (LIGHTER_MODEL, "cpu")
    assert lighter_than(shipped(LIGHTER_MODEL)) is None
