"""The real window on a display of its own, as a screen reader and a person at the keyboard use it, over the daemon's bus."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.quiet_daemon import QuietDaemon
from tests.support.recorded_controls import WEBCAM
from tests.support.waiting import wait_until
from tests.support.window import Window

from densenoiser_daemon.status import Fact, Levels, ReasonCode, State


@pytest.fixture
def open_window(bus: str, tall_display: str, tmp_path: Path) -> Iterator[Callable[..., Window]]:
    """Opens the window with changes of the environment."""
    opened: list[Window] = []

    def start(**changes: str) -> Window:
        environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "DBUS_SESSION_BUS_ADDRESS": bus, **changes}
        opened.append(Window(environment, tall_display))
        return opened[-1].await_there()

    yield start
    for window in opened:
        sys.stdout.write(window.close())


def test_every_control_shows_what_is_and_changes_it(daemon: QuietDaemon, open_window: Callable[..., Window]) -> None:
    daemon.start()
    window = open_window()
    wait_until(lambda: window.shows("Removing noise for Zoom"), 10, "the headline is shown")
    controls = daemon.controls
    window.act("check box", "Remove noise")
    wait_until(lambda: not controls.settings.enabled, 5, "noise passes through")
    wait_until(lambda: window.shows("Off; Zoom hear the microphone as it is"), 5, "the window says so")
    window.act("check box", "Mute")
    wait_until(lambda: controls.settings.muted, 5, "it is muted")
    window.act("check box", "Use as the default microphone")
    wait_until(lambda: controls.settings.default, 5, "it is the default")
    window.set("slider", "Strength", 12)
    wait_until(lambda: controls.settings.strength_db == 12, 5, "the strength is set")
    window.set("slider", "Strength", 40)
    wait_until(lambda: controls.settings.strength_db == float("inf"), 5, "the right end is full strength")


def test_the_microphone_and_the_filter_are_chosen_with_the_keyboard(
    daemon: QuietDaemon, open_window: Callable[..., Window]
) -> None:
    daemon.start()
    window = open_window()
    wait_until(lambda: window.shows("Removing noise for Zoom"), 10, "the headline is shown")
    window.tab_to("combo box", "Microphone")
    window.keys("space", "End", "Return")
    wait_until(lambda: daemon.controls.settings.microphone == WEBCAM.name, 5, "the last one is taken")
    window.tab_to("combo box", "Filter")
    window.keys("space", "Home", "Return")
    wait_until(lambda: daemon.controls.settings.model == "densenet-next", 5, "the first one is taken")


def test_what_is_wrong_is_said(daemon: QuietDaemon, open_window: Callable[..., Window]) -> None:
    daemon.start()
    window = open_window()
    wait_until(lambda: window.shows("Removing noise for Zoom"), 10, "the headline is shown")
    assert not window.shows("Find out and mend") or not window.shows("cannot be read")
    daemon.show(
        state=State.BYPASSED, reason=Fact(ReasonCode.MODEL_FAILED, {"error": "the <model> cannot be read & used"})
    )
    wait_until(lambda: window.shows("the <model> cannot be read & used"), 5, "it is said")


def test_the_daemon_may_end_and_come_back(daemon: QuietDaemon, open_window: Callable[..., Window]) -> None:
    window = open_window()
    daemon.start()
    wait_until(lambda: window.shows("Removing noise for Zoom"), 10, "it has come")
    daemon.stop()
    time.sleep(0.5)
    daemon.controls.status = replace(daemon.controls.status, listeners=("Discord",))
    daemon.start()
    wait_until(lambda: window.shows("Removing noise for Discord"), 10, "it has come back")
    assert window.process.poll() is None


def test_a_second_launch_shows_the_first_window(daemon: QuietDaemon, open_window: Callable[..., Window]) -> None:
    daemon.start()
    window = open_window()
    again = Window(window.environment, window.environment["DISPLAY"])
    again.process.communicate(timeout=20)
    assert again.process.returncode == 0
    assert window.process.poll() is None


def test_the_live_page_moves_while_it_is_looked_at(daemon: QuietDaemon, open_window: Callable[..., Window]) -> None:
    daemon.start()
    window = open_window()
    wait_until(lambda: window.shows("Removing noise for Zoom"), 10, "the headline is shown")
    assert not daemon.controls.shows_spectra
    window.act("page tab", "Live")
    wait_until(lambda: daemon.controls.shows_spectra, 10, "spectra are asked for")
    daemon.show(levels=Levels(-30.0, -45.0, 15.0))
    wait_until(lambda: window.shows("15 dB of noise removed"), 10, "levels are shown")
    assert window.shows("-30 dB, peak -30 dB")
    assert window.shows("What programs hear")
    window.act("page tab", "Home")
    wait_until(lambda: not daemon.controls.shows_spectra, 10, "they are given up")
    window.act("page tab", "Live")
    wait_until(lambda: daemon.controls.shows_spectra, 10, "spectra are asked for")
    window.process.kill()
    wait_until(lambda: not daemon.controls.shows_spectra, 10, "they end with the window")


def test_the_window_speaks_russian(daemon: QuietDaemon, open_window: Callable[..., Window]) -> None:
    daemon.start()
    window = open_window(LANGUAGE="ru")
    wait_until(lambda: window.shows("Убирать шум"), 10, "it does")
    assert window.shows("Сила")


def test_without_gtk_4_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "gi.py").write_text(
        "def require_version(name, version):\n    raise ValueError(f'no {name} {version}')\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "LANGUAGE": "en"}
    command = [sys.executable, "-m", "densenoiser_window.main"]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "gir1.2-gtk-4.0" in done.stderr
    assert "no Gtk 4.0" in done.stderr
