"""A click in the tray's menu, and what an application hears of it: real tray, real daemon, real sound server."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.support.fake_panel import Panel
from tests.support.start_tray import StartTray
from tests.support.tiny_model import MakeModel
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.measurement.demo import start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer, available_kinds, feed_of
from densenoiser_daemon.measurement.recorder import RATE, Recorder, Recording
from densenoiser_models.stft import Samples

TONE_HZ = 440.0
LOUD = 0.25
WINDOW = round(RATE / TONE_HZ)
"""One period of the tone: the shortest stretch whose level is the tone's level."""
STEEPEST = 2 * np.pi * TONE_HZ / RATE * LOUD
"""The largest step from sample to sample within the loud tone itself."""
LIMIT_SECONDS = 0.1
SPAN = round(0.02 * RATE)
STRETCH = round(0.1 * RATE)
SWITCHES = 10


@pytest.fixture(params=available_kinds())
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with tempfile.TemporaryDirectory(prefix="dn-") as folder, PrivateServer(request.param, Path(folder)) as running:
        running.start_bus()
        yield running


@pytest.fixture
def heard_panel(server: PrivateServer) -> Iterator[Panel]:
    panel = Panel(server.environment["DBUS_SESSION_BUS_ADDRESS"])
    yield panel
    panel.close()


def hum(server: PrivateServer) -> None:
    """A steady tone into the microphone, for as long as the server lives."""
    seconds = np.arange(60 * RATE) / RATE
    path = server.folder / "tone.wav"
    soundfile.write(path, LOUD * np.sin(2 * np.pi * TONE_HZ * seconds), RATE, subtype="FLOAT")
    server.run(["paplay", f"--device={feed_of()}", str(path)])


def level(samples: Samples) -> float:
    """Peak of the tone, linear; 0 if there is nothing to hear."""
    return float(np.abs(samples).max(initial=0.0))


def switch(recording: Recording, clicked: float, until: float) -> int | None:
    """The sample from which the tone stays nine tenths of the way to its new level; None if it does not.

    All of it holds with dropouts in it that are shorter than ``STRETCH``: a busy test machine has some every second.
    """
    start, end = recording.at(clicked), recording.at(until)
    before = level(recording.samples[start - STRETCH : start])
    after = level(recording.samples[end - STRETCH : end])
    if abs(after - before) <= 0.3 * LOUD:
        return None
    peaks = np.lib.stride_tricks.sliding_window_view(np.abs(recording.samples[start - WINDOW + 1 : end]), WINDOW).max(
        axis=1
    )
    there = np.abs(peaks - after) < 0.1 * abs(after - before)
    stays = np.lib.stride_tricks.sliding_window_view(there, STRETCH).mean(axis=1) > 0.7
    arrived = np.flatnonzero(there[: len(stays)] & stays)
    return start + int(arrived[0]) if len(arrived) else None


def steepest(samples: Samples) -> float:
    return float(np.abs(np.diff(samples)).max())


@pytest.mark.parametrize("entry", ["Remove noise", "Mute"])
def test_a_click_in_the_menu_is_heard_at_once_and_makes_no_click(
    entry: str,
    server: PrivateServer,
    heard_panel: Panel,
    start_tray: StartTray,
    make_model: MakeModel,
) -> None:
    """The model takes at least 12 dB off everything, so that on and off are told apart by level."""
    model = make_model(gain=0.25)
    arguments = ["--device", MICROPHONE_NAME, "--model", str(model.path)]
    start_daemon(server, [sys.executable, "-m", "densenoiser_daemon.main", *arguments])
    hum(server)
    start_tray(DBUS_SESSION_BUS_ADDRESS=server.environment["DBUS_SESSION_BUS_ADDRESS"])
    heard_panel.wait_for_icon()
    wait_until(lambda: heard_panel.menu().find(entry))
    if entry == "Mute":
        heard_panel.click("Remove noise")
    client = Recorder(server, SOURCE_NAME)
    wait_until(lambda: level(client.snapshot().samples[-RATE // 10 :]) > 0.02)
    time.sleep(1.0)
    clicks = []
    for _ in range(SWITCHES):
        was = heard_panel.menu().find(entry).is_checked
        clicks.append(heard_panel.click(entry))
        wait_until(lambda was=was: heard_panel.menu().find(entry).is_checked is not was)  # type: ignore[misc]
        time.sleep(0.5)
    recording = client.stop()
    spans = pairwise([*clicks, clicks[-1] + 0.5])
    found = [(clicked, sample) for clicked, end in spans if (sample := switch(recording, clicked, end)) is not None]
    assert len(found) > 0.6 * SWITCHES, "most clicks changed nothing"
    delays = [recording.arrival(sample) - clicked for clicked, sample in found]
    steps = [steepest(recording.samples[sample - WINDOW - SPAN : sample + SPAN]) for _clicked, sample in found]
    assert float(np.median(delays)) < LIMIT_SECONDS, delays
    # A dropout of a busy test machine may fall on many of the switches, hardly on four in five; a click falls on all.
    assert float(np.percentile(steps, 25)) < 1.1 * STEEPEST, steps
