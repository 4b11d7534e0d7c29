"""The view of the server switches a headset's profile, on cards that a fake server has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pulsectl

from densenoiser_daemon.audio.backend import Headset
from densenoiser_daemon.audio.pulse.headsets import silent_headsets
from densenoiser_daemon.audio.pulse.server_view import ServerView


def profile(name: str, sources: int, priority: int) -> SimpleNamespace:
    return SimpleNamespace(name=name, description=name.upper(), n_sources=sources, available=True, priority=priority)


class Server:
    """A server with one headset and nothing else."""

    def __init__(self) -> None:
        music, talk = profile("a2dp-sink", 0, 40), profile("headset-head-unit", 1, 30)
        self.card = SimpleNamespace(
            name="bluez_card.00_11", proplist={}, profile_list=[music, talk], profile_active=music
        )
        self.refuses = False

    def server_info(self) -> SimpleNamespace:
        return SimpleNamespace(server_name="fake", server_version="1", default_source_name=None)

    def card_list(self) -> list[SimpleNamespace]:
        return [self.card]

    def source_list(self) -> list[Any]:
        return []

    sink_list = source_output_list = sink_input_list = source_list

    def card_profile_set(self, card: SimpleNamespace, name: str) -> None:
        if self.refuses:
            raise pulsectl.PulseOperationFailed(1)
        card.profile_active = next(p for p in card.profile_list if p.name == name)


def test_a_headset_is_switched_over_and_back() -> None:
    server: Any = Server()
    view = ServerView(server)
    (headset,) = view.headsets
    assert headset == Headset("bluez_card.00_11", "bluez_card.00_11", "A2DP-SINK", "a2dp-sink", "headset-head-unit")
    view.take_headset(headset)
    assert server.card.profile_active.name == "headset-head-unit"
    assert silent_headsets(server.card_list()) == ()
    view.give_headset_back()
    assert server.card.profile_active.name == "a2dp-sink"
    server.card.profile_active = server.card.profile_list[1]
    view.give_headset_back()
    assert server.card.profile_active.name == "headset-head-unit", "what somebody else switched is left so"


def test_a_headset_that_cannot_be_switched_stops_nothing() -> None:
    server: Any = Server()
    view = ServerView(server)
    server.refuses = True
    view.take_headset(view.headsets[0])
    assert server.card.profile_active.name == "a2dp-sink"
