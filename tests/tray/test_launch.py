"""What a launch of the tray does before there is an icon, or where there is none: the daemon, the words, the exit code."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.fake_panel import Panel
from tests.support.start_tray import StartTray
from tests.support.waiting import wait_until

SHARE = Path(__file__).resolve().parents[2] / "packaging" / "share"


def test_a_second_icon_is_refused(panel: Panel, start_tray: StartTray) -> None:
    start_tray()
    panel.wait_for_icon()
    second = start_tray()
    _, said = second.communicate(timeout=20)
    assert second.returncode == 1
    assert "the DenseNoiser icon is there already" in said
    assert panel.icon_count == 1


def test_without_a_panel_it_says_so_once_and_ends(start_tray: StartTray) -> None:
    tray = start_tray(["--wait", "0.2"])
    _, said = tray.communicate(timeout=20)
    assert tray.returncode == 1
    assert said.count("This desktop shows no tray icons") == 1
    assert "densenoiser --help" in said


def test_without_a_display_it_points_to_the_command(start_tray: StartTray) -> None:
    tray = start_tray(DISPLAY="", WAYLAND_DISPLAY="")
    _, said = tray.communicate(timeout=20)
    assert tray.returncode == 1
    assert "densenoiser --help" in said


def test_without_a_session_bus_it_says_so(start_tray: StartTray, tmp_path: Path) -> None:
    tray = start_tray(DBUS_SESSION_BUS_ADDRESS="", XDG_RUNTIME_DIR=str(tmp_path))
    _, said = tray.communicate(timeout=20)
    assert tray.returncode == 1
    assert f"no session bus at unix:path={tmp_path}/bus" in said


def test_start_asks_the_bus_to_start_the_daemon(panel: Panel, start_tray: StartTray, tmp_path: Path) -> None:
    started = _plant_daemon(tmp_path / "elsewhere")
    service = SHARE / "dbus-1" / "services" / "org.densenoiser.Daemon1.service"
    text = service.read_text(encoding="utf-8").replace("@bindir@", str(tmp_path / "elsewhere"))
    (Path(os.environ["XDG_DATA_HOME"]) / "dbus-1" / "services" / service.name).write_text(text, encoding="utf-8")
    start_tray()
    panel.wait_for_icon()
    panel.click("Start DenseNoiser")
    wait_until(lambda: started.is_file() and started.read_text(encoding="utf-8") == "--wait\n")


def test_where_the_bus_cannot_start_the_daemon_the_tray_does(
    panel: Panel, start_tray: StartTray, tmp_path: Path
) -> None:
    started = _plant_daemon(tmp_path / "bin")
    start_tray(["--start"])
    panel.wait_for_icon()
    wait_until(lambda: started.is_file() and started.read_text(encoding="utf-8") == "--wait\n")


def test_an_interrupt_of_a_waiting_tray_is_no_crash(bus: str, start_tray: StartTray, tmp_path: Path) -> None:
    started = _plant_daemon(tmp_path / "bin")
    tray = start_tray(["--start"])
    wait_until(started.is_file)
    tray.send_signal(signal.SIGINT)
    _, said = tray.communicate(timeout=20)
    assert (tray.returncode, said) == (130, "")


def test_without_a_panel_the_daemon_is_started_and_the_desktop_says_so(
    bus: str, start_tray: StartTray, tmp_path: Path
) -> None:
    started = _plant_daemon(tmp_path / "bin")
    desktop = Panel(bus, has_icons=False)
    try:
        tray = start_tray(["--start", "--wait", "0.2"])
        _, said = tray.communicate(timeout=20)
        assert "This desktop shows no tray icons" in said
        assert started.is_file()
        ((title, body),) = desktop.notifications
        assert title == "DenseNoiser is running"
        assert "DenseNoiser Mic" in body
        assert "no tray icons" in body
    finally:
        desktop.close()


def test_a_daemon_that_cannot_be_started_is_told_on_the_desktop(
    bus: str, start_tray: StartTray, tmp_path: Path
) -> None:
    (tmp_path / "bin" / "densenoised").write_text("no program", encoding="utf-8")
    desktop = Panel(bus, has_icons=False)
    try:
        start_tray(["--start", "--wait", "0.2"]).communicate(timeout=20)
        assert [title for title, _body in desktop.notifications] == [
            "DenseNoiser could not start",
            "DenseNoiser is not running",
        ]
        assert "densenoised" in desktop.notifications[0][1]
    finally:
        desktop.close()


def test_a_second_launch_says_where_the_first_one_is_and_starts_the_daemon(
    panel: Panel, start_tray: StartTray, tmp_path: Path
) -> None:
    start_tray()
    panel.wait_for_icon()
    started = _plant_daemon(tmp_path / "bin")
    second = start_tray(["--start"])
    assert second.wait(20) == 1
    ((title, body),) = panel.notifications
    assert title == "DenseNoiser is running"
    assert "Its icon is on the panel" in body
    assert started.is_file()


def test_a_bus_that_knows_the_daemon_but_cannot_start_it_is_no_hindrance(
    panel: Panel, start_tray: StartTray, tmp_path: Path
) -> None:
    """As where the service file names a systemd unit and no systemd runs, or a program that has moved."""
    started = _plant_daemon(tmp_path / "bin")
    service = Path(os.environ["XDG_DATA_HOME"]) / "dbus-1" / "services" / "org.densenoiser.Daemon1.service"
    service.write_text("[D-BUS Service]\nName=org.densenoiser.Daemon1\nExec=/nowhere/densenoised\n", encoding="utf-8")
    start_tray(["--start"])
    wait_until(lambda: started.is_file() and started.read_text(encoding="utf-8") == "--wait\n")


def _plant_daemon(folder: Path) -> Path:
    """A densenoised that writes its arguments into the file returned."""
    folder.mkdir(exist_ok=True)
    program, trace = folder / "densenoised", folder / "started"
    program.write_text(f'#!/bin/sh\necho "$@" > "{trace}"\n', encoding="utf-8")
    program.chmod(0o755)
    return trace
