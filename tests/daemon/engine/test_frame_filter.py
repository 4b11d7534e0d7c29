"""The frame filter: from a captured frame to the one that is heard, whatever is switched or broken meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.running_engine import DELAY, HOP, largest_step, tiny, tone
from tests.support.tiny_model import write_tiny_model

from densenoiser_daemon.engine.fallback_ladder import TRIP_FRAMES, Rung
from densenoiser_daemon.engine.frame_filter import FrameFilter
from densenoiser_daemon.status import ReasonCode
from densenoiser_models.denoiser import OnnxDenoiser
from densenoiser_models.model_file import load_model
from densenoiser_models.stft import Samples

FULL = float("inf")


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def quarter(folder: Path, **model: Any) -> OnnxDenoiser:
    """A denoiser that lets a quarter of the amplitude through."""
    return tiny(folder, "quarter", gain=0.25, **model)


def run(filter: FrameFilter, sound: Samples, strength_db: float = FULL, muted: bool = False) -> Samples:
    frames = sound.reshape(-1, HOP)
    return np.concatenate([filter.process(frame.copy(), strength_db, muted)[0].copy() for frame in frames])


def peak(sound: Samples) -> float:
    return float(np.abs(sound[-4 * HOP :]).max())


def test_strength_zero_passes_everything_at_the_same_delay(tmp_path: Path, clock: Clock) -> None:
    sound = tone(0.5)
    heard = run(FrameFilter(quarter(tmp_path), "quarter", "cpu", clock), sound, strength_db=0.0)
    np.testing.assert_allclose(heard[DELAY:], sound[: len(sound) - DELAY], atol=1e-4)


def test_mute_is_silence_one_frame_later_and_makes_no_click(tmp_path: Path, clock: Clock) -> None:
    filter, sound = FrameFilter(quarter(tmp_path), "quarter", "cpu", clock), tone(0.3)
    before = run(filter, sound)
    muted = run(filter, sound, muted=True)
    assert largest_step(np.concatenate([before, muted])) <= 1.2 * largest_step(before)
    assert not muted[HOP:].any()
    again = run(filter, sound)
    assert peak(again) == pytest.approx(peak(before), rel=0.05)


def test_another_model_takes_over_without_a_click(tmp_path: Path, clock: Clock) -> None:
    filter, sound = FrameFilter(quarter(tmp_path), "quarter", "cpu", clock), tone(0.5)
    before = run(filter, sound)
    filter.use(Rung(tiny(tmp_path, "whole", gain=1.0), "whole", "cpu"))
    after = run(filter, sound)
    assert filter.model == "whole"
    assert peak(after) > 2 * peak(before)
    assert largest_step(np.concatenate([before, after])) <= 1.3 * largest_step(after)


def test_a_model_of_other_frames_is_refused(tmp_path: Path, clock: Clock) -> None:
    filter = FrameFilter(quarter(tmp_path), "quarter", "cpu", clock)
    other = OnnxDenoiser(load_model(str(write_tiny_model(tmp_path, "other", hop=240))), "cpu")
    with pytest.raises(ValueError, match="other"):
        filter.use(Rung(other, "other", "cpu"))
    with pytest.raises(ValueError, match="other"):
        filter.use_lighter(Rung(other, "other", "cpu"))
    assert filter.model == "quarter"


def test_a_fault_is_a_bypass_that_is_tried_again_and_forgotten_when_it_lasts(tmp_path: Path, clock: Clock) -> None:
    filter = FrameFilter(quarter(tmp_path, fail_above=50.0), "quarter", "cpu", clock)
    soft, loud = tone(0.2, 0.05), tone(0.2, 0.9)
    run(filter, soft)
    assert not filter.is_bypassed
    heard = run(filter, loud)
    assert filter.is_bypassed
    assert filter.reason.code == ReasonCode.MODEL_FAILED
    assert peak(heard) == pytest.approx(0.9, abs=0.01)
    run(filter, soft)
    assert filter.is_bypassed  # it is not asked again at once
    clock.now = 6.0
    run(filter, soft)
    assert filter.is_bypassed  # on probation
    clock.now = 8.0
    run(filter, soft)
    assert not filter.is_bypassed


def test_a_broken_frame_is_mended_and_the_next_ones_are_clean(tmp_path: Path, clock: Clock) -> None:
    filter, sound = FrameFilter(quarter(tmp_path), "quarter", "cpu", clock), tone(0.3)
    broken = sound.copy()
    broken[2 * HOP : 2 * HOP + 4] = np.nan, np.inf, -np.inf, 1e30
    with np.errstate(over="ignore", invalid="ignore"):
        heard = run(filter, broken)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 1.0
    assert filter.fault is None


def test_frames_that_are_late_again_and_again_mean_a_step_down(tmp_path: Path, clock: Clock) -> None:
    filter, sound = FrameFilter(quarter(tmp_path), "quarter", "cpu", clock), tone(0.5)
    run(filter, sound)
    for _ in range(10 + TRIP_FRAMES):
        assert filter.note_cost(0.02)
    run(filter, sound)
    assert filter.is_bypassed
    assert filter.reason.code == ReasonCode.TOO_SLOW_FOR_ANY_MODEL
    assert not filter.note_cost(0.001)


def test_a_reset_forgets_the_sound_before_it(tmp_path: Path, clock: Clock) -> None:
    filter = FrameFilter(quarter(tmp_path), "quarter", "cpu", clock)
    run(filter, tone(0.2, 0.9))
    filter.reset()
    assert not run(filter, np.zeros(10 * HOP, np.float32)).any()
