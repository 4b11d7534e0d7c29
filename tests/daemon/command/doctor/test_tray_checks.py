"""The doctor on the tray: a panel that shows icons, and the entry that starts the icon at login."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest
from tests.support.fake_panel import Panel

from densenoiser_daemon.command.doctor import daemon_checks, doctor, tray_checks
from densenoiser_daemon.command.doctor.finding import Finding, Verdict

ENTRY = "org.densenoiser.DenseNoiser.desktop"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's configuration folder, empty, in a graphical session without any tray window."""
    for name in ("CONFIG_HOME", "CONFIG_DIRS", "DATA_HOME"):
        monkeypatch.setenv(f"XDG_{name}", str(tmp_path / name))
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.delenv("DISPLAY", raising=False)
    (tmp_path / "CONFIG_HOME" / "autostart").mkdir(parents=True)
    return tmp_path / "CONFIG_HOME"


def write_entry(home: Path, text: str) -> None:
    (home / "autostart" / ENTRY).write_text(f"[Desktop Entry]\n{text}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "verdict", "starts_daemon"),
    [
        (f'Exec="{sys.executable}" --start', Verdict.GOOD, True),
        (f'Exec="{sys.executable}"', Verdict.GOOD, False),
        (f'Exec="{sys.executable}" --start\nHidden=true', Verdict.ADVICE, False),
        ('Exec="/gone/densenoiser-tray" --start', Verdict.FAULT, False),
    ],
)
def test_the_entry_for_login_is_known(home: Path, text: str, verdict: Verdict, starts_daemon: bool) -> None:
    write_entry(home, text)
    (finding,) = tray_checks.entry()
    assert (finding.check, finding.verdict) == ("tray-autostart", verdict)
    assert tray_checks.starts_daemon() is starts_daemon


def test_a_daemon_that_the_tray_starts_needs_no_unit(home: Path) -> None:
    assert [finding.verdict for finding in daemon_checks.autostart(by_tray=True)] == [Verdict.GOOD]
    assert [finding.verdict for finding in daemon_checks.autostart()] == [Verdict.ADVICE]


def test_a_desktop_without_a_panel_is_found_and_one_with_a_panel_is_not(home: Path, bus: str) -> None:
    (finding,) = tray_checks.panel()
    assert (finding.check, finding.verdict) == ("panel", Verdict.ADVICE)
    panel = Panel(bus)
    try:
        (finding,) = tray_checks.panel()
        assert finding.verdict is Verdict.GOOD
    finally:
        panel.close()


def test_faults_come_first_and_good_news_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        doctor,
        "examine",
        lambda: iter(Finding(v, v, f"it is {v}") for v in (Verdict.GOOD, Verdict.ADVICE, Verdict.FAULT)),
    )

    def said(**options: bool) -> str:
        assert doctor.run(argparse.Namespace(**{"fix": False, "json": False, "verbose": False, **options})) == 1
        return capsys.readouterr().out

    assert said().splitlines()[:2] == ["✗ it is fault", "! it is advice"]
    assert "it is good" not in said()
    assert said(verbose=True).splitlines()[2] == "✓ it is good"
    assert "it is good" in said(json=True)
