"""Units that an earlier ``make install`` left hide the package's: the doctor says so, and removes them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from densenoiser_daemon.command.doctor import installation_checks
from densenoiser_daemon.command.doctor.finding import Finding, Verdict
from densenoiser_daemon.command.install.desktop_files import Installation


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with an installation of its own, on a system that has the package too."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(shutil, "which", lambda program: None)
    packaged = tmp_path / "usr/lib/systemd/user"
    packaged.mkdir(parents=True)
    (packaged / "densenoised.service").touch()
    monkeypatch.setattr(installation_checks, "UNIT_FOLDERS", (packaged,))
    Installation().install()
    home = tmp_path / "home"
    for folder in (".local/bin", ".local/share/densenoiser/venv/bin", ".config/autostart", ".config/densenoiser"):
        (home / folder).mkdir(parents=True)
    for name in ("densenoised", "densenoiser"):
        (home / ".local/bin" / name).symlink_to(home / ".local/share/densenoiser/venv/bin" / name)
    (home / ".local/bin/densenoiser-tray").symlink_to("/opt/another/densenoiser-tray")
    (home / ".config/autostart/org.densenoiser.DenseNoiser.desktop").write_text("[Desktop Entry]\nExec=old\n")
    (home / ".config/densenoiser/settings.toml").write_text("strength_db = 12.0\n")
    return home


def the_finding() -> Finding:
    (finding,) = installation_checks.hidden_package()
    return finding


def test_an_own_unit_beside_the_packages_is_a_fault(home: Path) -> None:
    found = the_finding()
    assert (found.check, found.verdict) == ("installation", Verdict.FAULT)
    assert str(home / ".local/share/systemd/user/densenoised.service") in found.text


def test_mending_removes_the_earlier_installation_and_keeps_the_settings(home: Path) -> None:
    mend = the_finding().mend
    assert mend is not None
    assert str(home / ".local/share/densenoiser/venv") in mend()
    assert the_finding().verdict is Verdict.GOOD
    left = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() or path.is_symlink())
    assert left == [".config/densenoiser/settings.toml", ".local/bin/densenoiser-tray"], "what is not ours stays too"


def test_without_a_package_the_own_installation_is_in_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation_checks, "UNIT_FOLDERS", (home / "nowhere",))
    assert list(installation_checks.hidden_package()) == []


def test_a_hidden_entry_for_login_is_a_setting(home: Path) -> None:
    entry = home / ".config/autostart/org.densenoiser.DenseNoiser.desktop"
    entry.write_text("[Desktop Entry]\nHidden=true\n")
    mend = the_finding().mend
    assert mend is not None
    mend()
    assert entry.is_file()
