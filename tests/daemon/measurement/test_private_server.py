"""The private server: nothing of it touches the user's, and nothing of it stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.waiting import wait_until

from densenoiser_daemon.errors import BackendError, DensenoiserError
from densenoiser_daemon.measurement.demo import run_demo
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer, feed_of

HOSTILE = {
    "PULSE_SINK": "speakers",
    "PIPEWIRE_REMOTE": "other",
    "XDG_DATA_HOME": "/nowhere",
    "NOTIFY_SOCKET": "/nowhere",
}


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("users")
def test_its_environment_has_nothing_of_the_users(tmp_path: Path) -> None:
    environment = PrivateServer("pipewire", tmp_path).environment
    assert not {"PULSE_SINK", "PIPEWIRE_REMOTE", "NOTIFY_SOCKET"} & environment.keys()
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        assert Path(environment[name]).is_relative_to(tmp_path)
    assert environment["PATH"] == os.environ["PATH"]


def test_it_has_a_default_microphone_and_ends_with_its_block(server: PrivateServer) -> None:
    with server.control() as pulse:
        wait_until(lambda: pulse.server_info().default_source_name == MICROPHONE_NAME, 10, "it is the default")
        assert feed_of() in [sink.name for sink in pulse.sink_list()]
    server.__exit__(None, None, None)
    assert all(process.poll() is not None for process in server.processes.values())


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown kind of sound server 'oss'"):
        PrivateServer("oss", tmp_path)


def test_a_demo_without_a_sound_server_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match="install pipewire, pipewire-pulse and wireplumber, or pulseaudio"):
        run_demo(tmp_path / "out", None, None, None)


def test_a_demo_that_cannot_write_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DensenoiserError, match=r"cannot write to .*file/out"):
        run_demo(tmp_path / "file" / "out", "pulseaudio", None, None)
