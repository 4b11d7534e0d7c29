"""The real window and the real daemon on a real server: what is switched there is heard, and what is heard is shown."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pytest
from tests.support.daemons import StartDaemon
from tests.support.listening import application, hears_sound
from tests.support.modules import music
from tests.support.waiting import wait_until
from tests.support.window import Window

from densenoiser_daemon.measurement.private_server import PrivateServer, feed_of
from densenoiser_daemon.measurement.recorder import Recorder


@pytest.fixture
def window(shared_server: PrivateServer, fresh_daemon: StartDaemon, tall_display: str) -> Iterator[Window]:
    fresh_daemon("--strength", "20")
    opened = Window(shared_server.environment, tall_display)
    yield opened.await_there()
    sys.stdout.write(opened.close())


def peak(client: Recorder) -> float:
    """Of the last 0.2 s."""
    return float(np.abs(client.snapshot().samples[-9600:]).max(initial=0.0))


def test_what_is_switched_in_the_window_is_heard_and_shown(shared_server: PrivateServer, window: Window) -> None:
    with music(shared_server, f"--device={feed_of()}"):
        client = application(shared_server)
        wait_until(lambda: hears_sound(client), 10, "the filtered tone is heard")
        wait_until(lambda: window.shows("Removing noise for"), 10, "the listener is shown")
        wait_until(lambda: peak(client) < 0.2, 10, "the tone is taken for noise")
        window.act("check box", "Remove noise")
        wait_until(lambda: peak(client) > 0.25, 10, "it is heard as it is")
        window.act("check box", "Mute")
        wait_until(lambda: peak(client) == 0.0, 10, "nothing is heard")
        window.act("check box", "Mute")
        window.act("check box", "Remove noise")
        wait_until(lambda: 0.0 < peak(client) < 0.2, 10, "the filtered tone is heard again")
        window.act("page tab", "Live")
        wait_until(lambda: window.shows("of noise removed"), 10, "it is shown what was removed")
        wait_until(lambda: window.shows("-13 dB, peak"), 10, "a tone of amplitude 0.3 is at -13.5 dB")
        client.stop()
