"""``densenoiser install-user`` and ``uninstall-user`` in a home of their own."""

from __future__ import annotations

import configparser
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from densenoiser_daemon.measurement.private_server import PrivateServer, available_kinds

ROOT = Path(__file__).resolve().parents[2]
SHARE = ROOT / "packaging" / "share"
STAND_IN_TRAY = """
import asyncio
from dbus_fast.aio import MessageBus

async def main():
    bus = await MessageBus().connect()
    await bus.request_name("org.densenoiser.Tray1")
    print("ready", flush=True)
    await bus.wait_for_disconnect()

asyncio.run(main())
"""
"""Owns the tray's name on the bus, without a panel."""
Densenoiser = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the three programs, as a virtual environment has; its name has a space."""
    folder = tmp_path / "an environment"
    folder.mkdir()
    for name, module in (
        ("densenoised", "densenoiser_daemon.main"),
        ("densenoiser", "densenoiser_daemon.command.cli"),
        ("densenoiser-tray", "densenoiser_tray.main"),
        ("densenoiser-window", "densenoiser_window.main"),
    ):
        (folder / name).write_text(
            f"#!{sys.executable}\nfrom {module} import main\nraise SystemExit(main())\n", encoding="utf-8"
        )
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def densenoiser(tmp_path: Path, programs: Path) -> Densenoiser:
    """Runs the command for a user without a session; a systemctl on PATH, if the test puts one there, is the first found."""

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "DBUS_"))} | {
            "HOME": str(tmp_path / "home"),
            "LANGUAGE": "en",
            **changes,
        }
        command = [str(programs / "densenoiser"), *arguments]
        return subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)

    return run


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_everything_comes_and_goes(densenoiser: Densenoiser, tmp_path: Path, programs: Path) -> None:
    home = tmp_path / "home"
    settings = home / ".config" / "densenoiser" / "settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("enabled = false\n", encoding="utf-8")
    done = densenoiser("install-user")
    assert done.returncode == 0, done.stderr
    for program in ("Discord", "Zoom", "Google Meet", "Chrome"):
        assert f"  {program}" in done.stdout, "it says where each switches its own suppression off"
    assert "densenoiser default on" in done.stdout, "and what to do next"
    optional = Path("systemd/user/densenoised.service.d/50-confine-files.conf")
    assert files(home / ".local" / "share") | {optional} == files(SHARE)
    autostart = home / ".config" / "autostart" / "org.densenoiser.DenseNoiser.desktop"
    assert f'Exec="{programs}/densenoiser-tray" --start' in autostart.read_text(encoding="utf-8")
    done = densenoiser("uninstall-user")
    assert done.returncode == 0, done.stderr
    assert files(home) == {settings.relative_to(home)}


def test_paths_are_absolute_and_lead_to_programs(densenoiser: Densenoiser, tmp_path: Path, programs: Path) -> None:
    assert densenoiser("install-user", "--no-tray").returncode == 0
    share = tmp_path / "home" / ".local" / "share"
    for path in sorted(share.rglob("*")):
        assert path.is_dir() or "@bindir@" not in path.read_text(encoding="utf-8")
    entry = configparser.ConfigParser(interpolation=None)
    entry.read(share / "applications" / "org.densenoiser.DenseNoiser.desktop", encoding="utf-8")
    for section in entry.sections():
        assert entry[section]["Exec"].startswith(f'"{programs}/densenoiser')
    assert not (tmp_path / "home" / ".config" / "autostart").exists()


def test_installing_twice_repairs(densenoiser: Densenoiser, tmp_path: Path) -> None:
    assert densenoiser("install-user").returncode == 0
    unit = tmp_path / "home" / ".local" / "share" / "systemd" / "user" / "densenoised.service"
    before = unit.read_text(encoding="utf-8")
    unit.write_text("broken", encoding="utf-8")
    assert densenoiser("install-user").returncode == 0
    assert unit.read_text(encoding="utf-8") == before


def test_the_service_manager_is_told(densenoiser: Densenoiser, tmp_path: Path) -> None:
    told = tmp_path / "told"
    path = _systemctl(tmp_path, f'echo "$@" >> "{told}"')
    assert densenoiser("install-user", PATH=path).returncode == 0
    assert densenoiser("uninstall-user", PATH=path).returncode == 0
    assert told.read_text(encoding="utf-8").splitlines() == [
        "--user show-environment",
        "--user daemon-reload",
        "--user enable densenoised.service",
        "--user restart densenoised.service",
        "--user show-environment",
        "--user disable --now densenoised.service",
        "--user daemon-reload",
    ]


def test_a_service_that_does_not_start_is_said(densenoiser: Densenoiser, tmp_path: Path) -> None:
    path = _systemctl(tmp_path, '[ "$2" != restart ] || { echo "Job failed" >&2; exit 1; }')
    done = densenoiser("install-user", PATH=path)
    assert done.returncode == 1
    assert "systemctl --user restart densenoised.service failed: Job failed" in done.stderr


def test_without_user_namespaces_the_unit_is_left_startable(densenoiser: Densenoiser, tmp_path: Path) -> None:
    refusing = tmp_path / "tools" / "unshare"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    refusing.chmod(0o755)
    assert densenoiser("install-user", PATH=f"{refusing.parent}:{os.environ['PATH']}").returncode == 0
    user = tmp_path / "home" / ".local" / "share" / "systemd" / "user"
    assert [path.name for path in user.iterdir()] == ["densenoised.service"]


def test_a_folder_that_cannot_be_written_is_named(densenoiser: Densenoiser, tmp_path: Path) -> None:
    in_the_way = tmp_path / "home" / ".local" / "share"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("a file", encoding="utf-8")
    done = densenoiser("install-user")
    assert done.returncode == 1
    assert str(in_the_way) in done.stderr
    assert "Traceback" not in done.stderr


def _systemctl(tmp_path: Path, script: str) -> str:
    """A PATH with a systemctl first that runs this."""
    program = tmp_path / "tools" / "systemctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def test_what_was_installed_lets_the_bus_start_the_real_daemon(programs: Path) -> None:
    if "pulseaudio" not in available_kinds():
        pytest.skip("needs PulseAudio")
    with tempfile.TemporaryDirectory(prefix="dn-") as folder, PrivateServer("pulseaudio", Path(folder)) as server:

        def run(*command: str | Path) -> int:
            return subprocess.run(
                command, check=False, env=server.environment, capture_output=True, timeout=60
            ).returncode

        densenoiser = programs / "densenoiser"
        assert run(densenoiser, "install-user", "--no-tray") == 0
        server.start_bus()
        assert run(densenoiser, "status") == 7
        asked = ("org.freedesktop.DBus.StartServiceByName", "string:org.densenoiser.Daemon1", "uint32:0")
        assert (
            run(
                "dbus-send",
                "--session",
                "--print-reply",
                "--dest=org.freedesktop.DBus",
                "/org/freedesktop/DBus",
                *asked,
            )
            == 0
        )
        assert run(densenoiser, "status") == 0
        with subprocess.Popen(
            [sys.executable, "-c", STAND_IN_TRAY], env=server.environment, stdout=subprocess.PIPE
        ) as tray:
            assert tray.stdout is not None
            tray.stdout.readline()
            assert run(densenoiser, "uninstall-user") == 0
            assert tray.wait(5) == -signal.SIGTERM
        assert run(densenoiser, "status") == 7
