"""The real window on a display of its own, as a screen reader and a person at the keyboard use it, over the daemon's bus."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.support.quiet_daemon import QuietDaemon
from tests.support.recorded_controls import WEBCAM, RecordedControls
from tests.support.start_tray import StartTray
from tests.support.waiting import wait_until
from tests.support.window import Window

from densenoiser_daemon.status import Fact, Levels, ReasonCode, State

HEARD = {"Hear yourself", "Hear the microphone", "Hear what was removed"}


@pytest.fixture
def open_window(bus: str, tall_display: str, tmp_path: Path) -> Iterator[Callable[..., Window]]:
    """Opens the window with changes of the environment."""
    opened: list[Window] = []

    def start(is_first: bool = False, **changes: str) -> Window:
        folders = {"XDG_CACHE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}
        environment = os.environ | folders | {"DBUS_SESSION_BUS_ADDRESS": bus, **changes}
        opened.append(Window(environment, tall_display, is_first))
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


def test_each_side_can_be_heard_one_at_a_time(daemon: QuietDaemon, open_window: Callable[..., Window]) -> None:
    daemon.start()
    window = open_window()
    listening = daemon.controls.listening
    window.act("page tab", "Listen")
    for name, what in (
        ("Hear yourself", "clean"),
        ("Hear the microphone", "microphone"),
        ("Hear what was removed", "removed"),
    ):
        window.act("check box", name)
        wait_until(lambda w=what: listening.what == w, 5, "it is heard")  # type: ignore[misc]
        wait_until(lambda n=name: window.checked() & HEARD == {n}, 5, "it alone is shown")  # type: ignore[misc]
    listening.end()
    wait_until(lambda: not window.checked() & HEARD, 5, "it is shown that it is over")
    window.act("check box", "Hear yourself")
    wait_until(lambda: listening.what == "clean", 5, "it is heard again")
    window.act("page tab", "Home")
    wait_until(lambda: listening.what == "", 5, "who looks elsewhere hears nothing")


def test_it_is_said_why_nothing_is_heard_any_longer(
    daemon: QuietDaemon, open_window: Callable[..., Window], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("densenoiser_daemon.hearing.listening.LONGEST_SECONDS", 2.0)
    daemon.start()
    window = open_window()
    window.act("page tab", "Listen")
    window.act("check box", "Hear yourself")
    wait_until(lambda: window.shows("Stopped after two minutes"), 20, "it is said")


def test_a_take_is_recorded_shown_played_and_saved(
    daemon: QuietDaemon, open_window: Callable[..., Window], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("densenoiser_daemon.hearing.listening.TAKE_SECONDS", 2.0)
    daemon.start()
    window = open_window()
    controls = daemon.controls
    window.act("page tab", "Test")
    assert not window.shows("Play before")
    window.act("push button", "Record ten seconds")
    wait_until(lambda: controls.is_held, 5, "the microphone is open")
    noise = (0.1 * np.random.default_rng(1).standard_normal(480)).astype(np.float32)
    for _frame in range(250):
        controls.tap.note(noise, 0.01 * noise, 480)
        time.sleep(0.01)
    wait_until(lambda: window.shows("Noise: 40 dB quieter"), 10, "the figures are shown")
    assert window.shows("Nobody spoke")
    for name, level in (("Play before", 0.1), ("Play after", 0.001)):
        window.act("push button", name)
        wait_until(lambda v=level: abs(rms(controls) / v - 1) < 0.1, 10, "it is played")  # type: ignore[misc]
    wait_until(lambda: controls.listening.what == "", 10, "it is over")
    window.act("push button", "Save…")
    wait_until(lambda: window.has("push button", "Save here Save here"), 10, "it asks where")
    window.act("push button", "Save here Save here")
    wait_until(lambda: window.shows("Saved in"), 10, "it is saved")
    before, after = sorted(tmp_path.glob("DenseNoiser*.wav"), reverse=True)
    assert [path.stat().st_mode & 0o777 for path in (before, after)] == [0o600, 0o600]
    for path, level in ((before, 0.1), (after, 0.001)):
        assert np.std(soundfile.read(path)[0]) == pytest.approx(level, rel=0.1)
    window.process.kill()
    wait_until(lambda: controls.listening.take is None, 10, "it is forgotten with the window")


def rms(controls: RecordedControls) -> float:
    """Of what was played last."""
    played = controls.output.played[-4800:]
    return float(np.sqrt(np.mean(played**2))) if len(played) else 0.0


def test_the_first_steps_come_once(daemon: QuietDaemon, open_window: Callable[..., Window], tmp_path: Path) -> None:
    daemon.start()
    window = open_window(is_first=True)
    wait_until(lambda: window.shows("Which microphone do you speak into?"), 10, "the first step is shown")
    window.act("push button", "Next")
    wait_until(lambda: daemon.controls.is_held and daemon.controls.shows_spectra, 10, "one sees oneself")
    window.act("push button", "Next")
    wait_until(lambda: not daemon.controls.is_held and not daemon.controls.shows_spectra, 10, "no longer")
    window.act("check box", "Use as the default microphone")
    wait_until(lambda: daemon.controls.settings.default, 5, "it is the default")
    window.act("push button", "Next")
    wait_until(lambda: window.shows("Done"), 5, "it is the last step")
    window.act("push button", "Done")
    wait_until(lambda: not window.shows("Step 4 of 4"), 5, "they are gone")
    window.close()
    again = open_window(is_first=True)
    wait_until(lambda: again.shows("Removing noise for Zoom"), 10, "the headline is shown")
    assert not again.shows("Step 1 of 4")


def test_preferences_are_kept(daemon: QuietDaemon, open_window: Callable[..., Window], tmp_path: Path) -> None:
    daemon.start()
    window = open_window()
    wait_until(lambda: window.shows("Removing noise for Zoom"), 10, "the headline is shown")
    window.keys("ctrl+comma")
    wait_until(lambda: window.has("check box", "Start at login"), 10, "preferences are open")
    assert window.shows("The tray holds the shortcuts, and it is not running")
    window.act("check box", "Start at login")
    entry = tmp_path / "config" / "autostart" / "org.densenoiser.DenseNoiser.desktop"
    wait_until(entry.is_file, 5, "the entry is there")
    window.act("check box", "Notifications")
    chosen = tmp_path / "config" / "densenoiser" / "desktop.ini"
    wait_until(lambda: "notifications = off" in chosen.read_text(), 5, "it is stored")


def test_a_key_is_chosen_by_pressing_it(
    daemon: QuietDaemon, open_window: Callable[..., Window], start_tray: StartTray
) -> None:
    """On X11 without a portal. The tray holds it, wherever the focus is."""
    daemon.start()
    window = open_window()
    start_tray(["--without-icon"], DISPLAY=window.environment["DISPLAY"])
    wait_until(lambda: window.shows("Removing noise for Zoom"), 10, "the headline is shown")
    window.keys("ctrl+comma")
    wait_until(lambda: window.has("push button", "Change: Mute or unmute"), 20, "the shortcuts are shown")
    window.act("push button", "Change: Mute or unmute")
    wait_until(lambda: window.shows("Press the key"), 10, "it waits for a key")
    window.press("Mute or unmute", "ctrl+alt+m")
    wait_until(lambda: window.shows("Ctrl+Alt+M"), 10, "the key is shown")
    window.press("DenseNoiser", "ctrl+alt+m")
    wait_until(lambda: daemon.controls.settings.muted, 10, "the key mutes")


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
