"""Tests of what happens to a stream that another program plays into our sink."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from densenoiser_daemon.audio.pulse.strangers import _MOVING_SECONDS, Strangers
from densenoiser_daemon.audio.pulse.virtual_microphone import SINK_NAME

OWN, SPEAKERS = 1, 2
OUR_STREAM, PLAYER = 10, 11


class Desktop:
    """A server with our sink, loudspeakers, and one player; ``now`` is its clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.player = SimpleNamespace(index=PLAYER, sink=OWN, name="music", mute=False)
        self.is_on = OWN
        """Where the player is in truth."""
        self.moves: list[int] = []
        self.sinks = [SimpleNamespace(index=OWN, name=SINK_NAME), SimpleNamespace(index=SPEAKERS, name="speakers")]
        pulse: Any = self
        self.strangers = Strangers(pulse)

    def server_info(self) -> SimpleNamespace:
        return SimpleNamespace(default_sink_name="speakers")

    def mute(self, stream: SimpleNamespace, muted: bool) -> None:
        stream.mute = muted

    def sink_input_move(self, index: int, sink: int) -> None:
        self.moves.append(index)

    @contextmanager
    def another(self) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(sink_input_list=lambda: [SimpleNamespace(index=PLAYER, sink=self.is_on)])

    def look(self, player_on: int, seconds_later: float = 0.0) -> None:
        self.player.sink = player_on
        self.now += seconds_later
        streams: Any = [SimpleNamespace(index=OUR_STREAM, sink=OWN, name="ours", mute=False), self.player]
        sinks: Any = self.sinks
        self.strangers.turn_away(sinks, streams, OUR_STREAM)


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Desktop:
    made = Desktop()
    monkeypatch.setattr("densenoiser_daemon.audio.pulse.strangers.time.monotonic", lambda: made.now)
    return made


def test_it_is_heard_again_only_when_it_has_moved_in_truth(desktop: Desktop) -> None:
    desktop.look(OWN)
    assert desktop.player.mute
    assert desktop.moves == [PLAYER]
    desktop.look(SPEAKERS, 0.01)
    assert desktop.player.mute, "pipewire-pulse lists it there at once, moved or not"
    assert desktop.strangers.due == pytest.approx(100.0 + _MOVING_SECONDS)
    desktop.look(SPEAKERS, _MOVING_SECONDS)
    assert desktop.player.mute, "it is still here"
    desktop.is_on = SPEAKERS
    desktop.look(SPEAKERS, _MOVING_SECONDS)
    assert not desktop.player.mute
    assert desktop.strangers.due is None


def test_it_is_asked_again_when_it_has_not_moved(desktop: Desktop) -> None:
    desktop.look(OWN)
    desktop.look(SPEAKERS, 0.01)
    desktop.look(OWN, 1.0)
    assert desktop.player.mute
    assert desktop.moves == [PLAYER, PLAYER]


def test_what_its_owner_muted_stays_muted(desktop: Desktop) -> None:
    desktop.player.mute = True
    desktop.look(OWN)
    desktop.look(SPEAKERS, 1.0)
    assert desktop.player.mute


def test_one_that_ended_is_forgotten(desktop: Desktop) -> None:
    desktop.look(OWN)
    desktop.strangers.turn_away([], [], OUR_STREAM)
    assert desktop.strangers.due is None
