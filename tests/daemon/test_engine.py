"""The engine on a backend whose samples and clock are faked: what is heard whatever happens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.daemon.conftest import wait_until
from tests.daemon.fake_backend import HEADSET, RATE, WEBCAM, FakeBackend
from tests.daemon.tiny_model import write_tiny_model

from densenoiser_daemon import engine as engine_module
from densenoiser_daemon import frame_filter
from densenoiser_daemon.engine import LATENCY_CEILING_SECONDS, Engine
from densenoiser_daemon.errors import BackendError, DeviceError
from densenoiser_daemon.settings import Settings
from densenoiser_daemon.status import State, Status
from densenoiser_models.denoiser import Bypass, Denoiser, OnnxDenoiser
from densenoiser_models.frame import FrameSpec
from densenoiser_models.model_file import load_model
from densenoiser_models.stft import Samples

HOP = FrameSpec().hop
DELAY = FrameSpec().latency_samples


class Running:
    """An engine on its thread, with its fake backends and the states that it announced."""

    def __init__(self, denoiser: Denoiser, settings: Settings, *backends: FakeBackend) -> None:
        self.backend = backends[0]
        self.unused = list(backends)
        self.changes: list[Status] = []
        self.engine = Engine(self._next, denoiser, settings, self._note, model="tiny", provider="cpu")
        self.died: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _next(self) -> FakeBackend:
        self.backend = self.unused.pop(0) if len(self.unused) > 1 else self.unused[0]
        return self.backend

    def _note(self) -> None:
        self.changes.append(self.engine.status)

    def _run(self) -> None:
        try:
            self.engine.run()
        except Exception as error:
            self.died = error

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.quit()
        self._thread.join(10.0)
        assert not self._thread.is_alive()
        if self.died is not None:
            raise self.died

    def await_state(self, state: State, seconds: float = 5.0) -> Status:
        wait_until(lambda: self.engine.status.state is state, seconds, f"{state}, not {self.engine.status}")
        return self.engine.status

    def say(self, signal: Samples, block: int = HOP) -> Samples:
        """``signal`` through the engine, ``block`` samples at a time; what was played meanwhile."""
        self.await_state(self.engine.status.state)
        before = len(self.backend.output)
        for start in range(0, len(signal), block):
            self.backend.hear(signal[start : start + block])
        return self.backend.output[before:]

    def states(self) -> list[State]:
        """The announced states, repetitions left out."""
        found: list[State] = []
        for status in self.changes:
            if not found or found[-1] is not status.state:
                found.append(status.state)
        return found


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an engine; ``model`` are options of the tiny model, ``denoiser`` stands in for it."""
    stack: list[Running] = []

    def begin(
        *backends: FakeBackend, settings: Settings | None = None, denoiser: Denoiser | None = None, **model: Any
    ) -> Running:
        chosen = denoiser or tiny(tmp_path, "tiny", **model)
        running = Running(chosen, settings or Settings(), *(backends or (FakeBackend(),)))
        stack.append(running.__enter__())
        if not backends:
            running.await_state(State.BYPASSED if chosen.fault else State.RUNNING)
        return running

    yield begin
    for running in stack:
        running.__exit__()


def tiny(folder: Path, name: str = "tiny", **model: Any) -> OnnxDenoiser:
    return OnnxDenoiser(load_model(str(write_tiny_model(folder, name, **model))), "cpu")


def tone(seconds: float, amplitude: float = 0.25, frequency: float = 440.0) -> Samples:
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def largest_step(signal: Samples) -> float:
    return float(np.abs(np.diff(signal)).max())


def fit(value: Samples) -> bool:
    return bool(np.isfinite(value).all() and (np.abs(value) <= 1.0).all())


# -- what comes out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [HOP, 1, 333, 1024, 4801])
def test_blocks_of_any_length_come_out_whole_and_in_order(start: Start, block: int) -> None:
    running = start(settings=Settings(strength_db=0.0))
    running.backend.playback_latency = None
    signal = tone(0.1 if block == 1 else 0.5)
    played = running.say(signal, block)
    assert len(played) == len(signal) // HOP * HOP
    np.testing.assert_allclose(played[DELAY:], signal[: len(played) - DELAY], atol=1e-5)


def test_filtered_speech_has_the_models_gain(start: Start) -> None:
    running = start(gain=0.5)
    running.backend.playback_latency = None
    quiet = tone(0.3, amplitude=1e-4)
    played = running.say(quiet)
    np.testing.assert_allclose(played[4 * HOP :], 0.5 * quiet[4 * HOP - DELAY : -DELAY], atol=2e-6)


def test_off_passes_the_microphone_at_the_same_delay(start: Start) -> None:
    running = start(settings=Settings(enabled=False), gain=0.1)
    running.backend.playback_latency = None
    signal = tone(0.2)
    np.testing.assert_allclose(running.say(signal)[DELAY:], signal[:-DELAY], atol=1e-5)


def test_strength_of_the_microphone_in_use_is_in_force(start: Start) -> None:
    running = start(settings=Settings(strength_db=0.0, microphone_strengths={HEADSET.name: 20.0}), gain=0.0)
    running.backend.playback_latency = None
    signal = tone(0.3)
    played = running.say(signal)
    np.testing.assert_allclose(played[4 * HOP :], 0.1 * signal[4 * HOP - DELAY : -DELAY], atol=1e-5)


HOSTILE = {
    "NaN": np.full(HOP, np.nan),
    "infinity": np.full(HOP, np.inf),
    "minus infinity": np.full(HOP, -np.inf),
    "one NaN": np.where(np.arange(HOP) == 7, np.nan, 0.1),
    "full scale": np.where(np.arange(HOP) % 2, 1.0, -1.0),
    "far beyond full scale": np.where(np.arange(HOP) % 100 < 50, 1e6, -1e6),
    "largest float": np.full(HOP, 3e38),
    "DC": np.ones(HOP),
    "denormal": np.full(HOP, 1e-40),
    "silence": np.zeros(HOP),
}


@pytest.mark.parametrize("block", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_samples_come_out_finite_within_full_scale_and_pass(start: Start, block: Samples) -> None:
    running = start()
    assert fit(running.say(np.tile(block, 5)))
    after = running.say(tone(0.2))
    assert fit(after)
    assert np.abs(after[6 * HOP :]).max() > 1e-3, "speech is heard again"
    assert running.engine.status.state is State.RUNNING


@hypothesis_settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    seed=st.integers(0, 9999),
    scale=st.sampled_from([1e-42, 1e-3, 1.0, 1e3, 1e10, 1e38]),
    sizes=st.lists(st.integers(0, 1500), min_size=1, max_size=6),
    hole=st.sampled_from([np.nan, np.inf, -np.inf, 0.0]),
)
def test_whatever_is_captured_the_output_is_fit_to_be_heard(
    seed: int, scale: float, sizes: list[int], hole: float
) -> None:
    rng = np.random.default_rng(seed)
    backend = FakeBackend()
    with Running(Bypass(FrameSpec()), Settings(), backend) as running, np.errstate(over="ignore"):
        running.await_state(State.RUNNING)
        for size in sizes:
            block = rng.normal(0, 1, size).astype(np.float32) * np.float32(scale)
            block[rng.random(size) < 0.01] = hole
            backend.hear(block)
    assert fit(backend.output)
    assert abs(len(backend.output) - sum(sizes) // HOP * HOP) <= 4 * len(backend.played)


# -- switches ------------------------------------------------------------------------------------------------------


def switched(running: Running, settings: Settings, frames: int = 30) -> tuple[Samples, int]:
    """What is played of a tone while ``settings`` come into force in the middle, and where they did."""
    running.backend.playback_latency = None
    signal = tone(2 * frames * HOP / RATE)
    before = running.say(signal[: frames * HOP])
    running.engine.apply(settings)
    after = running.say(signal[frames * HOP :])
    return np.concatenate([before, after])[4 * HOP :], len(before) - 4 * HOP


@pytest.mark.parametrize("muted", [True, False])
def test_muting_makes_no_click(start: Start, muted: bool) -> None:
    running = start(settings=Settings(muted=not muted))
    played, at = switched(running, Settings(muted=muted))
    silent, loud = (played[at + HOP :], played[:at]) if muted else (played[:at], played[at + HOP :])
    assert not silent.any()
    assert largest_step(played) <= largest_step(loud) + np.abs(loud).max() / HOP


@pytest.mark.parametrize("enabled", [True, False])
def test_switching_the_filter_makes_no_click(start: Start, enabled: bool) -> None:
    running = start(settings=Settings(enabled=not enabled), gain=0.3)
    played, at = switched(running, Settings(enabled=enabled))
    loud = played[:at] if enabled else played[at + 3 * HOP :]
    assert largest_step(played) <= largest_step(loud) * 1.02
    assert np.abs(played[-HOP:]).max() != pytest.approx(np.abs(played[:HOP]).max(), rel=0.2)


def test_a_new_model_fades_in(start: Start, tmp_path: Path) -> None:
    running = start()
    running.backend.playback_latency = None
    signal = tone(0.6)
    before = running.say(signal[: 30 * HOP])
    running.engine.use(tiny(tmp_path, "other", gain=0.2), "other", "cpu")
    played = np.concatenate([before, running.say(signal[30 * HOP :])])[4 * HOP :]
    assert running.engine.status.model == "other"
    assert np.abs(played[-5 * HOP :]).max() < 0.3 * np.abs(played[: 5 * HOP]).max()
    assert largest_step(played) <= largest_step(played[: 20 * HOP]) * 1.02


def test_a_new_model_is_taken_while_nobody_listens(start: Start, tmp_path: Path) -> None:
    backend = FakeBackend()
    backend.listeners = ()
    running = start(backend)
    running.await_state(State.IDLE)
    running.engine.use(tiny(tmp_path, "other"), "other", "cpu")
    wait_until(lambda: running.engine.status.model == "other", 5, "the other model")


def test_a_model_of_another_spec_is_refused(start: Start, tmp_path: Path) -> None:
    running = start()
    with pytest.raises(ValueError, match="this model works on frames of"):
        running.engine.use(Bypass(FrameSpec(hop=240, synthesis_window=480)), "short", "cpu")
    assert running.engine.status.model == "tiny"


def test_a_model_that_works_ends_the_bypass_of_a_missing_one(start: Start, tmp_path: Path) -> None:
    running = start(denoiser=Bypass(FrameSpec(), fault="no model"))
    running.say(tone(0.1))
    running.engine.use(tiny(tmp_path), "tiny", "cpu")
    running.say(tone(0.2))
    assert (running.engine.status.state, running.engine.status.reason) == (State.RUNNING, "")


# -- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [{"fail_above": 50.0}, {"nan_above": 50.0}], ids=["raises", "NaN"])
def test_a_faulty_model_means_bypass_at_the_same_delay_said_once_and_then_another_chance(
    start: Start, model: dict[str, float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_filter, "_FAULT_RETRY_SECONDS", 0.2)
    monkeypatch.setattr(frame_filter, "_PROBATION_SECONDS", 0.3)
    running = start(gain=0.5, **model)
    running.backend.playback_latency = None
    loud = tone(0.3, 0.9)
    with caplog.at_level(logging.ERROR):
        played = running.say(loud)
        assert running.engine.status.state is State.BYPASSED
        assert "model" in running.engine.status.reason
        np.testing.assert_allclose(played[4 * HOP :], loud[4 * HOP - DELAY : -DELAY], atol=1e-5)
        for _ in range(4):  # it is tried and fails again
            running.say(tone(0.02, 0.9))
            time.sleep(0.15)
        assert len(caplog.records) == 1
        quiet = tone(0.02, 0.001)
        deadline = time.monotonic() + 5.0
        while running.engine.status.reason:
            assert time.monotonic() < deadline
            running.say(quiet)
            time.sleep(0.02)
        assert len(caplog.records) == 1
    assert running.states()[-3:] == [State.RUNNING, State.BYPASSED, State.RUNNING]


def test_a_missing_model_is_announced_once(
    start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_filter, "_FAULT_RETRY_SECONDS", 0.05)
    with caplog.at_level(logging.ERROR):
        running = start(denoiser=Bypass(FrameSpec(), fault="no model named 'x'"))
        for _ in range(5):
            running.say(tone(0.05))
            time.sleep(0.06)
    assert len(caplog.records) == 1
    assert running.engine.status.reason == "no model named 'x'"
    assert State.RUNNING not in running.states()


def test_a_lost_server_is_waited_for_and_found_again(start: Start) -> None:
    first, second, third = FakeBackend(), FakeBackend(), FakeBackend()
    second.refusals.append(BackendError("no sound server answers"))
    running = start(first, second, third)
    running.await_state(State.RUNNING)
    first.lost = "the connection to the sound server is lost"
    first.wake()
    wait_until(lambda: third.starts == 1, 5, "the microphone is open on the third connection")
    running.await_state(State.RUNNING)
    assert first.closes == second.closes == 1
    assert running.engine.status.counters.restarts == 1
    assert first.lost in {s.reason for s in running.changes if s.state is State.WAITING_FOR_SERVER}
    assert len(running.say(tone(0.1))) > 0


def test_while_no_server_answers_there_are_no_microphones(start: Start) -> None:
    backend = FakeBackend()
    backend.refusals.extend(BackendError("no sound server answers") for _ in range(4))
    running = start(backend)
    wait_until(lambda: running.engine.status.reason == "no sound server answers", 5, "the reason")
    assert not len(running.engine.microphones)
    running.await_state(State.RUNNING)
    assert [m.name for m in running.engine.microphones] == [HEADSET.name, WEBCAM.name]


def test_a_busy_microphone_is_tried_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_MICROPHONE_RETRY_SECONDS", 0.05)
    backend = FakeBackend()
    backend.refusals.extend(DeviceError("cannot record from headset: busy") for _ in range(3))
    running = start(backend)
    running.await_state(State.RUNNING)
    assert (backend.starts, len(backend.refusals)) == (1, 0)
    waiting = [s for s in running.changes if s.state is State.WAITING_FOR_MICROPHONE]
    assert "cannot record from headset: busy" in {s.reason for s in waiting}


def test_an_unplugged_microphone_is_announced_and_its_stand_in_taken(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_MICROPHONE_RETRY_SECONDS", 0.05)
    running = start()
    backend = running.backend
    backend.microphones = (WEBCAM,)
    backend.capture_fault = "Entity killed"
    backend.settle()
    wait_until(lambda: backend.opened is WEBCAM, 5, "the stand-in is open")
    assert running.engine.status.microphone == WEBCAM.name
    assert State.WAITING_FOR_MICROPHONE in running.states()
    backend.microphones = (HEADSET, WEBCAM)
    backend.settle()
    wait_until(lambda: backend.opened is HEADSET, 5, "the default is open again")


def test_without_a_microphone_it_waits(start: Start) -> None:
    backend = FakeBackend()
    backend.microphones = ()
    running = start(backend)
    assert running.await_state(State.WAITING_FOR_MICROPHONE).reason == "no microphone is connected"
    backend.microphones = (HEADSET,)
    backend.settle()
    running.await_state(State.RUNNING)


def test_the_microphone_is_open_only_while_somebody_listens(start: Start) -> None:
    backend = FakeBackend()
    backend.listeners = ()
    running = start(backend)
    running.await_state(State.IDLE)
    assert backend.opened is None
    backend.listeners = ("Zoom",)
    backend.settle()
    assert running.await_state(State.RUNNING).listeners == ("Zoom",)
    assert backend.opened is HEADSET
    backend.listeners = ()
    backend.settle()
    assert running.await_state(State.IDLE).transport_latency_ms == 0.0
    assert backend.opened is None


def test_a_chosen_microphone_is_changed_to_at_once(start: Start) -> None:
    running = start()
    running.engine.apply(Settings(microphone=WEBCAM.name))
    wait_until(lambda: running.backend.opened is WEBCAM, 5, "the webcam is open")
    assert running.engine.status.microphone_description == WEBCAM.description


# -- overload ------------------------------------------------------------------------------------------------------


def test_a_backlog_is_dropped_oldest_first_and_counted(start: Start) -> None:
    running = start(settings=Settings(strength_db=0.0))
    backend = running.backend
    backend.playback_latency = 0.004
    blocks = [np.full(HOP, (n + 1) / 100.0) for n in range(50)]
    backend.hear(*blocks)
    played = backend.output
    running.say(np.zeros(10 * HOP, np.float32))  # publishes
    dropped = running.engine.status.counters.dropped_frames
    assert len(played) // HOP + dropped == pytest.approx(50, abs=1)
    assert len(played) / RATE + 0.004 <= LATENCY_CEILING_SECONDS
    assert float(backend.output.max()) == pytest.approx(0.5, abs=0.01), "the newest is kept"


def test_more_than_the_bounded_queue_holds_is_counted_too(start: Start) -> None:
    running = start()
    backend = running.backend
    backend.playback_latency = None
    backend.hear(*[np.zeros(RATE, np.float32) for _ in range(3)])
    running.say(np.zeros(10 * HOP, np.float32))
    assert running.engine.status.counters.dropped_frames == 200


def test_slow_frames_are_counted(start: Start) -> None:
    class Slow(Bypass):
        def process(self, frame: Samples) -> Samples:
            time.sleep(0.012)
            return super().process(frame)

    running = start(denoiser=Slow(FrameSpec()))
    running.say(np.zeros(10 * HOP, np.float32))
    assert running.engine.status.counters.deadline_misses == 10


def test_xruns_outlive_their_backend(start: Start) -> None:
    first, second = FakeBackend(), FakeBackend()
    running = start(first, second)
    running.await_state(State.RUNNING)
    first.xruns = 3
    first.lost = "gone"
    first.wake()
    wait_until(lambda: second.opened is not None, 5, "the second connection")
    second.xruns = 2
    running.say(np.zeros(10 * HOP, np.float32))
    assert running.engine.status.counters.xruns == 5


# -- what is announced ---------------------------------------------------------------------------------------------


def test_streaming_alone_announces_nothing(start: Start) -> None:
    running = start()
    running.say(tone(0.1))
    count = len(running.changes)
    running.say(tone(0.5))
    assert len(running.changes) == count
    status = running.engine.status
    assert status.counters.frames == 60
    assert status.levels.input_dbfs == pytest.approx(20 * np.log10(0.25 / np.sqrt(2)), abs=0.1)
    assert status.transport_latency_ms == pytest.approx(15.0)
    assert status.algorithmic_latency_ms == 20.0


def test_each_change_is_announced_once(start: Start) -> None:
    backend = FakeBackend()
    backend.listeners = ()
    running = start(backend)
    running.await_state(State.IDLE)
    running.changes.clear()
    for listeners in (("Zoom",), ("Discord", "Zoom"), ()):
        backend.listeners = listeners
        backend.settle()
        wait_until(lambda wanted=listeners: running.engine.status.listeners == wanted, 5, f"{listeners}")  # type: ignore[misc]
    assert [(s.state, s.listeners) for s in running.changes] == [
        (State.RUNNING, ("Zoom",)),
        (State.RUNNING, ("Discord", "Zoom")),
        (State.IDLE, ()),
    ]


def test_microphones_that_come_are_announced(start: Start) -> None:
    backend = FakeBackend()
    backend.listeners = ()
    running = start(backend)
    running.await_state(State.IDLE)
    running.changes.clear()
    backend.microphones = (HEADSET,)
    backend.settle()
    assert len(running.changes) == 1
    assert running.engine.microphones == (HEADSET,)
