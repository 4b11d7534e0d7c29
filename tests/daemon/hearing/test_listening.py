"""What is heard of oneself: the right side, once at a time, and never for longer than was asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from tests.support.fake_output import FakeOutput
from tests.support.waiting import wait_until

from densenoiser_daemon.engine.frame_tap import FrameTap
from densenoiser_daemon.errors import DeviceError
from densenoiser_daemon.hearing import listening
from densenoiser_daemon.hearing.listening import End, Listening
from densenoiser_daemon.hearing.playback import Output, What
from densenoiser_models.frame import FrameSpec

SPEC = FrameSpec()
BEFORE, AFTER = 0.025, 0.01


class Stage:
    """A microphone that hears a constant, a filter that makes another of it, and who listens to them.

    Both are too quiet to be under suspicion of feedback.
    """

    def __init__(self) -> None:
        self.tap = FrameTap(SPEC)
        self.output = FakeOutput()
        self.held: list[bool] = []
        self.ends: list[tuple[What, End]] = []
        self.is_open = threading.Event()
        self.listening = Listening(SPEC, self.tap, self._open, self._hold)
        self.listening.on_end = lambda what, why: self.ends.append((what, why))
        self._over = threading.Event()
        threading.Thread(target=self._stream, daemon=True).start()

    def close(self) -> None:
        self._over.set()
        self.listening.join()

    def _open(self) -> Output:
        self.output = FakeOutput()
        return self.output

    def _hold(self, wanted: bool) -> None:
        self.held.append(wanted)
        (self.is_open.set if wanted else self.is_open.clear)()

    def _stream(self) -> None:
        while not self._over.wait(0.01):
            if self.is_open.is_set():
                self.tap.note(np.full(SPEC.hop, BEFORE, np.float32), np.full(SPEC.hop, AFTER, np.float32), 480)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("what", "level"), [(What.MICROPHONE, BEFORE), (What.CLEAN, AFTER), (What.REMOVED, BEFORE - AFTER)]
)
def test_each_side_is_played_after_a_fade(stage: Stage, what: What, level: float) -> None:
    stage.listening.begin(what)
    wait_until(lambda: len(stage.output.played) > SPEC.sample_rate, 20, "a second is played")
    assert stage.listening.what == what
    assert stage.output.played[0] == 0.0
    assert stage.output.played[-1] == pytest.approx(level, abs=1e-6)
    assert np.abs(np.diff(stage.output.played)).max() < BEFORE / 1000  # no click
    stage.listening.end()
    wait_until(lambda: stage.ends == [(what, End.ASKED)], 5, "it is over")
    assert stage.output.is_closed
    assert (stage.held[-1], stage.listening.what) == (False, "")


def test_nothing_opens_the_microphone_and_plays_nothing(stage: Stage) -> None:
    stage.listening.begin(What.NOTHING)
    wait_until(stage.is_open.is_set, 5, "the microphone is open")
    time.sleep(0.2)
    assert not len(stage.output.played)


def test_a_take_has_both_sides_of_ten_seconds(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "TAKE_SECONDS", 0.5)
    stage.listening.begin(What.TAKE)
    wait_until(lambda: stage.ends == [(What.TAKE, End.DONE)], 20, "it is done")
    take = stage.listening.take
    assert take is not None
    assert len(take.microphone) == len(take.clean) == SPEC.sample_rate // 2
    assert set(take.clean) == {np.float32(AFTER)}
    assert not stage.is_open.is_set()
    for what, level in ((What.TAKE_MICROPHONE, BEFORE), (What.TAKE_CLEAN, AFTER)):
        stage.ends.clear()
        stage.listening.begin(what)
        wait_until(lambda w=what: stage.ends == [(w, End.DONE)], 20, "it was played")  # type: ignore[misc]
        assert len(stage.output.played) == SPEC.sample_rate // 2
        assert stage.output.played[-1] == pytest.approx(level)
    assert not stage.is_open.is_set()


def test_a_take_without_a_microphone_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(stage.listening, "_hold", lambda _wanted: None)
    stage.listening.begin(What.TAKE)
    wait_until(lambda: stage.ends == [(What.TAKE, End.NO_MICROPHONE)], 20, "it is given up")
    assert stage.listening.take is None


def test_it_ends_by_itself(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "LONGEST_SECONDS", 0.3)
    for what in (What.CLEAN, What.NOTHING):
        stage.ends.clear()
        stage.listening.begin(what)
        wait_until(lambda w=what: stage.ends == [(w, End.TIME)], 20, "time is up")  # type: ignore[misc]


def test_one_thing_at_a_time(stage: Stage) -> None:
    """However fast they are asked for, only the last goes on, and no thread stays."""
    for what in (What.CLEAN, What.MICROPHONE, What.TAKE, What.REMOVED) * 5:
        stage.listening.begin(what)
    wait_until(lambda: len(stage.output.played) > 100, 20, "the last is heard")
    assert stage.listening.what == What.REMOVED
    assert stage.ends == []
    assert sum(thread.name == "listening" for thread in threading.enumerate()) == 1
    assert stage.is_open.is_set()


def test_without_an_output_it_says_so(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Output:
        raise DeviceError("there is no output to hear it on")

    monkeypatch.setattr(stage.listening, "_open_output", refuse)
    stage.listening.begin(What.CLEAN)
    wait_until(lambda: stage.ends == [(What.CLEAN, End.NO_OUTPUT)], 5, "it is over")
    assert not stage.is_open.is_set()
