"""A private session bus, controls that remember what they were told, and sound servers that tests share."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from tests.daemon.conftest import StartDaemon

from densenoiser_daemon.audio.backend import Microphone
from densenoiser_daemon.command.cli import main
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.errors import UnusableModelError
from densenoiser_daemon.measurement.demo import start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, SERVER_KINDS, PrivateServer
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import Levels, State, Status
from densenoiser_models.errors import ModelError
from densenoiser_models.model_file import load_model

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
            latency_ceiling_ms=60.0,
            levels=Levels(-30.0, -42.0, 12.0),
        )
        self.microphones: tuple[Microphone, ...] = (HEADSET, WEBCAM)
        self.ended = threading.Event()

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
        self.ended.set()


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether ``holds`` becomes true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextlib.contextmanager
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


# -- one sound server of each kind for all tests of a module, and one daemon for those that leave it as it was ---------


class Daemons:
    """The daemon of a server: of one process at a time."""

    def __init__(self, server: PrivateServer) -> None:
        self._server = server
        self._settings = Path(server.environment["XDG_CONFIG_HOME"]) / "densenoiser"
        self._process: subprocess.Popen[bytes] | None = None
        self._is_shared = False

    def shared(self) -> subprocess.Popen[bytes]:
        """One that other tests have used, and will."""
        process = self._process
        if process is None or process.poll() is not None or not self._is_shared:
            self.end()
            process = self.start()
            self._is_shared = True
        return process

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A fresh one, with the settings as the last one left them."""
        self._stop()
        command = [sys.executable, "-m", "densenoiser_daemon.main", "--device", MICROPHONE_NAME, "--verbose"]
        self._process = start_daemon(self._server, [*command, *arguments])
        return self._process

    def end(self) -> None:
        """End it, and forget its settings."""
        self._stop()
        shutil.rmtree(self._settings, ignore_errors=True)

    def _stop(self) -> None:
        process, self._process, self._is_shared = self._process, None, False
        if process is not None:
            process.terminate()
            process.wait()


@pytest.fixture(scope="module", params=SERVER_KINDS)
def daemons(request: pytest.FixtureRequest) -> Iterator[tuple[PrivateServer, Daemons]]:
    """A server with a session bus, and its daemon; the folder's path is short, as socket paths must be."""
    with tempfile.TemporaryDirectory(prefix="dn-") as folder, PrivateServer(request.param, Path(folder)) as running:
        running.start_bus()
        daemon = Daemons(running)
        yield running, daemon
        daemon.end()


@pytest.fixture
def server(daemons: tuple[PrivateServer, Daemons], monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateServer]:
    """The server, to which this process belongs for the time; what a test killed or pulled out is there again."""
    running, _daemon = daemons
    running.start()
    running.start_bus()
    for name, value in running.environment.items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    for name in set(os.environ) - set(running.environment):
        if name.startswith(("PULSE_", "PIPEWIRE_", "XDG_", "DBUS_", "DISPLAY", "WAYLAND_")):
            monkeypatch.delenv(name)
    yield running
    # Shown by pytest if the test failed.
    for log in sorted(running.folder.glob("*.log")):
        sys.stdout.write(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}\n")


@pytest.fixture
def daemon(server: PrivateServer, daemons: tuple[PrivateServer, Daemons]) -> Iterator[StartDaemon]:
    """Starts ``densenoised`` afresh with the given arguments; it ends with the test and leaves no settings."""
    daemons[1].end()
    yield daemons[1].start
    daemons[1].end()


@pytest.fixture
def shared_daemon(server: PrivateServer, daemons: tuple[PrivateServer, Daemons]) -> subprocess.Popen[bytes]:
    """``densenoised`` on its defaults, which the test must leave so."""
    return daemons[1].shared()


def run_command(*words: str) -> tuple[int, str]:
    """``densenoiser`` in this process; its exit code and what it printed."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main(words)
    return code, printed.getvalue()
