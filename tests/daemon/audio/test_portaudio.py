"""Tests of the PortAudio backend on real streams, without a sound card, through ALSA's plug-in to a private PulseAudio.

A second null sink serves as the virtual cable. Applications record from its monitor.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.support.listening import hears_sound
from tests.support.tiny_model import write_tiny_model
from tests.support.waiting import wait_until

from densenoiser_daemon.measurement.demo import load_recording
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer, feed_of
from densenoiser_daemon.measurement.recorder import RATE, Recorder
from densenoiser_daemon.measurement.signal_match import delays

CABLE = "cable"
ALSA_CONFIGURATION = f"""
pcm.{MICROPHONE_NAME} {{ type pulse device "{MICROPHONE_NAME}" }}
pcm.{CABLE} {{ type pulse device "{CABLE}" }}
"""

StartDaemon = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def system() -> Iterator[PrivateServer]:
    """What PortAudio finds: a microphone that hears loud noisy speech, and a cable."""
    with tempfile.TemporaryDirectory(prefix="dn-") as folder, PrivateServer("pulseaudio", Path(folder)) as server:
        with server.control() as pulse:
            pulse.module_load("module-null-sink", f"sink_name={CABLE} rate={RATE} channels=1 norewinds=1")
        (server.folder / "home" / ".asoundrc").write_text(ALSA_CONFIGURATION)
        speech, noise = load_recording()
        soundfile.write(server.folder / "talk.wav", np.tile(2 * speech + noise, 12), RATE, subtype="FLOAT")
        server.run(["paplay", f"--device={feed_of()}", str(server.folder / "talk.wav")])
        yield server


@pytest.fixture
def log(system: PrivateServer) -> Path:
    return system.folder / "densenoised.log"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "densenoiser_daemon.main", "--backend", "portaudio", *arguments]


@pytest.fixture
def daemon(system: PrivateServer, log: Path) -> Iterator[StartDaemon]:
    """Starts ``densenoised`` from the fake microphone into the cable; ready when it returns."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            wanted = command("--device", MICROPHONE_NAME, "--output", CABLE, "--verbose", *arguments)
            process = system.run(wanted, stdout=file, stderr=file)
        started.append(process)
        wait_until(lambda: "Ready" in log.read_text() or process.poll() is not None, 20, "the daemon is ready")
        assert process.poll() is None, log.read_text()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
    print(log.read_text())  # noqa: T201  (shown by pytest if the test failed)


def run(system: PrivateServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=system.environment, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.server
def test_an_application_on_the_cable_hears_the_filtered_microphone_at_a_steady_delay(
    system: PrivateServer, daemon: StartDaemon, tmp_path: Path
) -> None:
    process = daemon("--model", str(write_tiny_model(tmp_path, gain=0.1)))
    microphone, heard = Recorder(system, MICROPHONE_NAME), Recorder(system, f"{CABLE}.monitor")
    wait_until(lambda: hears_sound(heard), 10, "the application hears the microphone")
    time.sleep(9.0)
    before, after = microphone.stop(), heard.stop()
    process.terminate()
    assert process.wait(10) == 0
    found = delays(before, after)
    assert len(found) >= 4
    seconds = [delay.seconds for delay in found]
    assert np.median(seconds) < 0.2
    assert np.median(seconds[-3:]) < np.median(seconds[:3]) + 0.05
    loud = float(np.sqrt(np.mean(before.samples[RATE:] ** 2)))
    assert 0.0 < float(np.sqrt(np.mean(after.samples[RATE:] ** 2))) < 0.2 * loud, (
        "the model turns everything down by 20 dB"
    )


def kill(server: PrivateServer, kind: str) -> None:
    """End the daemon's stream as the server does when its device goes away; unplugged, it would be moved to another."""
    path = server.folder / "run" / "cli"
    with server.control() as pulse:
        if not path.exists():
            pulse.module_load("module-cli-protocol-unix", f"socket={path}")
        streams = pulse.source_output_list() if kind == "source-output" else pulse.sink_input_list()
        index = next(s.index for s in streams if "python" in s.proplist.get("application.name", ""))
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(path))
            line.sendall(f"kill-{kind} {index}\n".encode())
            still = pulse.source_output_list if kind == "source-output" else pulse.sink_input_list
            wait_until(lambda: index not in [s.index for s in still()], 5, "the stream is dead")


@pytest.mark.parametrize(
    ("kind", "said"), [("source-output", "the device stopped"), ("sink-input", f"the virtual cable {CABLE} is gone")]
)
def test_a_device_that_goes_away_is_announced_and_taken_again(
    system: PrivateServer, daemon: StartDaemon, log: Path, kind: str, said: str
) -> None:
    process = daemon("--strength", "0")
    heard = Recorder(system, f"{CABLE}.monitor")
    wait_until(lambda: hears_sound(heard), 10, "the application hears the microphone")
    kill(system, kind)
    wait_until(lambda: said in log.read_text(), 10, "it is announced")
    wait_until(lambda: log.read_text().count("opened the microphone") == 2, 10, "the device is open again")
    wait_until(lambda: hears_sound(heard), 10, "the application hears the microphone again")
    process.terminate()
    assert process.wait(10) == 0
    heard.stop()


def test_an_unknown_output_names_the_outputs(system: PrivateServer) -> None:
    result = run(system, "--output", "kabel")
    assert result.returncode == 4
    assert "no virtual cable 'kabel' to play into; there are: " in result.stderr
    assert CABLE in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_microphone_names_the_nearest(system: PrivateServer) -> None:
    result = run(system, "--output", CABLE, "--device", "fake_mike")
    assert result.returncode == 4
    assert f"the nearest are: {MICROPHONE_NAME}" in result.stderr


def test_the_cable_is_no_microphone(system: PrivateServer) -> None:
    result = run(system, "--output", CABLE, "--device", CABLE)
    assert result.returncode == 4
    assert "'cable' carries the sound of" in result.stderr


def test_devices_are_listed_as_portaudio_has_them(system: PrivateServer) -> None:
    result = run(system, "--list-devices", "--device", MICROPHONE_NAME)
    assert result.returncode == 0
    assert "PortAudio" in result.stdout
    marked = [line for line in result.stdout.splitlines() if "→" in line]
    assert len(marked) == 1
    assert MICROPHONE_NAME in marked[0]
