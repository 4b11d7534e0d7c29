"""What people chose for tray and window: kept, and never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from densenoiser_tray import preferences


@pytest.fixture(autouse=True)
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, which is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "densenoiser" / "desktop.ini"


def test_what_is_chosen_is_kept(chosen: Path) -> None:
    assert preferences.language() == ""
    assert preferences.has_notifications()
    assert not preferences.has_seen_first_steps()
    preferences.set_language("ru")
    preferences.set_notifications(False)
    preferences.set_seen_first_steps()
    assert preferences.language() == "ru"
    assert not preferences.has_notifications()
    assert preferences.has_seen_first_steps()
    preferences.set_notifications(True)
    assert preferences.has_notifications()
    assert [path.name for path in chosen.parent.iterdir()] == [chosen.name]


@pytest.mark.parametrize("content", [b"nonsense", b"[desktop\n", b"\xff\xfe\x00", b"[desktop]\nlanguage\n"])
def test_a_file_that_cannot_be_read_is_none(chosen: Path, content: bytes) -> None:
    chosen.parent.mkdir()
    chosen.write_bytes(content)
    assert preferences.language() == ""
    assert preferences.has_notifications()
    preferences.set_language("en")
    assert preferences.language() == "en"


def test_the_chosen_language_is_spoken() -> None:
    preferences.set_language("ru")
    code = "from densenoiser_tray.i18n import _; print(_('Mute'))"
    environment = os.environ | {"LANGUAGE": "en", "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "Выключить микрофон"
