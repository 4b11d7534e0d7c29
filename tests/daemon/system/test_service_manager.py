"""What the service manager is told, on a real datagram socket."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from densenoiser_daemon.system.service_manager import notify


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's end, of both kinds of address."""
    path = str(tmp_path / "notify") if request.param == "file" else f"@densenoiser-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(path.replace("@", "\0", 1) if path.startswith("@") else path)
        end.settimeout(5.0)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield end


@pytest.mark.parametrize("message", ["READY=1", "STOPPING=1"])
def test_the_message_arrives(manager: socket.socket, message: str) -> None:
    notify(message)
    assert manager.recv(100) == message.encode()


def test_without_a_service_manager_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    assert not caplog.records


def test_a_dead_service_manager_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1")
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert "READY=1" in caplog.text
