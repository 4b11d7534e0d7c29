"""Hours of audio in seconds: two clocks apart, a machine that stalls, a filter that is late now and then."""

from __future__ import annotations

import pytest
from tests.tools.accelerated_soak import Clock, Costly, SimulatedBackend, run, soak

from densenoiser_daemon.status import Fact, State
from densenoiser_models.frame import FrameSpec

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("drift_ppm", [300.0, -300.0])
def test_half_an_hour_on_a_machine_that_stalls(drift_ppm: float) -> None:
    outcome = soak(1800.0, drift_ppm)
    counters = outcome.status.counters
    assert counters.frames > 0.98 * 180_000
    assert counters.dropped_frames > 0, "some stalls are longer than the queue"
    assert outcome.backend.highest * 1e3 <= outcome.status.latency_ceiling_ms
    assert 0 <= outcome.unaccounted < FrameSpec().hop, "no sample is lost uncounted"
    assert abs(outcome.quarter(3) - outcome.quarter(0)) < 0.010
    assert outcome.memory_last - outcome.memory_first < 8 * 2**20
    assert {status.model for status in outcome.changes} == {"chosen"}, "stalls are no reason to step down"


@pytest.mark.parametrize("drift_ppm", [300.0, -300.0])
def test_a_quiet_machine_drops_nothing_and_keeps_a_short_queue(drift_ppm: float) -> None:
    clock = Clock()
    outcome = run(clock, Costly(clock, lambda now: 0.001), SimulatedBackend(clock, 600.0, drift_ppm, stalls=0.0))
    assert outcome.status.counters.dropped_frames == outcome.status.counters.deadline_misses == 0
    assert outcome.quarter(3) < 0.030
    assert abs(outcome.quarter(3) - outcome.quarter(1)) < 0.003


def busy(cost: float, since: float = 10.0, until: float = 25.0) -> Costly:
    """A filter that takes ``cost`` seconds a frame while the machine is busy, and 1 ms before and after."""
    clock = Clock()
    return Costly(clock, lambda now: cost if since <= now < until else 0.001)


@pytest.mark.parametrize("cost", [0.012, 0.050])
def test_a_lighter_model_stands_in_while_the_machine_is_busy(cost: float, caplog: pytest.LogCaptureFixture) -> None:
    chosen = busy(cost)
    clock = chosen.clock
    outcome = run(clock, chosen, SimulatedBackend(clock, 60.0, 0.0, 0.0), Costly(clock, lambda now: 0.004))
    seen = [(s.state, s.model, bool(s.reason)) for s in outcome.changes]
    lighter, back = seen.index((State.RUNNING, "lighter", True)), seen[-1]
    assert State.BYPASSED not in {state for state, _model, _reason in seen}
    assert lighter < len(seen) - 1
    assert back == (State.RUNNING, "chosen", False)
    assert outcome.backend.highest * 1e3 <= outcome.status.latency_ceiling_ms
    # It trips after 10 late frames; a step up in the midst of the load may cost as many again.
    assert 10 <= outcome.status.counters.deadline_misses <= 60
    assert len([r for r in caplog.records if "the machine is too slow now" in r.message]) <= 3


def test_without_a_model_that_is_fast_enough_it_passes_through_and_says_so() -> None:
    chosen = busy(0.030, until=18.0)
    clock = chosen.clock
    lighter = Costly(clock, lambda now: 0.020 if 10.0 <= now < 18.0 else 0.001)
    outcome = run(clock, chosen, SimulatedBackend(clock, 90.0, 0.0, 0.0), lighter)
    seen = [(s.state, s.model) for s in outcome.changes]
    assert seen.index((State.RUNNING, "lighter")) < seen.index((State.BYPASSED, ""))
    assert all(status.reason for status in outcome.changes if status.state is State.BYPASSED)
    last = outcome.changes[-1]
    assert (last.state, last.model, last.reason) == (State.RUNNING, "chosen", Fact())


def test_counters_are_published_while_nearly_every_frame_is_dropped() -> None:
    """A filter that takes a second for a frame: what the status says keeps up with what was captured."""
    clock = Clock()
    backend = SimulatedBackend(clock, 9.0, 0.0, 0.0)
    outcome = run(clock, Costly(clock, lambda now: 1.0), backend)
    counters = outcome.status.counters
    assert counters.dropped_frames > 600
    assert 0 <= outcome.unaccounted < FrameSpec().hop
