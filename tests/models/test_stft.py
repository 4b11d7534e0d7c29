"""Streaming analysis and synthesis: perfect reconstruction, the promised delay, no memory growth."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Analysis, Samples, Synthesis, analysis_window, synthesis_window

SPECS = [
    FrameSpec(),
    FrameSpec(fft_size=960),
    FrameSpec(sample_rate=16_000, hop=160, fft_size=512, synthesis_window=320),
    FrameSpec(sample_rate=24_000, hop=120, fft_size=1024, synthesis_window=240),
]


def through(spec: FrameSpec, audio: Samples, analysis: Analysis, synthesis: Synthesis) -> Samples:
    frames = audio.reshape(-1, spec.hop)
    return np.concatenate([synthesis.process(analysis.process(frame)).copy() for frame in frames])


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.hop}-{spec.fft_size}")
@pytest.mark.parametrize("kind", ["noise", "full-scale square", "impulse", "silence"])
def test_reconstruction_is_perfect_and_as_late_as_promised(spec: FrameSpec, kind: str) -> None:
    rng = np.random.default_rng(7)
    length = 60 * spec.hop
    audio = {
        "noise": rng.uniform(-1.0, 1.0, length),
        "full-scale square": np.sign(np.sin(np.arange(length) * 0.05)),
        "impulse": np.eye(1, length, 17 * spec.hop + 3)[0],
        "silence": np.zeros(length),
    }[kind].astype(np.float32)
    output = through(spec, audio, Analysis(spec), Synthesis(spec))
    delay = spec.latency_samples
    assert np.abs(output[:delay]).max() <= 1e-6
    np.testing.assert_allclose(output[delay:], audio[:-delay], atol=1e-6, rtol=0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), level_db=st.floats(-90.0, 0.0), offset=st.floats(-0.9, 0.9))
def test_reconstruction_holds_at_any_level(seed: int, level_db: float, offset: float) -> None:
    spec = FrameSpec()
    scale = 10.0 ** (level_db / 20.0)
    noise = np.random.default_rng(seed).uniform(-1.0, 1.0, 12 * spec.hop)
    audio = (scale * (offset + (1.0 - abs(offset)) * noise)).astype(np.float32)
    output = through(spec, audio, Analysis(spec), Synthesis(spec))
    delay = spec.latency_samples
    np.testing.assert_allclose(output[delay:], audio[:-delay], atol=1e-6 * scale, rtol=0)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.hop}-{spec.fft_size}")
def test_windows_multiply_to_one_hann(spec: FrameSpec) -> None:
    product = analysis_window(spec)[-spec.synthesis_window :].astype(np.float64) * synthesis_window(spec)
    np.testing.assert_allclose(product[: spec.hop] + product[spec.hop :], 1.0, atol=1e-6)
    assert analysis_window(spec).max() <= 1.0
    assert np.isfinite(synthesis_window(spec)).all()


def test_spectrum_is_numpys_unscaled_transform_of_the_newest_samples() -> None:
    spec = FrameSpec()
    audio = np.random.default_rng(3).standard_normal(5 * spec.hop).astype(np.float32)
    analysis = Analysis(spec)
    for frame in audio.reshape(-1, spec.hop):
        spectrum = analysis.process(frame)
    expected = np.fft.rfft(audio[-spec.fft_size :].astype(np.float64) * analysis_window(spec))
    np.testing.assert_allclose(spectrum, expected, atol=1e-5 * np.abs(expected).max())


def test_reset_forgets_everything() -> None:
    spec = FrameSpec()
    rng = np.random.default_rng(5)
    audio = rng.standard_normal(8 * spec.hop).astype(np.float32)
    analysis, synthesis = Analysis(spec), Synthesis(spec)
    fresh = through(spec, audio, analysis, synthesis)
    through(spec, rng.standard_normal(8 * spec.hop).astype(np.float32), analysis, synthesis)
    analysis.reset()
    synthesis.reset()
    np.testing.assert_array_equal(through(spec, audio, analysis, synthesis), fresh)


def test_results_live_in_the_same_memory_every_frame() -> None:
    spec = FrameSpec()
    analysis, synthesis = Analysis(spec), Synthesis(spec)
    frame = np.ones(spec.hop, np.float32)
    first = (analysis.process(frame), synthesis.process(analysis.process(frame)))
    again = (analysis.process(frame), synthesis.process(analysis.process(frame)))
    assert first[0] is again[0]
    assert first[1] is again[1]


def test_frames_leave_no_memory_behind_and_allocate_no_arrays() -> None:
    spec = FrameSpec()
    analysis, synthesis = Analysis(spec), Synthesis(spec)
    frame = np.random.default_rng(1).standard_normal(spec.hop).astype(np.float32)
    tracemalloc.start()
    try:
        for _ in range(50):
            synthesis.process(analysis.process(frame))
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(500):
            synthesis.process(analysis.process(frame))
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1024
    # The smallest array of a frame is the hop itself, 1920 bytes: even one temporary would show.
    assert peak - before < spec.hop * frame.itemsize
