"""The runner for servers of newer systems says what it lacks, and fails with a code of its own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from tests.servers import __main__ as servers

from densenoiser_daemon.measurement.private_server import PrivateServer


def test_without_the_means_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert servers.main(["trixie"]) == servers.EXIT_NO_MEANS
    said = capsys.readouterr().out
    assert "Debian 13" in said, "what it covers comes first"
    assert "mmdebstrap is not installed" in said
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert servers.main(["trixie"]) == servers.EXIT_NO_MEANS
    assert "only root" in capsys.readouterr().out


def test_a_system_that_it_does_not_know_is_an_error() -> None:
    with pytest.raises(SystemExit) as error:
        servers.main(["hurd"])
    assert error.value.code == 2


def test_a_server_starts_behind_the_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PrivateServer, "prefix", (sys.executable, "-c", "import sys; print(sys.argv[1:])"))
    server = PrivateServer("pulseaudio", tmp_path)
    server.spawn("a-server", "--quick").wait()
    server.__exit__(None, None, None)
    assert (tmp_path / "a-server.log").read_text() == "['a-server', '--quick']\n"
