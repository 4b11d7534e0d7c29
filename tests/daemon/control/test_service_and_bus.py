"""The service and its bus: none, one that goes and comes back, one that comes late; the control thread's death."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.dbus_calls import ask
from tests.support.private_bus import session_bus
from tests.support.recorded_controls import RecordedControls
from tests.support.waiting import wait_until

from densenoiser_daemon.command.daemon_client import DaemonClient
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.settings.file import SettingsFile


@pytest.mark.parametrize("address", ["", "unix:path=/nowhere/bus", "nonsense", "tcp:host=127.0.0.1,port=1"])
def test_without_a_bus_it_says_so_once_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    controls: RecordedControls,
    store: SettingsFile,
    address: str,
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    service = ControlService(controls, store)
    assert service.start() is False
    service.changed()
    service.stop()
    assert [record.message for record in caplog.records if "no session bus" in record.message] != []
    assert len(caplog.records) == 1


def test_the_bus_is_found_in_the_runtime_folder(
    bus: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, controls: RecordedControls, store: SettingsFile
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "bus").symlink_to(bus.removeprefix("unix:path="))
    service = ControlService(controls, store)
    assert service.start() is True
    assert ask(DaemonClient.properties)["State"] == "running"
    service.stop()


def test_the_service_comes_back_with_its_bus(
    bus_process: subprocess.Popen[bytes],
    bus: str,
    service: ControlService,
    controls: RecordedControls,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twice, with somebody watching the levels and calls on their way when it goes."""
    monkeypatch.setattr("densenoiser_daemon.control.service._RETRY_SECONDS", 0.1)
    caplog.set_level(logging.INFO)

    async def watch_until_the_end(process: subprocess.Popen[bytes]) -> None:
        async with DaemonClient() as client:
            await client.call("Watch", "b", True)
            calls = [asyncio.ensure_future(client.set("Muted", "b", True)) for _number in range(20)]
            await asyncio.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
            await asyncio.gather(*calls, return_exceptions=True)

    with ExitStack() as stack:
        process = bus_process
        for _loss in range(2):
            caplog.clear()
            asyncio.run(watch_until_the_end(process))
            wait_until(lambda: "the session bus is gone" in caplog.text)
            service.changed()
            time.sleep(0.5)  # five attempts in vain
            assert not service._watchers
            process = stack.enter_context(session_bus(bus))
            wait_until(lambda: "the session bus is back" in caplog.text)
            assert ask(DaemonClient.properties)["State"] == "running"
            gc.collect()  # tasks whose error nobody fetched say so then
            assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_bus_that_comes_after_the_daemon_is_used(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    controls: RecordedControls,
    store: SettingsFile,
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("densenoiser_daemon.control.service._RETRY_SECONDS", 0.1)
    caplog.set_level(logging.INFO)
    service = ControlService(controls, store)
    assert service.start() is False
    with session_bus(f"unix:path={tmp_path / 'bus'}"):
        wait_until(lambda: "the session bus is back" in caplog.text)
        assert ask(DaemonClient.properties)["State"] == "running"
        service.stop()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


@pytest.mark.parametrize("address", ["", "unix:path=/nowhere/bus"])
def test_waiting_for_a_bus_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, controls: RecordedControls, store: SettingsFile, address: str
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("densenoiser_daemon.control.service._RETRY_SECONDS", 0.3)  # ten times as often as it is
    service = ControlService(controls, store)
    assert service.start() is False
    started = time.process_time()
    time.sleep(2.0)
    assert (time.process_time() - started) / 10 < 0.004  # 0.2 %
    service.stop()


def test_the_death_of_the_control_thread_is_told(
    bus: str,
    controls: RecordedControls,
    store: SettingsFile,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("densenoiser_daemon.control.service._RETRY_SECONDS", 0.1)
    died = threading.Event()
    service = ControlService(controls, store, on_death=died.set)
    assert service.start() is True
    assert service._bus is not None
    service._connect = None  # type: ignore[assignment, method-assign]
    service._call(service._bus.disconnect)
    assert died.wait(10)
    assert isinstance(service.fault, TypeError)
    assert "the control thread died" in caplog.text
    service.stop()
