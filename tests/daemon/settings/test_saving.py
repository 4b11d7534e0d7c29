"""The settings file is whole at any moment, whatever happens during a write."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from densenoiser_daemon.errors import SettingsError
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_daemon.settings.settings import Settings

DEFAULTS = Settings()


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    return SettingsFile(tmp_path / "densenoiser" / "settings.toml")


def write(file: SettingsFile, content: str | bytes) -> None:
    file.path.parent.mkdir(exist_ok=True)
    file.path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_a_write_never_makes_a_file_that_cannot_be_read(file: SettingsFile) -> None:
    strengths = MappingProxyType({f"{number}" * 300: 1.0 for number in range(20, 60)})
    with pytest.raises(SettingsError, match="larger than 16384 bytes"):
        file.save(DEFAULTS, replace(DEFAULTS, microphone_strengths=strengths))
    assert not file.path.exists()


def test_a_folder_in_place_of_the_file_is_named(file: SettingsFile) -> None:
    file.path.mkdir(parents=True)
    assert file.load() == DEFAULTS
    assert "is not a file" in file.problems[0]
    with pytest.raises(SettingsError, match="is not a file"):
        file.save(DEFAULTS, replace(DEFAULTS, muted=True))


def test_a_broken_file_is_kept_beside_the_new_one(file: SettingsFile) -> None:
    write(file, "muted = \n")
    before = file.load()
    file.save(before, replace(before, muted=True))
    assert file.load() == replace(DEFAULTS, muted=True)
    assert file.path.with_name("settings.toml.broken").read_text() == "muted = \n"


def test_a_file_broken_while_the_daemon_runs_is_kept_too(file: SettingsFile) -> None:
    file.save(DEFAULTS, replace(DEFAULTS, muted=True))
    write(file, "oops")
    file.save(DEFAULTS, replace(DEFAULTS, enabled=False))
    assert file.path.with_name("settings.toml.broken").read_text() == "oops"
    assert file.load() == replace(DEFAULTS, enabled=False)


def test_a_newer_file_is_read_as_far_as_it_goes_and_never_written(file: SettingsFile) -> None:
    text = 'version = 2\nmuted = true\nmood = "sunny"\n'
    write(file, text)
    before = file.load()
    assert before == replace(DEFAULTS, muted=True)
    assert "newer DenseNoiser" in file.problems[0]
    assert len(file.problems) == 1
    with pytest.raises(SettingsError, match="newer DenseNoiser"):
        file.save(before, replace(before, muted=False))
    assert file.path.read_text() == text


def test_a_linked_file_stays_a_link(file: SettingsFile, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("muted = true\n")
    file.path.parent.mkdir()
    file.path.symlink_to(real)
    file.save(file.load(), replace(DEFAULTS, muted=False))
    assert file.path.is_symlink()
    assert tomllib.loads(real.read_text()) == {"muted": False}


def test_a_write_that_fails_is_an_error_and_leaves_the_old_file(file: SettingsFile) -> None:
    file.save(DEFAULTS, replace(DEFAULTS, muted=True))
    file.path.with_name("settings.toml.new").mkdir()
    with pytest.raises(SettingsError, match=r"cannot store the settings in .*settings\.toml: "):
        file.save(DEFAULTS, replace(DEFAULTS, enabled=False))
    assert file.load() == replace(DEFAULTS, muted=True)


@pytest.mark.parametrize("limit", [0, 20])
def test_a_write_that_finds_no_room_leaves_no_half_file(file: SettingsFile, limit: int) -> None:
    file.save(DEFAULTS, replace(DEFAULTS, muted=True))
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, room[1]))
    try:
        with pytest.raises(SettingsError, match="File too large"):
            file.save(DEFAULTS, replace(DEFAULTS, enabled=False))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
    assert file.load() == replace(DEFAULTS, muted=True)
    assert [path.name for path in file.path.parent.iterdir()] == ["settings.toml"]


WRITER = """
import itertools, sys
from dataclasses import replace
from pathlib import Path
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_daemon.settings.settings import Settings
file, before = SettingsFile(Path(sys.argv[1])), Settings()
print("ready", flush=True)
for number in itertools.count():
    after = replace(before, strength_db=float(number), model="m" * (number % 900 + 1))
    file.save(before, after)
    before = after
"""


@pytest.mark.slow
def test_killed_in_the_middle_of_a_write_the_file_is_whole(file: SettingsFile) -> None:
    """Twenty kills at random moments of a process that does nothing but write."""
    for attempt in range(20):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(file.path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(0.03 + 0.0037 * attempt)
            os.kill(process.pid, signal.SIGKILL)
        settings = file.load()
        assert file.problems == ()
        assert len(settings.model) == settings.strength_db % 900 + 1  # both from the same write
    assert settings.strength_db > 0
    file.save(settings, replace(settings, muted=True))
    assert {path.name for path in file.path.parent.iterdir()} == {"settings.toml"}
