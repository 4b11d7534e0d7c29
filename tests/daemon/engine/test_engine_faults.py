"""The engine when models fail, servers go, microphones come and go, and the machine is too slow."""

from __future__ import annotations

import logging
import time

import numpy as np
import pytest
from tests.support.fake_backend import HEADSET, RATE, WEBCAM, FakeBackend
from tests.support.running_engine import DELAY, HOP, Start, tone
from tests.support.waiting import wait_until

from densenoiser_daemon.engine import engine as engine_module
from densenoiser_daemon.engine import frame_filter
from densenoiser_daemon.engine.engine import LATENCY_CEILING_SECONDS
from densenoiser_daemon.errors import BackendError, DeviceError, DeviceGoneError
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import Fact, ReasonCode, State
from densenoiser_models.denoiser import Bypass
from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples


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
        assert running.engine.status.reason.code == ReasonCode.MODEL_FAILED
        assert "model" in running.engine.status.reason.details["error"]
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
    assert running.engine.status.reason == Fact(ReasonCode.MODEL_FAILED, {"error": "no model named 'x'"})
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
    assert Fact(ReasonCode.SERVER, {"error": first.lost}) in [s.reason for s in running.changes]
    assert len(running.say(tone(0.1))) > 0


def test_while_no_server_answers_there_are_no_microphones(start: Start) -> None:
    backend = FakeBackend()
    backend.refusals.extend(BackendError("no sound server answers") for _ in range(4))
    running = start(backend)
    wait_until(lambda: running.engine.status.reason.details.get("error") == "no sound server answers", 5, "the reason")
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
    assert Fact(ReasonCode.MICROPHONE_FAILED, {"microphone": HEADSET.description}) in [s.reason for s in waiting]


def test_an_unplugged_microphone_is_announced_and_its_stand_in_taken(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_MICROPHONE_RETRY_SECONDS", 0.05)
    running = start()
    backend = running.backend
    backend.microphones = (WEBCAM,)
    backend.capture_fault = DeviceGoneError("the device is gone", "Entity killed")
    backend.settle()
    wait_until(lambda: backend.opened is WEBCAM, 5, "the stand-in is open")
    assert running.engine.status.microphone == WEBCAM.name
    assert Fact(ReasonCode.MICROPHONE_GONE, {"microphone": HEADSET.description}) in [s.reason for s in running.changes]
    backend.microphones = (HEADSET, WEBCAM)
    backend.settle()
    wait_until(lambda: backend.opened is HEADSET, 5, "the default is open again")


def test_without_a_microphone_it_waits(start: Start) -> None:
    backend = FakeBackend()
    backend.microphones = ()
    running = start(backend)
    assert running.await_state(State.WAITING_FOR_MICROPHONE).reason == Fact(ReasonCode.NO_MICROPHONE)
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
