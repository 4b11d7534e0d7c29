"""An engine in a model's place: its own delay is what counts, here and one step down."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.support.delay_filter import Delay
from tests.support.running_engine import HOP, tiny, tone

from densenoiser_daemon.engine import model_loader
from densenoiser_daemon.engine.fallback_ladder import QUIET_FRAMES, TRIP_FRAMES, FallbackLadder, Rung
from densenoiser_daemon.engine.frame_filter import FrameFilter
from densenoiser_daemon.engine.model_loader import lighter_than
from densenoiser_daemon.engine.status_board import StatusBoard
from densenoiser_daemon.status import Fact, ReasonCode
from densenoiser_models.engines import EngineDenoiser

FULL = float("inf")


def engine(delay: int = 1440, name: str = "deepfilternet3") -> EngineDenoiser:
    return EngineDenoiser(Delay(delay), name)


def run(filter: FrameFilter, seconds: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.concatenate(
        [filter.process(frame.copy(), FULL, False)[0].copy() for frame in tone(seconds).reshape(-1, HOP)]
    )


def test_a_change_to_a_filter_of_another_delay_fades_over_and_says_the_new_delay(tmp_path: Path) -> None:
    filter = FrameFilter(tiny(tmp_path, "half", gain=0.5), "half", "cpu")
    board = StatusBoard(filter, 0.072)
    assert board.status.algorithmic_latency_ms == pytest.approx(20.0)
    before = run(filter, 0.3)
    filter.use(Rung(engine(), "deepfilternet3", "cpu"))
    after = run(filter, 0.3)
    assert filter.model == "deepfilternet3"
    steps = np.abs(np.diff(np.concatenate([before[4 * HOP :], after])))
    assert steps.max() <= 1.5 * np.abs(np.diff(before[4 * HOP :])).max(), "no click"
    backend: Any = SimpleNamespace(xruns=0)
    board._publish(backend)
    assert board.status.algorithmic_latency_ms == pytest.approx(40.0)


def test_the_bypass_below_an_engine_delays_as_much() -> None:
    ladder = FallbackLadder(Rung(engine(), "deepfilternet3", "cpu"))
    for _frame in range(TRIP_FRAMES + 10):
        ladder.note(late=True)
    assert ladder.is_bypass
    assert ladder.rung.denoiser.latency_samples == 1440


def test_every_engine_has_a_model_below_it() -> None:
    lighter = lighter_than(engine(name="webrtc"))
    assert lighter is not None
    assert lighter.model == model_loader.LIGHTER_MODEL


def failing(tmp_path: Path) -> tuple[FrameFilter, Delay]:
    """An engine that can be broken, with a model of ours below it that lets a quarter through."""
    delay = Delay(480)
    chosen = Rung(EngineDenoiser(delay, "hush"), "hush", "cpu")
    filter = FrameFilter(chosen.denoiser, "hush", "cpu")
    filter.use(chosen, Rung(tiny(tmp_path, "quarter", gain=0.25), "quarter", "cpu"))
    filter.settle()
    return filter, delay


def test_when_an_engine_fails_a_model_of_ours_takes_over_and_nothing_unfiltered_is_heard(tmp_path: Path) -> None:
    filter, delay = failing(tmp_path)
    assert np.abs(run(filter, 0.3)).max() == pytest.approx(0.125, rel=0.02)
    delay.broken = "raises"
    heard = run(filter, 0.3)
    silent = int(np.flatnonzero(heard)[0])
    assert silent < 0.1 * 48_000
    assert 0.04 < np.abs(heard).max() < 0.07, "about a quarter: neither all of it nor the engine's half"
    assert filter.model == "quarter"
    assert not filter.is_bypassed
    assert filter.reason == Fact(
        ReasonCode.MODEL_REPLACED, {"chosen": "hush", "lighter": "quarter", "error": "hush failed: no more memory"}
    )


def test_an_engine_that_failed_is_tried_again_and_heard_only_if_it_works(tmp_path: Path) -> None:
    filter, delay = failing(tmp_path)
    delay.broken = "raises"
    run(filter, 0.3)
    for _frame in range(QUIET_FRAMES + 20):
        filter.note_cost(0.001)
    heard = run(filter, 0.3)
    assert 0.04 < np.abs(heard[HOP:]).max() < 0.07, "the other goes on without a gap"
    assert 0.04 < np.abs(heard[-HOP:]).max() < 0.07
    assert filter.reason.code == ReasonCode.MODEL_REPLACED
    delay.broken = ""
    for _frame in range(2 * QUIET_FRAMES + 20):
        filter.note_cost(0.001)
    assert np.abs(run(filter, 0.3)[-HOP:]).max() == pytest.approx(0.125, rel=0.02)
    assert (filter.model, filter.reason) == ("hush", Fact())
