"""Start at login, as the desktop reads it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from densenoiser_tray import autostart


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"{tmp_path / 'system'}:{tmp_path / 'other'}")


def entry(tmp_path: Path, whose: str) -> Path:
    return tmp_path / whose / "autostart" / autostart.FILE_NAME


def test_on_and_off_leave_no_trace(tmp_path: Path) -> None:
    assert not autostart.is_on()
    autostart.switch(True, Path("/opt/my programs/densenoiser-tray"))
    assert autostart.is_on()
    assert 'Exec="/opt/my programs/densenoiser-tray" --start\n' in entry(tmp_path, "own").read_text(encoding="utf-8")
    autostart.switch(False, Path("/opt/my programs/densenoiser-tray"))
    assert not autostart.is_on()
    assert not entry(tmp_path, "own").exists()


def test_a_systems_entry_is_hidden_not_removed(tmp_path: Path) -> None:
    system = entry(tmp_path, "other")
    system.parent.mkdir(parents=True)
    system.write_text("[Desktop Entry]\nType=Application\nName=DenseNoiser\nExec=densenoiser-tray\n", encoding="utf-8")
    assert autostart.is_on()
    autostart.switch(False, Path("/usr/bin/densenoiser-tray"))
    assert not autostart.is_on()
    assert system.exists()
    autostart.switch(True, Path("/usr/bin/densenoiser-tray"))
    assert autostart.is_on()


def test_what_gnome_switched_off_is_off(tmp_path: Path) -> None:
    autostart.switch(True, Path("/usr/bin/densenoiser-tray"))
    own = entry(tmp_path, "own")
    own.write_text(own.read_text(encoding="utf-8").replace("enabled=true", "enabled=false"), encoding="utf-8")
    assert not autostart.is_on()


@pytest.mark.skipif(shutil.which("desktop-file-validate") is None, reason="needs desktop-file-validate")
def test_the_entries_are_valid(tmp_path: Path) -> None:
    own = entry(tmp_path, "own")
    autostart.switch(True, Path("/opt/100% mine/densenoiser-tray"))
    for _ in range(2):
        done = subprocess.run(["desktop-file-validate", own], check=False, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "")
        system = entry(tmp_path, "system")
        system.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(own, system)
        autostart.switch(False, Path("/usr/bin/densenoiser-tray"))
