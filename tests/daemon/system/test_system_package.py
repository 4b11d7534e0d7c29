"""What people are told where the programs run from a system package: no pip, no files of their own."""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module
from pathlib import Path

import pytest
from tests.support.daemons import run_command

from densenoiser_daemon.command.doctor import machine_checks
from densenoiser_daemon.command.doctor.finding import Verdict
from densenoiser_daemon.command.install import install_user
from densenoiser_daemon.measurement import demo
from densenoiser_daemon.system.system_package import how_to_start, packaged_unit
from densenoiser_models.bundle import how_to_install
from densenoiser_models.engines import ENGINES

tray = import_module("densenoiser_tray.main")


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """As PyInstaller's start-up code marks it."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)


def test_without_a_package_pip_and_install_user_are_the_way() -> None:
    assert how_to_install("'densenoiser[tags]'") == "pip install 'densenoiser[tags]'"
    assert ENGINES["rnnoise"].install == "pip install --no-deps pyrnnoise"
    assert how_to_start().startswith("densenoiser install-user")
    assert "python3-gi" in tray._without_menu()


def test_in_a_bundle_nobody_is_sent_to_pip(bundle: None) -> None:
    told = [how_to_install("'densenoiser[eval]'"), ENGINES["rnnoise"].install, *demo._what_next(Path("out"), False)]
    assert not [text for text in told if "pip install" in text or "install-user" in text]
    assert any("systemctl --user enable --now densenoised.service" in text for text in told)


def test_in_a_bundle_the_tray_asks_for_no_toolkit(bundle: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "has_desktop", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (found,) = machine_checks.tray()
    assert (found.verdict, found.remedy) == (Verdict.GOOD, "")
    assert "python3-gi" not in tray._without_menu()


def test_the_packages_unit_is_found(tmp_path: Path) -> None:
    assert packaged_unit([tmp_path]) is None
    (tmp_path / "densenoised.service").touch()
    assert packaged_unit([tmp_path / "none", tmp_path]) == tmp_path / "densenoised.service"


def test_install_user_does_not_hide_the_system_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(install_user, "UNIT_FOLDERS", (tmp_path,))
    (tmp_path / "densenoised.service").touch()
    assert run_command("install-user")[0] == 1
    assert str(tmp_path / "densenoised.service") in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
