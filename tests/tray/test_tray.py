"""The real tray under a real X server, its menu clicked by a panel, on the real D-Bus service."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.support.fake_panel import Panel
from tests.support.quiet_daemon import HEADSET, QuietDaemon
from tests.support.recorded_controls import WEBCAM
from tests.support.start_tray import StartTray
from tests.support.tray_window import tray_window
from tests.support.waiting import wait_until

from densenoiser_daemon.status import Fact, State


def test_a_click_on_remove_noise_toggles_it(panel: Panel, daemon: QuietDaemon, start_tray: StartTray) -> None:
    daemon.start()
    start_tray()
    panel.wait_for_icon()
    wait_until(lambda: panel.menu().find("Remove noise").is_checked is True)
    panel.click("Remove noise")
    wait_until(lambda: daemon.controls.settings.enabled is False)
    wait_until(lambda: panel.menu().find("Remove noise").is_checked is False)
    wait_until(lambda: panel.tooltip() == "Off; Zoom hear the microphone as it is")


def test_every_choice_reaches_the_daemon(panel: Panel, daemon: QuietDaemon, start_tray: StartTray) -> None:
    daemon.start()
    start_tray()
    panel.wait_for_icon()
    wait_until(lambda: panel.menu().find("Mute"))
    panel.click("Mute")
    wait_until(lambda: daemon.controls.settings.muted)
    wait_until(lambda: panel.menu().find("Mute").is_checked)
    panel.click("Strength", "Gentle, 12 dB")
    wait_until(lambda: daemon.controls.settings.strength_db == 12.0)
    wait_until(lambda: panel.menu().find("Strength", "Gentle, 12 dB").is_checked)
    panel.click("Strength", "Full")
    wait_until(lambda: math.isinf(daemon.controls.settings.strength_db))
    panel.click("Microphone", "Webcam")
    wait_until(lambda: daemon.controls.settings.microphone == WEBCAM.name)
    wait_until(lambda: panel.menu().find("Microphone", "Webcam").is_checked)
    panel.click("Shut down DenseNoiser: noise is heard again")
    wait_until(daemon.controls.ended.is_set)


def test_the_menu_follows_hot_plug(panel: Panel, daemon: QuietDaemon, start_tray: StartTray) -> None:
    daemon.start()
    start_tray()
    panel.wait_for_icon()
    wait_until(lambda: panel.menu().find("Microphone", "Webcam").is_radio)
    daemon.plug(HEADSET)
    wait_until(lambda: len(panel.menu().find("Microphone").entries) == 2)
    daemon.plug(HEADSET, WEBCAM)
    wait_until(lambda: panel.menu().find("Microphone", "Webcam"))


def test_it_comes_before_the_daemon_and_survives_its_restarts(
    panel: Panel, daemon: QuietDaemon, start_tray: StartTray
) -> None:
    tray = start_tray()
    panel.wait_for_icon()
    absent = panel.icon_path()
    assert panel.menu().find("Start DenseNoiser").is_enabled
    for _ in range(2):
        daemon.start()
        wait_until(lambda: panel.menu().find("Remove noise"))
        wait_until(lambda: panel.icon_path() != absent)
        daemon.stop()
        wait_until(lambda: panel.menu().find("Start DenseNoiser"))
    assert tray.poll() is None


def test_the_icon_changes_with_the_state(panel: Panel, daemon: QuietDaemon, start_tray: StartTray) -> None:
    daemon.start()
    start_tray()
    panel.wait_for_icon()
    wait_until(lambda: panel.tooltip() == "Removing noise for Zoom")
    pictures = {panel.icon_path().read_bytes()}
    for state, tooltip in (
        (State.BYPASSED, "Noise is not removed: the model failed"),
        (State.IDLE, "Ready; nobody is listening"),
    ):
        daemon.show(state=state, reason=Fact("model-failed", {"error": "the model failed"}), listeners=())
        wait_until(partial(_shows, panel, tooltip))
        pictures.add(panel.icon_path().read_bytes())
    assert len(pictures) == 3


def test_trouble_and_its_end_are_announced(panel: Panel, daemon: QuietDaemon, start_tray: StartTray) -> None:
    daemon.start()
    start_tray()
    panel.wait_for_icon()
    daemon.show(state=State.WAITING_FOR_MICROPHONE, reason=Fact("microphone-gone", {"microphone": HEADSET.description}))
    said = ("The microphone is gone", f"{HEADSET.description} was unplugged or switched off")
    wait_until(lambda: panel.notifications == [said])
    daemon.show(state=State.RUNNING, reason=Fact())
    wait_until(lambda: panel.notifications[1:] == [("Back to normal", HEADSET.description)], seconds=15)


def test_trouble_is_not_announced_to_those_who_do_not_want_it(
    panel: Panel, daemon: QuietDaemon, start_tray: StartTray, tmp_path: Path
) -> None:
    chosen = tmp_path / "config" / "densenoiser" / "desktop.ini"
    chosen.parent.mkdir(parents=True)
    chosen.write_text("[desktop]\nnotifications = off\n")
    daemon.start()
    start_tray()
    panel.wait_for_icon()
    daemon.show(state=State.WAITING_FOR_MICROPHONE, reason=Fact("microphone-gone", {"microphone": HEADSET.description}))
    wait_until(lambda: "was unplugged" in panel.tooltip(), 10, "the trouble is seen")
    time.sleep(2.0)
    assert panel.notifications == []


def test_what_the_daemon_refuses_is_shown(panel: Panel, daemon: QuietDaemon, start_tray: StartTray) -> None:
    daemon.start()
    daemon.controls.settings = type(daemon.controls.settings)(microphone="gone.mic")
    start_tray()
    panel.wait_for_icon()
    wait_until(lambda: panel.menu().find("Microphone", "Webcam"))
    daemon.controls.microphones = (HEADSET,)  # gone already, but the menu does not know yet
    panel.click("Microphone", "Webcam")
    wait_until(lambda: panel.notifications)
    assert "webcam" in panel.notifications[0][1]


def test_start_at_login_is_a_switch(panel: Panel, daemon: QuietDaemon, start_tray: StartTray, tmp_path: Path) -> None:
    entry = tmp_path / "config" / "autostart" / "org.densenoiser.DenseNoiser.desktop"
    start_tray()
    panel.wait_for_icon()
    assert panel.menu().find("Start at login").is_checked is False
    panel.click("Start at login")
    wait_until(entry.is_file)
    wait_until(lambda: panel.menu().find("Start at login").is_checked)
    panel.click("Start at login")
    wait_until(lambda: not entry.exists())


def test_quit_ends_the_icon_and_leaves_the_daemon(panel: Panel, daemon: QuietDaemon, start_tray: StartTray) -> None:
    daemon.start()
    tray = start_tray()
    panel.wait_for_icon()
    wait_until(lambda: panel.menu().find("Hide this icon: DenseNoiser keeps running"))
    panel.click("Hide this icon: DenseNoiser keeps running")
    assert tray.wait(timeout=10) == 0
    assert not daemon.controls.ended.is_set()


def test_it_ends_with_the_session_bus(
    panel: Panel, bus_process: subprocess.Popen[bytes], start_tray: StartTray
) -> None:
    tray = start_tray()
    panel.wait_for_icon()
    wait_until(lambda: panel.menu().find("Start DenseNoiser"))
    bus_process.terminate()
    _, said = tray.communicate(timeout=20)
    assert tray.returncode == 0, said
    assert "Traceback" not in said


def test_an_interrupt_of_a_shown_icon_is_no_crash(panel: Panel, start_tray: StartTray) -> None:
    tray = start_tray()
    panel.wait_for_icon()
    wait_until(lambda: panel.menu().find("Start DenseNoiser"))
    tray.send_signal(signal.SIGINT)
    _, said = tray.communicate(timeout=20)
    assert (tray.returncode, said) == (0, "")


@pytest.fixture
def failing_notifications(bus: str) -> None:
    """A notification service that the bus knows, and that ends at every start."""
    service = Path(os.environ["XDG_DATA_HOME"]) / "dbus-1" / "services" / "org.freedesktop.Notifications.service"
    service.write_text("[D-BUS Service]\nName=org.freedesktop.Notifications\nExec=/bin/false\n", encoding="utf-8")


@pytest.mark.usefixtures("failing_notifications")
def test_a_notification_service_that_cannot_start_takes_no_icon_away(
    bus: str, daemon: QuietDaemon, start_tray: StartTray
) -> None:
    panel = Panel(bus, has_notifications=False)
    try:
        daemon.start()
        tray = start_tray()
        panel.wait_for_icon()
        daemon.show(state=State.WAITING_FOR_MICROPHONE, reason=Fact("no-microphone"))
        wait_until(lambda: panel.tooltip().startswith("Waiting for a microphone"))
        tray.terminate()
        _, said = tray.communicate(timeout=20)
        assert (tray.returncode, said) == (0, "")
    finally:
        panel.close()


@pytest.mark.usefixtures("failing_notifications")
def test_nor_does_it_take_the_icon_of_an_old_panel(x_display: str, daemon: QuietDaemon, start_tray: StartTray) -> None:
    with tray_window(x_display) as window:
        daemon.start()
        tray = start_tray()
        wait_until(window.docked, seconds=20)
        tray.terminate()
        _, said = tray.communicate(timeout=20)
        assert (tray.returncode, "Traceback" in said) == (0, False), said


def test_plain_x_without_the_letters_of_a_name_shows_the_icon(
    x_display: str, daemon: QuietDaemon, start_tray: StartTray
) -> None:
    """The title is the window's name there, which has Latin letters only."""
    with tray_window(x_display) as window:
        daemon.controls.status = replace(daemon.controls.status, listeners=("Микрофон",))
        daemon.start()
        tray = start_tray(PYSTRAY_BACKEND="xorg")
        wait_until(window.docked, seconds=20)
        time.sleep(1.0)  # pystray may forget the title or show it, but must not die of it
        tray.terminate()
        _, said = tray.communicate(timeout=20)
        assert (tray.returncode, "Traceback" in said) == (0, False), said


def _shows(panel: Panel, tooltip: str) -> bool:
    return panel.tooltip() == tooltip
