"""The status board: what is published, when, and what counts on over restarts."""

from __future__ import annotations

import pytest
from tests.support.fake_backend import HEADSET, FakeBackend

from densenoiser_daemon.engine.frame_filter import FrameFilter
from densenoiser_daemon.engine.status_board import StatusBoard
from densenoiser_daemon.errors import DeviceError, DeviceGoneError
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import Fact, ReasonCode, State
from densenoiser_models.denoiser import Bypass
from densenoiser_models.frame import FrameSpec


@pytest.fixture
def board() -> StatusBoard:
    return StatusBoard(FrameFilter(Bypass(FrameSpec()), "", ""), 0.072)


def changes(board: StatusBoard) -> list[State]:
    """The states that are announced from now on."""
    announced: list[State] = []
    board.on_change = lambda: announced.append(board.status.state)
    return announced


def test_it_starts_by_waiting_for_a_server_with_the_delay_known(board: StatusBoard) -> None:
    assert board.status.state is State.WAITING_FOR_SERVER
    assert board.status.algorithmic_latency_ms == pytest.approx(20.0)
    assert board.status.latency_ceiling_ms == pytest.approx(72.0)


def test_states_follow_listener_microphone_and_fault(board: StatusBoard) -> None:
    backend = FakeBackend()
    board.describe(backend, HEADSET, HEADSET, Settings())
    assert (board.status.state, board.status.microphone) == (State.RUNNING, "headset")
    for fault, code in (
        (DeviceError("busy"), ReasonCode.MICROPHONE_FAILED),
        (DeviceGoneError("gone", "Entity killed"), ReasonCode.MICROPHONE_GONE),
    ):
        board.describe(backend, None, HEADSET, Settings(), fault, HEADSET)
        waiting = State.WAITING_FOR_MICROPHONE, Fact(code, {"microphone": HEADSET.description})
        assert (board.status.state, board.status.reason) == waiting
    board.describe(backend, None, HEADSET, Settings())
    assert board.status.reason == Fact(ReasonCode.MICROPHONE_NOT_READY)
    board.describe(backend, None, None, Settings())
    assert board.status.reason == Fact(ReasonCode.NO_MICROPHONE)
    backend.listeners = ()
    board.describe(backend, None, HEADSET, Settings())
    assert board.status.state == State.IDLE
    board.describe_lost_server("gone")
    assert board.status.reason == Fact(ReasonCode.SERVER, {"error": "gone"})


def test_the_only_microphone_stays_gone_until_another_comes(board: StatusBoard) -> None:
    backend = FakeBackend()
    gone = Fact(ReasonCode.MICROPHONE_GONE, {"microphone": HEADSET.description})
    board.describe(backend, None, None, Settings(), DeviceGoneError("gone"), HEADSET)
    assert board.status.reason == gone
    board.describe(backend, None, None, Settings())
    assert board.status.reason == gone
    board.describe(backend, HEADSET, HEADSET, Settings())
    board.describe(backend, None, None, Settings())
    assert board.status.reason == Fact(ReasonCode.NO_MICROPHONE)


def test_counters_alone_announce_nothing(board: StatusBoard) -> None:
    backend = FakeBackend()
    board.describe(backend, HEADSET, HEADSET, Settings())
    announced = changes(board)
    for _ in range(30):
        board.note_frame(0.001, is_late=True)
        board.refresh(backend)
    assert announced == []
    assert board.status.counters.frames == 30
    assert board.status.counters.deadline_misses == 30
    board.describe(backend, None, None, Settings())
    assert announced == [State.WAITING_FOR_MICROPHONE]


def test_levels_and_latency_come_every_ten_frames(board: StatusBoard) -> None:
    backend = FakeBackend()
    board.describe(backend, HEADSET, HEADSET, Settings())
    for _ in range(9):
        board.note_frame(0.001, is_late=False)
        board.refresh(backend)
    assert board.status.transport_latency_ms == 0.0
    board.note_frame(0.001, is_late=False)
    board.refresh(backend)
    assert board.status.transport_latency_ms == pytest.approx(15.0)  # 10 ms of capture, 5 of playback


def test_xruns_count_on_over_backends(board: StatusBoard) -> None:
    first, second = FakeBackend(), FakeBackend()
    first.xruns, second.xruns = 3, 2
    board.end_backend(first)
    board.describe(second, None, HEADSET, Settings())
    assert board.status.counters.xruns == 5
