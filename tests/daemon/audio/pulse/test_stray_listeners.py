"""Tests of which applications are moved back to the virtual microphone, and which left it on purpose."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from densenoiser_daemon.audio.backend import Microphone
from densenoiser_daemon.audio.pulse.stray_listeners import StrayListeners
from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME

OWN, HEADSET, ANOTHER = 1, 2, 3


class Desktop:
    """A server with our source (index 1) and one application, after each change of which the daemon looks at it."""

    def __init__(self) -> None:
        self.strays = StrayListeners()
        self.application = SimpleNamespace(index=7, source=OWN, name="Zoom", proplist={"target.object": SOURCE_NAME})
        self.moves: list[tuple[int, int]] = []

    def source_output_move(self, output: int, source: int) -> None:
        self.moves.append((output, source))

    def look(self, default: str, *microphones: int) -> bool:
        found = [Microphone(f"mic{index}", "", 48_000, index, False) for index in microphones]
        pulse: Any = self
        return self.strays.bring_back(pulse, [self.application], OWN, default, found)


@pytest.fixture
def desktop() -> Desktop:
    return Desktop()


def test_a_microphone_plugged_in_again_takes_nobody_along(desktop: Desktop) -> None:
    desktop.look("mic2", HEADSET)
    desktop.look(SOURCE_NAME)
    desktop.look(SOURCE_NAME, ANOTHER)
    desktop.look("mic3", ANOTHER)
    desktop.application.source = ANOTHER
    desktop.look("mic3", ANOTHER)
    assert desktop.moves == [(7, OWN)]
    assert desktop.application.source == OWN, "it counts as a listener at once"


def test_who_asked_for_us_by_name_is_brought_back_once_we_are_there_again(desktop: Desktop) -> None:
    desktop.application.source = HEADSET
    desktop.look("mic2", HEADSET)
    assert not desktop.moves, "there all the time: somebody put it there"
    desktop.strays.follow(server=1, is_new=True)
    desktop.look("mic2", HEADSET)
    assert desktop.moves == [(7, OWN)]


def test_nor_does_one_that_takes_the_place_of_another_unseen(desktop: Desktop) -> None:
    desktop.look("mic2", HEADSET)
    desktop.application.source = ANOTHER
    desktop.look("mic3", ANOTHER)
    assert desktop.moves == [(7, OWN)]


def test_a_default_that_the_server_elects_is_no_wish(desktop: Desktop) -> None:
    desktop.look("mic2", HEADSET, ANOTHER)
    desktop.look("mic2", ANOTHER)
    desktop.look(SOURCE_NAME, ANOTHER)
    desktop.application.source = ANOTHER
    desktop.look("mic3", ANOTHER)
    assert desktop.moves == [(7, OWN)]


def test_a_new_default_in_place_of_ours_is_a_wish_for_who_came_since(desktop: Desktop) -> None:
    desktop.application.source = 2**32 - 1
    desktop.look("mic2", HEADSET)
    desktop.look(SOURCE_NAME, HEADSET)
    desktop.application.source = OWN
    desktop.look(SOURCE_NAME, HEADSET)
    desktop.look("mic2", HEADSET)
    desktop.application.source = HEADSET
    desktop.look("mic2", HEADSET)
    assert not desktop.moves


def test_it_is_none_for_who_asked_for_ours_by_name(desktop: Desktop) -> None:
    desktop.look("mic2", HEADSET)
    desktop.look(SOURCE_NAME, HEADSET)
    desktop.application.source = HEADSET
    desktop.look("mic2", HEADSET)
    assert desktop.moves == [(7, OWN)]


def test_who_chooses_the_microphone_for_one_application_gets_it(
    desktop: Desktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop.look("mic2", HEADSET)
    monkeypatch.setattr("densenoiser_daemon.audio.pulse.stray_listeners._WATCH_SECONDS", 0.0)
    desktop.strays._until = 0.0
    desktop.application.source = HEADSET
    desktop.look("mic2", HEADSET)
    assert not desktop.moves


def test_who_is_linked_to_nothing_is_left_alone(desktop: Desktop) -> None:
    desktop.look("mic2", HEADSET)
    desktop.application.source = 2**32 - 1
    desktop.look("mic2", HEADSET)
    assert not desktop.moves


def test_a_microphone_plugged_in_while_ours_is_wished_takes_nobody_along(desktop: Desktop) -> None:
    desktop.application.source = 2**32 - 1
    desktop.look("mic2", HEADSET)
    desktop.look(SOURCE_NAME, HEADSET)
    desktop.application.source = OWN
    desktop.look(SOURCE_NAME, HEADSET)
    desktop.look("mic3", HEADSET, ANOTHER)
    desktop.application.source = ANOTHER
    desktop.look("mic3", HEADSET, ANOTHER)
    assert desktop.moves == [(7, OWN)]


def test_who_is_sent_along_with_the_default_is_fetched_when_that_changes(desktop: Desktop) -> None:
    """pipewire-pulse takes a move to the default source for the wish to follow it, and lists the stream there for 1 s."""
    desktop.look("mic2", HEADSET)
    desktop.look(SOURCE_NAME)
    desktop.application.source = ANOTHER
    assert desktop.look(SOURCE_NAME, ANOTHER), "it is to be asked whether ours is the default in truth"
    assert not desktop.look(SOURCE_NAME, ANOTHER)
    assert not desktop.look("mic3", ANOTHER)
    assert not desktop.look("mic3", ANOTHER)
    assert desktop.moves == [(7, OWN), (7, OWN)]
