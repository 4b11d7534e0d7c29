"""The real window and the real daemon on a real server: what is switched there is heard, and what is heard is shown."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
from tests.support.daemons import StartDaemon
from tests.support.listening import application, hears_sound, microphone_readers
from tests.support.modules import module, music
from tests.support.waiting import wait_until
from tests.support.window import Window

from densenoiser_daemon.measurement.demo import load_recording
from densenoiser_daemon.measurement.private_server import PrivateServer, feed_of
from densenoiser_daemon.measurement.recorder import RATE, Recorder


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


def test_what_is_listened_to_in_the_window_is_heard_on_the_output(shared_server: PrivateServer, window: Window) -> None:
    """The tone is taken for noise: it is in the microphone and in what was removed, hardly in what programs hear."""
    with module(shared_server, "module-null-sink", "sink_name=headphones channels=1 channel_map=mono"):
        with shared_server.control() as pulse:
            wait_until(lambda: "headphones" in {s.name for s in pulse.sink_list()}, 10, "they are there")
            pulse.sink_default_set(pulse.get_sink_by_name("headphones"))
        heard = Recorder(shared_server, "headphones.monitor")
        with music(shared_server, f"--device={feed_of()}"):
            window.act("page tab", "Listen")
            window.act("check box", "Hear the microphone")
            wait_until(lambda: 0.25 < peak(heard) < 0.35, 20, "the tone is heard")
            window.act("check box", "Hear yourself")
            wait_until(lambda: 0.0 < peak(heard) < 0.2, 20, "it is heard filtered")
            window.act("check box", "Hear what was removed")
            wait_until(lambda: 0.2 < peak(heard) < 0.35, 20, "what was removed is heard")
            window.act("page tab", "Home")
            wait_until(lambda: peak(heard) == 0.0, 20, "nothing is heard")
            wait_until(lambda: not microphone_readers(shared_server), 10, "the microphone is released")
        heard.stop()


def test_a_take_in_the_window_is_of_what_was_said(shared_server: PrivateServer, window: Window) -> None:
    speech, noise = load_recording()
    path = shared_server.folder / "noisy.wav"
    soundfile.write(path, np.tile(2 * speech + noise, 4), RATE)
    player = shared_server.run(["paplay", f"--device={feed_of()}", str(path)])
    window.act("page tab", "Test")
    window.act("push button", "Record ten seconds")
    wait_until(lambda: window.shows("Delay of the filter: 20 ms"), 40, "the figures are shown")
    player.terminate()
    player.wait()
    (words,) = [words for words in window.texts() if "Noise:" in words]
    found = re.search(r"Noise: (\d+) dB quieter", words)
    assert found is not None
    assert 10 <= int(found[1]) <= 24  # the strength is 20 dB
    assert "Voice: as loud" in words or float(words.split("Voice: ")[1].split(" dB")[0]) < 4
