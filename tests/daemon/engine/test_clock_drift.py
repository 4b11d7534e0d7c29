"""The delay between two clocks, held on a simulated queue; and what a corrected frame sounds like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from densenoiser_daemon.engine.clock_drift import MAX_CORRECTION, DriftController, stretch

RATE, HOP = 48_000, 480
TARGET, CEILING = 0.005, 0.060
BLOCK = 1024
"""What the simulated server takes at a time: no multiple of a frame, as real ones."""


class Queue:
    """A playback queue: frames arrive by the microphone's clock, the sink takes blocks by its own.

    As with the real one, an underrun is followed by silence until 20 ms are queued again.
    """

    def __init__(self, drift_ppm: float, seed: int = 0) -> None:
        self.controller = DriftController(RATE, HOP, TARGET, CEILING)
        self.rng = np.random.default_rng(seed)
        self.step = HOP * (1.0 - drift_ppm * 1e-6)  # samples that the sink plays between two frames
        self.level = 960.0
        self.owed = 0.0
        self.playing = True
        self.underruns = 0
        self.dropped = 0
        self.latencies: list[float] = []

    def run(self, seconds: float, rms: float = 0.0, burst: int = 1) -> None:
        """``burst``: how many frames arrive together."""
        for _ in range(round(seconds * RATE / HOP / burst)):
            for _ in range(burst):
                self._play()
            latency = max(0.0, self.level + self.rng.normal(0.0, 10.0)) / RATE
            late = self.controller.frames_to_drop(latency, burst)
            self.dropped += late
            for _ in range(burst - late):
                self.latencies.append(self.level / RATE)
                self.level += HOP - self.controller.correction(latency, rms)
                latency += HOP / RATE
            self.playing = self.playing or self.level >= 960

    def stall(self, seconds: float) -> None:
        """Nothing arrives while the sink plays on."""
        for _ in range(round(seconds * RATE / HOP)):
            self._play()

    def flood(self, seconds: float) -> None:
        """The sink stands still."""
        self.level += seconds * RATE

    def _play(self) -> None:
        if not self.playing:
            return
        self.owed += self.step
        while self.owed >= BLOCK:
            self.owed -= BLOCK
            if self.level < BLOCK:
                self.underruns += 1
                self.playing = False
                self.controller.note_underrun()
                return
            self.level -= BLOCK

    def lowest(self, seconds: float) -> float:
        return min(self.latencies[-round(seconds * RATE / HOP) :])

    def highest(self, seconds: float) -> float:
        return max(self.latencies[-round(seconds * RATE / HOP) :])


@pytest.mark.parametrize("rms", [0.0, 0.1], ids=["quiet", "loud"])
@pytest.mark.parametrize("ppm", [-300.0, 0.0, 300.0])
def test_drifting_clocks_never_make_the_delay_grow(ppm: float, rms: float) -> None:
    queue = Queue(ppm)
    queue.run(60.0, rms)
    first, underruns = queue.highest(20.0), queue.underruns
    queue.run(240.0, rms)
    assert queue.highest(20.0) <= first + 0.002
    assert queue.highest(280.0) < CEILING
    assert queue.underruns - underruns <= 2
    assert queue.dropped == 0


def test_without_the_controller_the_simulated_delay_does_grow() -> None:
    queue = Queue(300.0)
    queue.controller.correction = lambda latency, rms: 0  # type: ignore[method-assign]
    queue.run(60.0)
    assert queue.highest(1.0) > queue.highest(61.0) - 0.003 > 0.030


@pytest.mark.parametrize("start", [0.0, 0.045], ids=["too little", "too much"])
def test_the_low_water_mark_converges_to_the_target(start: float) -> None:
    queue = Queue(100.0)
    queue.level += start * RATE
    queue.run(30.0)
    assert -0.0008 < queue.lowest(3.0) - queue.controller.target < 0.0025


def test_a_target_that_an_underrun_raised_is_followed() -> None:
    queue = Queue(0.0)
    queue.run(10.0)
    before = queue.lowest(3.0)
    queue.controller.note_underrun()
    queue.run(10.0)
    assert queue.lowest(3.0) > before + 0.001


def test_bursts_do_not_underrun_once_learned() -> None:
    queue = Queue(50.0)
    queue.run(60.0, burst=3)
    learned = queue.underruns
    queue.run(20.0, burst=3)
    assert queue.underruns - learned <= 1
    assert queue.highest(60.0) < CEILING


def test_a_stall_costs_one_underrun_and_no_lasting_delay() -> None:
    queue = Queue(0.0)
    queue.run(20.0)
    before, underruns = queue.highest(5.0), queue.underruns
    queue.stall(0.3)
    queue.run(180.0)
    assert queue.underruns - underruns <= 2
    assert queue.highest(5.0) < before + 0.004


def test_a_queue_far_above_the_ceiling_comes_back_at_once() -> None:
    queue = Queue(0.0)
    queue.run(10.0)
    queue.flood(0.5)
    queue.run(1.0)
    assert queue.highest(0.3) < CEILING
    assert 40 <= queue.dropped <= 52


def test_the_target_rises_with_underruns_within_half_the_ceiling_and_sinks_in_calm() -> None:
    controller = DriftController(RATE, HOP, TARGET, CEILING)
    controller.note_underrun()
    assert controller.target == TARGET, "underruns while the streams settle mean nothing"
    for _ in range(100):
        controller.correction(0.02, 0.0)
    for _ in range(50):
        controller.note_underrun()
    assert controller.target == CEILING / 2
    for _ in range(15 * 60 * 100):
        controller.correction(controller.target, 0.0)
    assert controller.target == TARGET


def seconds_until_it_sinks(controller: DriftController) -> float:
    before, frames = controller.target, 0
    while controller.target == before:
        controller.correction(before, 0.0)
        frames += 1
    return frames / 100


def test_a_target_that_keeps_proving_too_short_is_tried_ever_more_rarely_up_to_a_bound() -> None:
    controller = DriftController(RATE, HOP, TARGET, CEILING)
    for _ in range(100):
        controller.correction(0.02, 0.0)
    waits = []
    for _ in range(6):
        controller.note_underrun()
        waits.append(round(seconds_until_it_sinks(controller)))
    assert waits == [20, 40, 80, 160, 160, 160]
    assert [round(seconds_until_it_sinks(controller)) for _ in range(5)] == [80, 40, 20, 10, 10]
    controller.note_underrun()
    assert round(seconds_until_it_sinks(controller)) == 160, "what was learnt is kept"


def test_what_was_learnt_is_kept_at_the_shortest_target_until_it_has_long_been_calm() -> None:
    controller = DriftController(RATE, HOP, TARGET, CEILING)
    for _ in range(100):
        controller.correction(0.02, 0.0)
    for _ in range(4):
        controller.note_underrun()
    while controller.target > TARGET:
        seconds_until_it_sinks(controller)
    controller.note_underrun()
    assert round(seconds_until_it_sinks(controller)) == 160
    while controller.target > TARGET:
        seconds_until_it_sinks(controller)
    for _ in range(4 * 160 * 100 + 100):
        controller.correction(TARGET, 0.0)
    controller.note_underrun()
    assert round(seconds_until_it_sinks(controller)) == 20


def deliver(controller: DriftController, begin: float, blocks: int) -> float:
    """``blocks`` of 10 ms as a server delivers them that works in blocks of 5.33 ms; the moment after the last, s."""
    quantum = 256 / RATE
    for block in range(1, blocks + 1):
        controller.note_capture(begin + np.ceil(block * HOP / RATE / quantum) * quantum, HOP)
        controller.correction(0.02, 0.0)
    return begin + blocks * HOP / RATE


@pytest.mark.parametrize("lost", [0.011, 0.05])
def test_an_underrun_because_the_microphone_lost_audio_does_not_raise_the_target(lost: float) -> None:
    controller = DriftController(RATE, HOP, TARGET, CEILING)
    moment = deliver(controller, 100.0, 150)
    deliver(controller, moment + lost, 3)
    controller.note_underrun()
    assert controller.target == TARGET


def test_an_underrun_because_audio_came_late_raises_the_target() -> None:
    controller = DriftController(RATE, HOP, TARGET, CEILING)
    moment = deliver(controller, 100.0, 150)
    controller.note_capture(moment + 0.03, 3 * HOP)
    controller.note_underrun()
    assert controller.target > TARGET


def test_an_underrun_long_after_a_loss_raises_the_target() -> None:
    controller = DriftController(RATE, HOP, TARGET, CEILING)
    moment = deliver(controller, 100.0, 150)
    deliver(controller, moment + 0.05, 200)
    controller.note_underrun()
    assert controller.target > TARGET


def test_reset_keeps_the_learned_target() -> None:
    controller = DriftController(RATE, HOP, TARGET, CEILING)
    for _ in range(100):
        controller.correction(0.02, 0.0)
    controller.note_underrun()
    learned = controller.target
    controller.reset()
    assert controller.target == learned > TARGET


@given(latency=st.floats(0.0, 0.5), waiting=st.integers(0, 60))
def test_frames_are_dropped_only_above_the_ceiling_and_never_more_than_wait(latency: float, waiting: int) -> None:
    dropped = DriftController(RATE, HOP, TARGET, CEILING).frames_to_drop(latency, waiting)
    newest = latency + (waiting - 1) * HOP / RATE
    assert 0 <= dropped <= waiting
    if newest <= CEILING:
        assert dropped == 0
    elif waiting:
        assert dropped > 0
        assert latency + (waiting - dropped - 1) * HOP / RATE <= max(TARGET + 1e-9, latency - HOP / RATE + 1e-9)


@settings(max_examples=40)
@given(levels=st.lists(st.floats(0.0, 0.3), min_size=60, max_size=400), loud=st.booleans())
def test_a_correction_is_small_and_single_samples_where_it_is_loud(levels: list[float], loud: bool) -> None:
    controller = DriftController(RATE, HOP, TARGET, CEILING)
    for level in levels:
        assert abs(controller.correction(level, 0.1 if loud else 0.0)) <= (1 if loud else MAX_CORRECTION)


corrections = st.integers(-MAX_CORRECTION, MAX_CORRECTION)


@given(lost=corrections, seed=st.integers(0, 1000))
def test_a_stretched_frame_has_the_wanted_length_and_the_same_ends(lost: int, seed: int) -> None:
    frame = np.random.default_rng(seed).uniform(-1, 1, HOP).astype(np.float32)
    stretched = stretch(frame, lost)
    assert stretched.shape == (HOP - lost,)
    assert stretched.dtype == np.float32
    assert stretched.flags.c_contiguous
    assert stretched[0] == frame[0]
    assert stretched[-1] == pytest.approx(frame[-1], abs=1e-6)
    assert np.abs(stretched).max() <= np.abs(frame).max() + 1e-6


@given(lost=corrections, frequency=st.floats(20.0, 8000.0), phase=st.floats(0.0, 6.3))
def test_a_stretched_tone_steps_no_more_than_the_tone(lost: int, frequency: float, phase: float) -> None:
    frame = np.sin(2 * np.pi * frequency * np.arange(HOP) / RATE + phase).astype(np.float32)
    largest = 2 * np.sin(np.pi * frequency / RATE)
    assert np.abs(np.diff(stretch(frame, lost))).max() <= largest + 2.0 / HOP * min(1.0, abs(lost) * largest) + 1e-5


def test_a_frame_that_loses_nothing_is_the_frame() -> None:
    frame = np.ones(HOP, np.float32)
    assert stretch(frame, 0) is frame


def test_a_system_that_asks_for_less_gets_it_back_after_an_underrun() -> None:
    control = DriftController(RATE, HOP, 0.008, 0.060)
    control.aim_at(0.004)
    assert control.target == 0.004
    for _ in range(100):
        control.correction(0.010, 0.1)
    control.note_underrun()
    assert control.target == pytest.approx(0.006)
    for _ in range(4000):
        control.correction(0.010, 0.1)
    assert control.target == pytest.approx(0.004)
