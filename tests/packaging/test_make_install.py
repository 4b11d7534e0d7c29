"""``make install`` and ``make uninstall``: a virtual environment of the user's own, and nothing that needs the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PYTHON = """#!/bin/sh
# Stands in for python3 and its pip: makes the folder of a virtual environment, and "installs" the programs into it.
set -eu
case "$2" in
venv)
    mkdir -p "$4/bin"
    cp "$0" "$4/bin/python"
    ;;
pip)
    echo "$@" >> "{log}"
    case "$*" in *" install "*) cp "{programs}"/* "$(dirname "$0")" ;; esac
    ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone with no more than the scripts."""
    shutil.copytree(ROOT / "packaging", tmp_path / "clone" / "packaging")
    return tmp_path / "clone"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, module in (
        ("densenoised", "densenoiser_daemon.main"),
        ("densenoiser", "densenoiser_daemon.command.cli"),
        ("densenoiser-tray", "densenoiser_tray.main"),
        ("densenoiser-window", "densenoiser_window.main"),
    ):
        (programs / name).write_text(
            f"#!{sys.executable}\nfrom {module} import main\nraise SystemExit(main())\n", encoding="utf-8"
        )
        (programs / name).chmod(0o755)
    program = tmp_path / "python3"
    program.write_text(PYTHON.format(log=tmp_path / "pip.log", programs=programs), encoding="utf-8")
    program.chmod(0o755)
    return program


def run(tmp_path: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "DBUS_"))}
    environment = {**kept, "HOME": str(tmp_path / "home"), "LANGUAGE": "en"}
    (tmp_path / "home").mkdir(exist_ok=True)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_nothing_points_into_the_checkout_and_another_clone_takes_it_away(
    tmp_path: Path, checkout: Path, python: Path
) -> None:
    done = run(tmp_path, checkout / "packaging" / "install.sh", python)
    assert done.returncode == 0, done.stderr
    assert "--editable" not in (tmp_path / "pip.log").read_text(encoding="utf-8")
    shutil.rmtree(checkout)
    home = tmp_path / "home"
    for path in home.rglob("*"):
        assert str(checkout) not in (path.read_text(encoding="utf-8") if path.is_file() else str(path.resolve()))
    assert run(tmp_path, home / ".local" / "bin" / "densenoiser", "--version").stdout.startswith("densenoiser ")
    done = run(tmp_path, ROOT / "packaging" / "uninstall.sh", ROOT / "no-such-venv")
    assert done.returncode == 0, done.stderr
    left = [path for path in home.rglob("*") if path.is_file() or path.is_symlink()]
    assert left == []


def test_what_the_user_has_put_on_the_path_stays(tmp_path: Path, checkout: Path, python: Path) -> None:
    own = tmp_path / "home" / ".local" / "bin" / "densenoiser"
    own.parent.mkdir(parents=True)
    own.write_text("mine", encoding="utf-8")
    done = run(tmp_path, checkout / "packaging" / "install.sh", python)
    assert str(own) in done.stderr
    assert run(tmp_path, checkout / "packaging" / "uninstall.sh", checkout / ".venv").returncode == 0
    assert own.read_text(encoding="utf-8") == "mine"


def test_the_makefile_installs_without_the_checkouts_environment() -> None:
    done = subprocess.run(["make", "-n", "install"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "packaging/install.sh" in done.stdout
    assert ".venv" not in done.stdout
