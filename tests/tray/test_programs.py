"""Finding the daemon, the command and a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from densenoiser_tray import programs


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH; this program and its Python lie elsewhere."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "mine" / "densenoiser-tray")])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python" / "python3"))
    return folder


def put(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (folder / name).chmod(0o755)


def test_what_lies_beside_comes_before_path(path: Path, tmp_path: Path) -> None:
    assert programs.find("densenoised") is None
    put(path, "densenoised")
    assert programs.find("densenoised") == path / "densenoised"
    put(tmp_path / "python", "densenoised")
    assert programs.find("densenoised") == tmp_path / "python" / "densenoised"
    put(tmp_path / "mine", "densenoised")
    assert programs.find("densenoised") == tmp_path / "mine" / "densenoised"


def test_the_monitor_opens_in_the_desktops_own_terminal(path: Path) -> None:
    assert programs.monitor_command() is None
    put(path, "densenoiser")
    assert programs.monitor_command() is None
    put(path, "xterm")
    assert programs.monitor_command() == ["xterm", "-e", str(path / "densenoiser"), "monitor"]
    put(path, "gnome-terminal")
    assert programs.monitor_command() == ["gnome-terminal", "--", str(path / "densenoiser"), "monitor"]
    put(path, "xdg-terminal-exec")
    assert programs.monitor_command() == ["xdg-terminal-exec", str(path / "densenoiser"), "monitor"]


def test_a_program_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        programs.launch([str(tmp_path / "nowhere")])
