"""``densenoised`` as a person starts it: exit codes, and messages that name the way out."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.listening import sources
from tests.support.tiny_model import write_tiny_model
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.measurement.demo import start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_DESCRIPTION, MICROPHONE_NAME, PrivateServer
from densenoiser_models import __version__

COMMAND = [sys.executable, "-m", "densenoiser_daemon.main"]


@pytest.fixture(scope="module")
def desktop() -> Iterator[PrivateServer]:
    """A PulseAudio with two microphones."""
    with tempfile.TemporaryDirectory(prefix="dn-") as folder, PrivateServer("pulseaudio", Path(folder)) as server:
        server.plug_microphone("webcam", "HD Webcam")
        yield server


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a session without a sound server."""
    hidden = ("PULSE_", "PIPEWIRE_", "XDG_", "DBUS_", "DISPLAY", "WAYLAND_", "NOTIFY_SOCKET")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    (tmp_path / "run").mkdir(mode=0o700)
    return environment | {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "PULSE_SERVER": f"unix:{tmp_path}/none",
        "LC_ALL": "C.UTF-8",
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [*COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture
def without_library(tmp_path: Path, bare: dict[str, str]) -> Callable[[str], dict[str, str]]:
    """An environment where the binding of a system library fails as it does when the library is not installed."""

    def hide(binding: str) -> dict[str, str]:
        folder = tmp_path / "hidden"
        folder.mkdir()
        (folder / f"{binding}.py").write_text("raise OSError('library not found')\n", encoding="utf-8")
        paths = [str(folder), os.environ.get("PYTHONPATH", "")]
        return bare | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}

    return hide


@pytest.mark.parametrize("binding", ["sounddevice", "pulsectl"])
def test_without_a_system_library_what_needs_none_works(
    without_library: Callable[[str], dict[str, str]], binding: str
) -> None:
    assert run(without_library(binding), "--version").stdout == f"densenoised {__version__}\n"


def test_without_portaudio_the_sound_server_is_looked_for(without_library: Callable[[str], dict[str, str]]) -> None:
    assert "no sound server answers" in run(without_library("sounddevice"), "--list-devices").stderr


@pytest.mark.parametrize(
    ("binding", "backend", "package"),
    [("sounddevice", "portaudio", "libportaudio2"), ("pulsectl", "auto", "libpulse0")],
)
def test_a_backend_whose_library_lacks_says_how_to_get_it(
    without_library: Callable[[str], dict[str, str]], binding: str, backend: str, package: str
) -> None:
    result = run(without_library(binding), "--backend", backend, "--list-devices")
    assert result.returncode == 3
    assert f"apt install {package}" in result.stderr


def test_the_doctor_without_libpulse_says_how_to_get_it(without_library: Callable[[str], dict[str, str]]) -> None:
    environment = without_library("pulsectl")
    command = [sys.executable, "-m", "densenoiser_daemon.command.cli", "doctor"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert "apt install libpulse0" in done.stderr
    assert "Traceback" not in done.stderr


def test_version(bare: dict[str, str]) -> None:
    result = run(bare, "--version")
    assert (result.returncode, result.stdout) == (0, f"densenoised {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--no-such-option"], "unknown: '--no-such-option'"),
        (["--strength", "-3"], "strength must be"),
        (["--strength", "loud"], "strength must be"),
        (["--provider", "tpu"], "unknown: 'tpu'"),
        (["--output", "cable"], "--output goes with --backend portaudio"),
        (["--backend", "portaudio"], "--backend portaudio needs --output"),
    ],
)
def test_a_usage_error_is_2(bare: dict[str, str], arguments: list[str], message: str) -> None:
    result = run(bare, *arguments)
    assert result.returncode == 2
    assert message in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--list-devices"]])
def test_no_sound_server_is_3_and_says_what_to_start(bare: dict[str, str], arguments: list[str]) -> None:
    result = run(bare, *arguments)
    assert result.returncode == 3
    assert "no sound server answers" in result.stderr
    assert "start PipeWire or PulseAudio" in result.stderr
    if not arguments:
        assert "--backend portaudio --output CABLE" in result.stderr


def test_an_unknown_microphone_is_4_and_the_nearest_are_named(desktop: PrivateServer) -> None:
    result = run(desktop.environment, "--device", "web cam")
    assert result.returncode == 4
    assert "no microphone 'web cam'; the nearest are: webcam (HD Webcam)" in result.stderr
    assert SOURCE_NAME not in sources(desktop), "nothing is left behind"


@pytest.mark.parametrize("fault", ["missing", "truncated", "unknown name"])
def test_a_model_that_cannot_be_used_is_5(bare: dict[str, str], tmp_path: Path, fault: str) -> None:
    path, message = tmp_path / "none.onnx", "no model file at"
    if fault == "truncated":
        path, message = write_tiny_model(tmp_path), "it was truncated or replaced; install or export it again"
        path.write_bytes(path.read_bytes()[:-10])
    elif fault == "unknown name":
        path, message = Path("densenet-smal"), "no model named 'densenet-smal'"
    result = run(bare, "--model", str(path))
    assert result.returncode == 5
    assert message in result.stderr


def test_a_second_daemon_is_1_and_leaves_the_first_alone(desktop: PrivateServer) -> None:
    first = start_daemon(desktop, COMMAND)
    result = run(desktop.environment)
    assert result.returncode == 1
    assert f"densenoised is already running (process {first.pid}); see: densenoiser status" in result.stderr
    assert first.poll() is None
    assert SOURCE_NAME in sources(desktop)
    first.terminate()
    assert first.wait(10) == 0
    assert SOURCE_NAME not in sources(desktop)


def test_the_microphones_are_listed_and_the_chosen_one_marked(desktop: PrivateServer) -> None:
    environment = desktop.environment | {"COLUMNS": "120"}
    for arguments, name in ([], "webcam"), (["--device", "fake mic"], MICROPHONE_NAME):
        result = run(environment, "--list-devices", *arguments)
        assert result.returncode == 0
        rows = [re.split(r"\s*│\s*", line)[1:6] for line in result.stdout.splitlines() if line.startswith("│")]
        assert {(row[2], row[3], row[4]) for row in rows} >= {
            (MICROPHONE_NAME, MICROPHONE_DESCRIPTION, "48000"),
            ("webcam", "HD Webcam", "48000"),
        }
        assert [row[2] for row in rows if row[0] == "→"] == [name]
        assert not any("densenoiser" in row[2] or ".monitor" in row[2] for row in rows)


def test_it_waits_for_a_server_if_told_to_and_tells_the_service_manager(bare: dict[str, str], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20.0)
        environment = bare | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen([*COMMAND, "--wait"], env=environment, stdout=log, stderr=log)
        try:
            assert manager.recv(100) == b"READY=1"
            process.terminate()
            assert manager.recv(100) == b"STOPPING=1"
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
    assert "no sound server answers" in (tmp_path / "log").read_text()
    assert "waiting for it" in (tmp_path / "log").read_text()


def test_a_server_that_comes_later_is_found(bare: dict[str, str], tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="dn-") as folder:
        server = PrivateServer("pulseaudio", Path(folder))
        process = subprocess.Popen([*COMMAND, "--wait"], env=server.environment, stderr=subprocess.DEVNULL)
        try:
            with server:
                wait_until(lambda: SOURCE_NAME in sources(server), 20, "the virtual microphone")
                process.terminate()
                assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
