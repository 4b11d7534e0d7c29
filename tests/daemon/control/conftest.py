"""A private session bus, and controls that remember what they were told."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from densenoiser_daemon.audio.api import Microphone
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.settings import Settings
from densenoiser_daemon.settings_file import SettingsFile
from densenoiser_daemon.status import Levels, State, Status
from densenoiser_models.frame import FrameSpec

HEADSET = Microphone("alsa_input.usb-headset", "USB Headset", 48_000, 1, True)
WEBCAM = Microphone("alsa_input.webcam", "Webcam", 44_100, 2, False)


class RecordedControls:
    """Keeps the contract of ``Controls`` without sound: what is applied is in force, what is set is the status."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.status = Status(
            state=State.RUNNING,
            listeners=("Zoom",),
            server="PulseAudio 16.1",
            microphone=HEADSET.name,
            microphone_description=HEADSET.description,
            model="densenet-small",
            provider="cpu",
            algorithmic_latency_ms=20.0,
            transport_latency_ms=31.5,
            levels=Levels(-30.0, -42.0, 12.0),
        )
        self.microphones: tuple[Microphone, ...] = (HEADSET, WEBCAM)
        self.frame = FrameSpec()
        self.ended = threading.Event()

    def apply(self, settings: Settings) -> None:
        self.settings = settings

    def quit(self) -> None:
        self.ended.set()


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether ``holds`` becomes true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def session_bus(address: str) -> Iterator[subprocess.Popen[bytes]]:
    """A bus at ``address`` that answers."""
    command = ["dbus-daemon", "--session", "--nofork", "--print-address", f"--address={address}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        with process.stdout as printed:
            printed.readline()
            yield process
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def bus_process(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """A private session bus that the environment points to."""
    address = f"unix:path={tmp_path_factory.mktemp('bus') / 'socket'}"
    with session_bus(address) as process:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield process


@pytest.fixture
def bus(bus_process: subprocess.Popen[bytes]) -> str:
    """Its address."""
    return os.environ["DBUS_SESSION_BUS_ADDRESS"]


@pytest.fixture
def controls() -> RecordedControls:
    return RecordedControls()


@pytest.fixture
def store(tmp_path: Path) -> SettingsFile:
    return SettingsFile(tmp_path / "settings.toml")


@pytest.fixture
def service(bus: str, controls: RecordedControls, store: SettingsFile) -> Iterator[ControlService]:
    served = ControlService(controls, store)
    assert served.start()
    yield served
    served.stop()
