"""The Denoiser contract, on every implementation, and what the model's own adds: state, strength, faults."""

from __future__ import annotations

import gc
import math
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from densenoiser_models.denoiser import Bypass, Denoiser, OnnxDenoiser
from densenoiser_models.frame import FrameSpec
from densenoiser_models.model_file import ModelFile
from densenoiser_models.stft import Analysis, Samples
from densenoiser_models.strength import FULL_STRENGTH, mask_floor, parse_strength

MakeModel = Callable[..., ModelFile]
MakeDenoiser = Callable[[], Denoiser]

HOP = FrameSpec().hop


def through(denoiser: Denoiser, audio: Samples) -> Samples:
    frames: list[Samples] = [denoiser.process(frame).copy() for frame in audio.reshape(-1, denoiser.spec.hop)]
    return np.concatenate(frames)


def noise(frames: int, seed: int = 0, level: float = 0.1) -> Samples:
    return (level * np.random.default_rng(seed).standard_normal(frames * HOP)).astype(np.float32)


def sine(frames: int, frequency: float = 440.0, level: float = 0.5) -> Samples:
    phase = 2 * np.pi * frequency / 48_000 * np.arange(frames * HOP)
    return np.asarray(level * np.sin(phase), np.float32)


@pytest.fixture(params=["onnx", "bypass"])
def make_denoiser(request: pytest.FixtureRequest, make_model: MakeModel) -> MakeDenoiser:
    if request.param == "bypass":
        return lambda: Bypass(FrameSpec())
    return lambda: OnnxDenoiser(make_model(gain=0.5, memory=0.9), "cpu")


def test_contract_at_strength_zero_output_is_the_input_late_by_latency_samples(make_denoiser: MakeDenoiser) -> None:
    denoiser = make_denoiser()
    denoiser.strength_db = 0.0
    audio = noise(40)
    output = through(denoiser, audio)
    delay = denoiser.latency_samples
    assert delay == denoiser.spec.latency_samples
    np.testing.assert_allclose(output[:delay], 0.0, atol=1e-6)
    np.testing.assert_allclose(output[delay:], audio[:-delay], atol=1e-6)
    assert denoiser.fault is None


def test_contract_reset_is_a_fresh_start(make_denoiser: MakeDenoiser) -> None:
    denoiser = make_denoiser()
    audio = noise(20, seed=1)
    fresh = through(denoiser, audio)
    through(denoiser, noise(33, seed=2))
    denoiser.reset()
    np.testing.assert_array_equal(through(denoiser, audio), fresh)


def test_contract_frames_keep_shape_dtype_and_leave_the_input_alone(make_denoiser: MakeDenoiser) -> None:
    denoiser = make_denoiser()
    frame = noise(1)
    given = frame.copy()
    output = denoiser.process(frame)
    assert output.shape == (denoiser.spec.hop,)
    assert output.dtype == np.float32
    np.testing.assert_array_equal(frame, given)


def test_contract_silence_stays_silent(make_denoiser: MakeDenoiser) -> None:
    assert not through(make_denoiser(), np.zeros(10 * HOP, np.float32)).any()


def test_contract_a_frame_allocates_no_arrays(make_denoiser: MakeDenoiser) -> None:
    denoiser = make_denoiser()
    frame = noise(1)
    tracemalloc.start()
    try:
        for _ in range(500):
            denoiser.process(frame)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(1000):
            denoiser.process(frame)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1024
    # The smallest array of a frame is the hop itself: even one temporary would show.
    assert peak - before < HOP * frame.itemsize


def test_the_models_mask_and_state_are_what_its_arithmetic_says(make_model: MakeModel) -> None:
    denoiser = OnnxDenoiser(make_model(gain=0.8, memory=0.9), "cpu")
    audio = noise(30)
    output = through(denoiser, audio)
    analysis, level, gains = Analysis(FrameSpec()), 0.0, []
    for frame in audio.reshape(-1, HOP):
        spectrum = analysis.process(frame).view(np.float32)
        level = 0.9 * level + 0.1 * float(np.abs(spectrum).mean())
        gains.append(0.8 / (1.0 + level))
    # With one gain for all bins, overlap-add fades from one frame's gain to the next along the squared-sine window.
    fade = 0.5 - 0.5 * np.cos(np.pi * np.arange(HOP) / HOP)
    for index in range(1, 30):
        gain = gains[index - 1] * (1.0 - fade) + gains[index] * fade
        expected = gain * audio[(index - 1) * HOP : index * HOP]
        np.testing.assert_allclose(output[index * HOP : (index + 1) * HOP], expected, atol=2e-6)


def test_two_denoisers_share_no_state(make_model: MakeModel) -> None:
    model = make_model(memory=0.95)
    audio = noise(20)
    alone = through(OnnxDenoiser(model, "cpu"), audio)
    first, second = OnnxDenoiser(model, "cpu"), OnnxDenoiser(model, "cpu")
    mixed = []
    for frame, other in zip(audio.reshape(-1, HOP), noise(20, seed=9).reshape(-1, HOP), strict=True):
        mixed.append(first.process(frame).copy())
        second.process(other)
    np.testing.assert_array_equal(np.concatenate(mixed), alone)


@pytest.fixture
def small_heap() -> Iterator[None]:
    """What was there before the test is not searched: 0.1 s a collection, where torch is loaded."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("small_heap")
def test_state_tensors_outlive_garbage_collection(make_model: MakeModel) -> None:
    denoiser = OnnxDenoiser(make_model(memory=0.99), "cpu")
    audio = noise(50)
    expected = through(OnnxDenoiser(make_model(memory=0.99), "cpu"), audio)
    output = []
    for frame in audio.reshape(-1, HOP):
        output.append(denoiser.process(frame).copy())
        gc.collect()
        # Where freed memory would be reused first.
        _ = [np.full(n, np.nan, np.float32) for n in (4, 16, 64, 1538)]
    np.testing.assert_array_equal(np.concatenate(output), expected)


@pytest.mark.parametrize("strength_db", [1.0, 6.0, 12.0, 40.0])
def test_strength_is_the_most_attenuation_in_db(make_model: MakeModel, strength_db: float) -> None:
    denoiser = OnnxDenoiser(make_model(gain=0.0), "cpu", strength_db)
    audio = noise(60)
    output = through(denoiser, audio)[HOP:]
    attenuation = 20 * math.log10(np.linalg.norm(audio[:-HOP]) / np.linalg.norm(output))
    assert attenuation == pytest.approx(strength_db, abs=0.05)


def test_full_strength_is_the_models_own_mask(make_model: MakeModel) -> None:
    assert not through(OnnxDenoiser(make_model(gain=0.0), "cpu", FULL_STRENGTH), noise(10)).any()


@pytest.mark.parametrize("strength_db", [-0.1, -math.inf, math.nan])
def test_impossible_strength_is_refused_and_changes_nothing(make_model: MakeModel, strength_db: float) -> None:
    denoiser = OnnxDenoiser(make_model(), "cpu", 6.0)
    with pytest.raises(ValueError, match="a number of dB from 0 up"):
        denoiser.strength_db = strength_db
    assert denoiser.strength_db == 6.0
    assert mask_floor(0.0) == 1.0


@pytest.mark.parametrize(("text", "strength_db"), [("full", math.inf), ("0", 0.0), ("12 dB", 12.0), (" 7.5dB ", 7.5)])
def test_strength_is_read_as_people_type_it(text: str, strength_db: float) -> None:
    assert parse_strength(text) == strength_db


@pytest.mark.parametrize("text", ["", "loud", "-3", "nan", "12 dBFS"])
def test_strength_that_is_none_says_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r'"full" or a number of dB'):
        parse_strength(text)


def largest_step(audio: Samples) -> float:
    return float(np.abs(np.diff(audio)).max())


def test_switching_strength_does_not_click(make_model: MakeModel) -> None:
    denoiser = OnnxDenoiser(make_model(gain=0.1), "cpu")
    audio = sine(60)
    output = []
    for index, frame in enumerate(audio.reshape(-1, HOP)):
        denoiser.strength_db = 0.0 if index % 10 >= 5 else FULL_STRENGTH
        output.append(denoiser.process(frame).copy())
    assert largest_step(np.concatenate(output)) <= 1.01 * largest_step(audio)


@pytest.mark.parametrize(("fault", "complaint"), [("nan_above", "not finite"), ("fail_above", "the model failed")])
def test_a_fault_passes_through_at_the_same_latency_without_a_click(
    make_model: MakeModel, fault: str, complaint: str
) -> None:
    denoiser = OnnxDenoiser(make_model(gain=0.2, **{fault: 100.0}), "cpu")
    audio = np.concatenate([sine(30, level=0.1), sine(30, level=0.4)])
    output = through(denoiser, audio)
    assert denoiser.fault is not None
    assert complaint in denoiser.fault
    assert np.linalg.norm(output[10 * HOP : 29 * HOP]) < 0.25 * np.linalg.norm(audio[10 * HOP : 29 * HOP])
    # From the fault's frame on the input passes, as late as ever; one frame is the cross-fade.
    np.testing.assert_allclose(output[33 * HOP :], audio[32 * HOP : -HOP], atol=1e-6)
    assert largest_step(output) <= 1.01 * largest_step(audio)


def test_reset_clears_a_fault_and_its_poisoned_state(make_model: MakeModel) -> None:
    denoiser = OnnxDenoiser(make_model(gain=0.2, memory=0.9, nan_above=100.0), "cpu")
    quiet = sine(20, level=0.01)
    expected = through(denoiser, quiet)
    denoiser.reset()
    through(denoiser, sine(20, level=0.9))
    assert denoiser.fault is not None
    denoiser.reset()
    assert denoiser.fault is None
    np.testing.assert_array_equal(through(denoiser, quiet), expected)


def test_nan_from_the_microphone_is_gone_after_a_reset(make_model: MakeModel) -> None:
    denoiser = OnnxDenoiser(make_model(memory=0.9), "cpu")
    quiet = sine(20, level=0.01)
    expected = through(denoiser, quiet)
    with np.errstate(invalid="ignore"):
        denoiser.process(np.full(HOP, np.nan, np.float32))
    assert denoiser.fault is not None
    denoiser.reset()
    np.testing.assert_array_equal(through(denoiser, quiet), expected)
