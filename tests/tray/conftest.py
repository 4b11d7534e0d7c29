"""A private session bus with a panel, an X display, and the real D-Bus service over controls that make no sound."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from densenoiser_daemon.audio.backend import Microphone
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.errors import UnusableModelError
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import State, Status
from densenoiser_models.errors import ModelError
from densenoiser_models.model_file import load_model

from ..support.fake_panel import Panel

HEADSET = Microphone("alsa_input.usb-headset", "USB_Headset & Co", 48_000, 1, True)
WEBCAM = Microphone("alsa_input.webcam", "Webcam", 44_100, 2, False)


class SilentControls:
    """``Controls`` without a sound server: what is applied is in force, what a test sets is the status."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.status = Status(
            state=State.RUNNING,
            listeners=("Zoom",),
            microphone=HEADSET.name,
            microphone_description=HEADSET.description,
        )
        self.microphones: tuple[Microphone, ...] = (HEADSET, WEBCAM)
        self.is_ended = False

    def apply(self, settings: Settings) -> None:
        self.settings = settings

    def use_model(self, model: str) -> Future[None]:
        answer: Future[None] = Future()
        try:
            load_model(model)
        except ModelError as error:
            answer.set_exception(UnusableModelError(str(error)))
        else:
            self.settings = replace(self.settings, model=model)
            answer.set_result(None)
        return answer

    def quit(self) -> None:
        self.is_ended = True


class QuietDaemon:
    """The daemon's D-Bus service alone; may be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.controls = SilentControls()
        self._store = SettingsFile(folder / "settings.toml")
        self._service: ControlService | None = None

    def start(self) -> None:
        self._service = ControlService(self.controls, self._store)
        assert self._service.start()

    def stop(self) -> None:
        if self._service is not None:
            self._service.stop()
        self._service = None

    def show(self, **changes: object) -> None:
        """Change the status, as the engine does."""
        self.controls.status = replace(self.controls.status, **changes)  # type: ignore[arg-type]
        self.tell()

    def plug(self, *microphones: Microphone) -> None:
        """These are the microphones from now on."""
        self.controls.microphones = microphones
        self.tell()

    def tell(self) -> None:
        assert self._service is not None
        self._service.changed()


def eventually(holds: Callable[[], object], seconds: float = 10.0) -> None:
    """Fail unless ``holds`` becomes true in time. A menu that is being replaced may lack the entry looked for: KeyError waits."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
            seen = "it stayed false"
        except KeyError as error:
            seen = str(error)
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)


@pytest.fixture
def bus_process(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """A private session bus that the environment points to, with XDG_DATA_HOME for service files."""
    folder = tmp_path_factory.mktemp("bus")
    address = f"unix:path={folder / 'socket'}"
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    (folder / "dbus-1" / "services").mkdir(parents=True)
    command = ["dbus-daemon", "--session", "--nofork", "--print-address", f"--address={address}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield process
        process.terminate()


@pytest.fixture
def bus(bus_process: subprocess.Popen[bytes]) -> str:
    """Address of the private session bus."""
    return os.environ["DBUS_SESSION_BUS_ADDRESS"]


@pytest.fixture
def panel(bus: str) -> Iterator[Panel]:
    panel = Panel(bus)
    yield panel
    panel.close()


@pytest.fixture
def daemon(bus: str, tmp_path: Path) -> Iterator[QuietDaemon]:
    """Not started yet."""
    daemon = QuietDaemon(tmp_path)
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def x_display() -> Iterator[str]:
    """A display of its own, such as ":100"."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "640x240x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading, encoding="ascii") as numbers:
        number = numbers.readline().strip()
    yield f":{number}"
    process.terminate()
    process.wait()


StartTray = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start_tray(bus: str, x_display: str, tmp_path: Path) -> Iterator[StartTray]:
    """Starts ``densenoiser-tray`` with the given arguments and changed environment; ends it with SIGTERM.

    The program lies in a folder of its own, so that a test decides what is installed beside it.
    """
    running: list[subprocess.Popen[str]] = []
    program = tmp_path / "bin" / "densenoiser-tray"
    program.parent.mkdir()
    program.write_text("from densenoiser_tray.main import main\nraise SystemExit(main())\n", encoding="utf-8")

    def start(arguments: Sequence[str] = (), **changes: str) -> subprocess.Popen[str]:
        environment = os.environ | {
            "DISPLAY": x_display,
            "DBUS_SESSION_BUS_ADDRESS": bus,
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "LANGUAGE": "en",
            "NO_AT_BRIDGE": "1",  # no accessibility bus: GTK would try to start one
            **changes,
        }
        command = [sys.executable, str(program), *arguments]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
