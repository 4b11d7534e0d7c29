"""Tests of when the daemon falls back to a lighter model, and when it returns."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from densenoiser_daemon.engine.fallback_ladder import (
    MOST_QUIET_FRAMES,
    QUIET_FRAMES,
    TRIP_FRAMES,
    WINDOW_FRAMES,
    FallbackLadder,
    Rung,
)
from densenoiser_daemon.engine.frame_filter import FrameFilter
from densenoiser_daemon.status import Fact, ReasonCode
from densenoiser_models.denoiser import Bypass
from densenoiser_models.frame import FrameSpec

HOP = FrameSpec().hop


def rung(name: str, fault: str | None = None) -> Rung:
    return Rung(Bypass(FrameSpec(), fault), name, "cpu")


def ladder() -> FallbackLadder:
    return FallbackLadder(rung("chosen"), rung("lighter"))


def note(steps: FallbackLadder, late: bool, frames: int) -> None:
    for _ in range(frames):
        steps.note(late)


def test_it_goes_down_a_rung_at_a_time_and_says_each_once(caplog: pytest.LogCaptureFixture) -> None:
    steps = ladder()
    with caplog.at_level(logging.WARNING):
        note(steps, True, TRIP_FRAMES - 1)
        assert (steps.rung.model, steps.reason) == ("chosen", Fact())
        note(steps, True, 1)
        assert (steps.rung.model, steps.is_bypass) == ("lighter", False)
        assert steps.reason == Fact(ReasonCode.TOO_SLOW, {"chosen": "chosen", "lighter": "lighter"})
        note(steps, True, 3 * TRIP_FRAMES)
        assert (steps.rung.model, steps.is_bypass) == ("", True)
        note(steps, True, 500)
    assert len(caplog.records) == 2


def test_isolated_stalls_are_no_reason() -> None:
    steps = ladder()
    for _ in range(200):
        note(steps, True, 1)
        note(steps, False, WINDOW_FRAMES // TRIP_FRAMES + 1)
    assert steps.rung.model == "chosen"


def test_a_quiet_time_brings_it_up_again_and_a_late_frame_begins_it_anew() -> None:
    steps = ladder()
    note(steps, True, TRIP_FRAMES)
    note(steps, False, QUIET_FRAMES - 100)
    note(steps, True, 1)
    note(steps, False, QUIET_FRAMES - 1)
    assert steps.rung.model == "lighter"
    note(steps, False, 1)
    assert (steps.rung.model, steps.reason) == ("chosen", Fact())


def test_each_step_up_that_does_not_last_makes_the_next_one_wait_twice_as_long() -> None:
    steps = ladder()
    waits = []
    for _ in range(8):
        while steps.rung.model == "chosen":
            steps.note(late=True)
        waits.append(0)
        while steps.rung.model == "lighter":
            steps.note(late=False)
            waits[-1] += 1
    rounded = [round(wait / QUIET_FRAMES) for wait in waits]
    assert rounded == [1, 2, 4, 8, 16, 32, 32, 32]
    note(steps, False, MOST_QUIET_FRAMES + 1)
    while steps.rung.model == "chosen":
        steps.note(late=True)
    note(steps, False, QUIET_FRAMES + 20)
    assert steps.rung.model == "chosen", "what lasted is trusted again"


def test_a_denoiser_at_fault_has_nothing_below_it() -> None:
    steps = FallbackLadder(rung("", fault="no model"))
    note(steps, True, 500)
    steps.insert(rung("lighter"))
    note(steps, True, 500)
    assert (steps.rung.model, steps.is_bypass, steps.reason) == ("", False, Fact())


def test_a_step_makes_no_click_and_keeps_the_delay() -> None:
    voice = FrameFilter(Bypass(FrameSpec()), "chosen", "cpu")
    voice.use_lighter(rung("lighter"))
    tone = (0.5 * np.sin(2 * np.pi * 440.0 * np.arange(60 * HOP) / 48_000)).astype(np.float32)
    played = []
    for number, frame in enumerate(tone.reshape(-1, HOP)):
        played.append(voice.process(frame.copy(), 0.0, muted=False)[0].copy())
        voice.note_cost(1.0 if number in range(20, 40) else 0.001)
    output = np.concatenate(played)
    delay = FrameSpec().latency_samples
    assert voice.model in ("lighter", "")
    np.testing.assert_allclose(output[delay:], tone[:-delay], atol=1e-6)


def test_a_lighter_model_of_another_frame_is_refused() -> None:
    voice = FrameFilter(Bypass(FrameSpec()), "chosen", "cpu")
    with pytest.raises(ValueError, match="the model short works on frames of"):
        voice.use_lighter(Rung(Bypass(FrameSpec(hop=240, synthesis_window=480)), "short", "cpu"))
