"""Commands that find no daemon start it over the bus, and what they name as a remedy works on the machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from densenoiser_daemon.command import remedies
from densenoiser_daemon.command.cli import main
from densenoiser_daemon.command.doctor import daemon_checks

SERVE = """\
#!{python}
from pathlib import Path
from tests.support.quiet_daemon import QuietDaemon
daemon = QuietDaemon(Path("{folder}"))
daemon.start()
daemon.controls.ended.wait(60)
daemon.stop()
"""
Plant = Callable[[str], None]


@pytest.fixture
def plant(bus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Makes the bus know the daemon, by the program given."""
    monkeypatch.setenv("LANGUAGE", "C")

    def known(program: str) -> None:
        service = Path(os.environ["XDG_DATA_HOME"]) / "dbus-1" / "services" / "org.densenoiser.Daemon1.service"
        service.write_text(f"[D-BUS Service]\nName=org.densenoiser.Daemon1\nExec={program}\n", encoding="utf-8")

    return known


@pytest.fixture
def serve(plant: Plant, tmp_path: Path) -> None:
    """A daemon that the bus can start. It ends with ``quit``."""
    program = tmp_path / "densenoised"
    program.write_text(SERVE.format(python=sys.executable, folder=tmp_path), encoding="utf-8")
    plant(f"/usr/bin/env PYTHONPATH={os.pathsep.join(sys.path)} {sys.executable} {program}")


@pytest.mark.parametrize(
    "command", ["on", "off", "toggle", "mute", "unmute", "strength", "mic", "mics", "model", "models"]
)
def test_a_command_starts_the_daemon_and_says_so(serve: None, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command]) == 0
    out, err = capsys.readouterr()
    assert out
    assert err == "DenseNoiser was not running; it has been started.\n"
    assert main([command]) == 0
    assert capsys.readouterr().err == ""
    assert main(["quit"]) == 0


def test_toggling_a_daemon_that_was_not_there_switches_on(serve: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was filtered before, so that the other way is on: a menu entry with this command must not end in "off"."""
    assert main(["toggle"]) == 0
    assert capsys.readouterr().out == "Noise removal is on.\n"
    assert main(["toggle"]) == 0
    assert capsys.readouterr().out == "Noise removal is off.\n"
    assert main(["quit"]) == 0


@pytest.mark.parametrize("command", ["status", "quit"])
def test_asking_whether_it_runs_and_ending_it_start_nothing(
    serve: None, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """A panel may ask for the status every second: that must not undo a quit."""
    for _ in range(2):
        assert main([command]) == 7
        assert "is not running" in capsys.readouterr().err


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/densenoised"])
def test_a_daemon_that_cannot_be_started_is_one_clear_line(
    plant: Plant, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    plant(program)
    assert main(["on"]) == 7
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "the session bus could not start it" in err


REMEDIES = [
    remedies.start_command,
    remedies.restart_command,
    remedies.forced_restart_command,
    remedies.see_log,
    remedies.start_sound_server,
]


def bare_path(folder: Path, *programs: str) -> str:
    """A PATH with programs that succeed and nothing else."""
    folder.mkdir()
    for name in programs:
        (folder / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return str(folder)


@pytest.mark.parametrize("remedy", REMEDIES)
def test_where_systemd_works_it_is_named(
    remedy: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", bare_path(tmp_path / "bin", "systemctl", "journalctl"))
    assert "systemctl --user" in remedy() or "journalctl --user" in remedy()


@pytest.mark.parametrize("remedy", REMEDIES)
@pytest.mark.parametrize("programs", [(), ("journalctl",)])
def test_where_it_does_not_nothing_of_it_is(
    remedy: Callable[[], str], programs: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bare_path(tmp_path / "bin", *programs)
    # "cat" shows a unit's file without a manager too.
    (tmp_path / "bin" / "systemctl").write_text('#!/bin/sh\n[ "$2" = cat ]\n', encoding="utf-8")
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", path)
    assert "systemctl" not in remedy()
    assert "journalctl" not in remedy()


def test_the_doctor_names_no_systemd_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", bare_path(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    unit = tmp_path / "systemd" / "user" / "densenoised.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(f"[Service]\nExecStart={sys.executable} --wait\n", encoding="utf-8")
    found = [*daemon_checks.daemon(None, is_locked=False), *daemon_checks.daemon(None, is_locked=True)]
    found += daemon_checks.autostart()
    assert len(found) >= 3
    assert not [f for f in found if "systemctl" in f.remedy]
