"""Fixtures for all tests: private servers with the real daemon, a private bus, engines on fakes, tiny models.

Generated examples are the same in every run. Tests that start sound servers are marked ``server``, those that need a
display ``desktop``; the quick check leaves both out, and ``slow`` too.
"""

from __future__ import annotations

import os

# Before torch is imported. Its threads wait for each other spinning: beside other work on two cores an export took 56 s
# with two of them, 4 s with one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, settings
from tests.support.daemons import Daemons, StartDaemon
from tests.support.fake_backend import FakeBackend
from tests.support.fake_panel import Panel
from tests.support.private_bus import session_bus
from tests.support.recorded_controls import RecordedControls
from tests.support.running_engine import Running, Start, tiny
from tests.support.start_tray import StartTray
from tests.support.tiny_model import MakeModel, write_tiny_model
from tests.support.x_server import x_server

from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.measurement.demo import load_recording, start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, SERVER_KINDS, PrivateServer, feed_of
from densenoiser_daemon.measurement.recorder import RATE
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import State
from densenoiser_models.denoiser import Denoiser
from densenoiser_models.model_file import ModelFile, load_model

# No example races the clock: a busy machine may take any time for it.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # fmt: skip
settings.load_profile("repeatable")

# A job in a shell's background is started with interrupts ignored, and so would be every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

_SERVER_FIXTURES = {"server", "daemons", "stage_on", "report"}
_FOREIGN_SERVICES = (
    "org.freedesktop.portal.Desktop",
    "org.freedesktop.portal.Documents",
    "org.freedesktop.impl.portal.PermissionStore",
)
"""What the bus would start of the machine's own desktop."""
_DESKTOP_FIXTURES = {"x_display", "panel", "start_tray", "tall_display"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the servers be those of another system, whose tree lies in a folder; see ``tests/servers``."""
    parser.addoption("--server-root", metavar="FOLDER", help="run the sound servers in a chroot of this system")


def pytest_configure(config: pytest.Config) -> None:
    """Put the servers of this run into their chroot."""
    if root := config.getoption("--server-root"):
        PrivateServer.prefix = ("chroot", root)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they use."""
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        if used & _SERVER_FIXTURES:
            item.add_marker(pytest.mark.server)
        if used & _DESKTOP_FIXTURES:
            item.add_marker(pytest.mark.desktop)


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Writes a tiny model and its sidecar into ``tmp_path``, and loads them as a user's model file is loaded."""

    def make(name: str = "tiny", **options: Any) -> ModelFile:
        return load_model(str(write_tiny_model(tmp_path, name, **options)))

    return make


def _logs_of(server: PrivateServer) -> None:
    """Print the server's logs, which pytest shows if the test failed."""
    for log in sorted(server.folder.glob("*.log")):
        sys.stdout.write(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}\n")


@pytest.fixture(params=SERVER_KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    """A fresh server of each kind with a fake microphone; its folder's path is short, as socket paths must be."""
    with tempfile.TemporaryDirectory(prefix="dn-") as folder, PrivateServer(request.param, Path(folder)) as running:
        yield running
        _logs_of(running)


@pytest.fixture
def daemon(server: PrivateServer) -> StartDaemon:
    """Starts ``densenoised`` with the given arguments on the server; ready when it returns."""

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "densenoiser_daemon.main", "--device", MICROPHONE_NAME, "--verbose"]
        return start_daemon(server, [*command, *arguments])

    return start


@pytest.fixture(scope="module", params=SERVER_KINDS)
def daemons(request: pytest.FixtureRequest) -> Iterator[tuple[PrivateServer, Daemons]]:
    """A server of each kind with a session bus, and its daemon, for all tests of a module."""
    with tempfile.TemporaryDirectory(prefix="dn-") as folder, PrivateServer(request.param, Path(folder)) as running:
        running.start_bus()
        daemon = Daemons(running)
        yield running, daemon
        daemon.end()


@pytest.fixture
def shared_server(daemons: tuple[PrivateServer, Daemons], monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateServer]:
    """The server of ``daemons``, to which this process belongs for the time. What a test killed is there again."""
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
    _logs_of(running)


@pytest.fixture
def fresh_daemon(shared_server: PrivateServer, daemons: tuple[PrivateServer, Daemons]) -> Iterator[StartDaemon]:
    """Starts ``densenoised`` on the shared server; it ends with the test and leaves no settings."""
    daemons[1].end()
    yield daemons[1].start
    daemons[1].end()


@pytest.fixture
def shared_daemon(shared_server: PrivateServer, daemons: tuple[PrivateServer, Daemons]) -> subprocess.Popen[bytes]:
    """``densenoised`` on its defaults on the shared server, which the test must leave so."""
    return daemons[1].shared()


@pytest.fixture
def talk(server: PrivateServer) -> Callable[..., None]:
    """Plays the demo's noisy speech into the fake microphone (or another sink), for as long as the server lives."""

    def start(sink: str = feed_of()) -> None:
        speech, noise = load_recording()
        path = server.folder / "talk.wav"
        soundfile.write(path, np.tile(2 * speech + noise, 6), RATE, subtype="FLOAT")
        server.play(path, sink)

    return start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an engine; ``model`` are options of the tiny model, ``denoiser`` stands in for it."""
    stack: list[Running] = []

    def begin(
        *backends: FakeBackend, settings: Settings | None = None, denoiser: Denoiser | None = None, **model: Any
    ) -> Running:
        chosen = denoiser or tiny(tmp_path, "tiny", **model)
        running = Running(chosen, settings or Settings(), *(backends or (FakeBackend(),)))
        stack.append(running.__enter__())
        if not backends:
            running.await_state(State.BYPASSED if chosen.fault else State.RUNNING)
        return running

    yield begin
    for running in stack:
        running.__exit__()


@pytest.fixture
def bus_process(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """A private session bus that the environment points to, with XDG_DATA_HOME for its service files."""
    folder = tmp_path_factory.mktemp("bus")
    services = folder / "dbus-1" / "services"
    services.mkdir(parents=True)
    for name in _FOREIGN_SERVICES:  # the bus looks here first
        (services / f"{name}.service").write_text(f"[D-BUS Service]\nName={name}\nExec=/bin/false\n", encoding="utf-8")
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    address = f"unix:path={folder / 'socket'}"
    with session_bus(address) as process:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield process


@pytest.fixture
def bus(bus_process: subprocess.Popen[bytes]) -> str:
    """The address of the private session bus."""
    return os.environ["DBUS_SESSION_BUS_ADDRESS"]


@pytest.fixture
def controls() -> RecordedControls:
    """The daemon that ``service`` serves."""
    return RecordedControls()


@pytest.fixture
def store(tmp_path: Path) -> SettingsFile:
    """A settings file that is not there yet."""
    return SettingsFile(tmp_path / "settings.toml")


@pytest.fixture
def service(bus: str, controls: RecordedControls, store: SettingsFile) -> Iterator[ControlService]:
    """The D-Bus service over ``controls``, on the private bus."""
    served = ControlService(controls, store)
    assert served.start()
    yield served
    served.stop()


@pytest.fixture
def panel(bus: str) -> Iterator[Panel]:
    panel = Panel(bus)
    yield panel
    panel.close()


@pytest.fixture(scope="session")
def x_display() -> Iterator[str]:
    """A display of its own, such as ":100"."""
    with x_server("640x240x24") as display:
        yield display


@pytest.fixture(scope="session")
def tall_display() -> Iterator[str]:
    """A display on which the window has room."""
    with x_server("800x900x24") as display:
        yield display


@pytest.fixture
def start_tray(bus: str, x_display: str, tmp_path: Path) -> Iterator[StartTray]:
    """Starts ``densenoiser-tray`` with the given arguments and changed environment; ends it with SIGTERM.

    The program lies in a folder of its own, so that a test decides what is installed beside it.
    """
    running: list[subprocess.Popen[str]] = []
    program = tmp_path / "bin" / "densenoiser-tray"
    program.parent.mkdir()
    program.write_text("from densenoiser_tray.main import main\nraise SystemExit(main())\n", encoding="utf-8")
    # Found before that of the environment: no test leaves a real daemon behind.
    daemon = program.with_name("densenoised")
    daemon.write_text("#!/bin/sh\n", encoding="utf-8")
    daemon.chmod(0o755)

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
