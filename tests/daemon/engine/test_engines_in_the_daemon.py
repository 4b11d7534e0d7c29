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
from densenoiser_daemon.engine.fallback_ladder import TRIP_FRAMES, FallbackLadder, Rung
from densenoiser_daemon.engine.frame_filter import FrameFilter
from densenoiser_daemon.engine.model_loader import lighter_than
from densenoiser_daemon.engine.status_board import StatusBoard
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


def test_a_heavy_engine_has_a_lighter_model_below_it_and_a_light_one_has_none() -> None:
    lighter = lighter_than(engine())
    assert lighter is not None
    assert lighter.model == model_loader.LIGHTER_MODEL
    assert lighter_than(engine(name="webrtc")) is None
