"""The doctor on real private sound servers with planted faults: it finds each, and mends those that it may."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pulsectl
import pytest
import soundfile
from tests.support.daemons import Daemons, StartDaemon, run_command
from tests.support.listening import microphone_readers, sources
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.command.doctor.finding import Verdict
from densenoiser_daemon.measurement.demo import load_recording
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer, feed_of
from densenoiser_daemon.measurement.recorder import RATE
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_daemon.settings.settings import Settings

COMMAND = [sys.executable, "-m", "densenoiser_daemon.command.cli", "doctor", "--json"]


@dataclass(frozen=True)
class Report:
    """What one run of the command said."""

    findings: dict[str, dict[str, str]]
    """The worst finding of each check."""
    code: int

    def verdict(self, check: str) -> str:
        return self.findings[check]["verdict"] if check in self.findings else "not mentioned"


def examine(*words: str) -> Report:
    """Run the command in the session that this process belongs to."""
    code, printed = run_command("doctor", "--json", *words)
    return report_of(code, printed)


def report_of(code: int, printed: str) -> Report:
    order = list(Verdict)
    worst = sorted(json.loads(printed), key=lambda finding: order.index(Verdict(finding["verdict"])))
    return Report({finding["check"]: finding for finding in worst}, code)


@pytest.fixture
def talking(shared_server: PrivateServer) -> Iterator[PrivateServer]:
    """A server whose microphone hears speech, and is neither muted nor turned down."""
    speech, noise = load_recording()
    path = shared_server.folder / "talk.wav"
    soundfile.write(path, np.tile(2 * speech + noise, 6), RATE, subtype="FLOAT")
    player = shared_server.run(["paplay", f"--device={feed_of()}", str(path)])
    with shared_server.control() as pulse:
        pulse.source_default_set(pulse.get_source_by_name(MICROPHONE_NAME))
    yield shared_server
    player.terminate()
    player.wait()


def test_a_silent_microphone_is_found(shared_server: PrivateServer) -> None:
    """First, while nothing has been played: PipeWire's streams are not all zeros again afterwards."""
    report = examine()
    assert report.verdict("silent") == "fault"
    assert "zeros" in report.findings["silent"]["text"]


def test_a_healthy_system_has_no_fault_of_sound(talking: PrivateServer, shared_daemon: subprocess.Popen[bytes]) -> None:
    with talking.control() as pulse:
        pulse.source_default_set(pulse.get_source_by_name(SOURCE_NAME))
    environment = {**talking.environment, "LANGUAGE": "C"}
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    report = report_of(done.returncode, done.stdout)
    for check in ("daemon", "server", "virtual-source", "microphone", "silent", "settings", "provider"):
        assert report.verdict(check) == "good", report.findings[check]
    for check in ("leftovers", "muted", "stranger", "loop", "default-source", "bystanders", "bluetooth"):
        assert report.verdict(check) == "not mentioned"
    if report.verdict("deadlines") != "not mentioned":  # a busy machine: the advice is right if frames were really late
        _code, printed = run_command("status", "--json")
        assert json.loads(printed)["counters"]["deadline_misses"] > 0, report.findings["deadlines"]


def test_leftovers_of_a_crash_are_found_and_removed(talking: PrivateServer, fresh_daemon: StartDaemon) -> None:
    process = fresh_daemon()
    process.kill()
    process.wait()
    assert SOURCE_NAME in sources(talking)
    found = examine()
    assert found.verdict("daemon") == "advice"
    assert found.verdict("leftovers") == "fault"
    assert found.code == 1
    assert SOURCE_NAME in sources(talking)  # looking changes nothing
    mended = examine("--fix")
    assert "removed" in mended.findings["leftovers"]["mended"]
    assert SOURCE_NAME not in sources(talking)
    assert MICROPHONE_NAME in sources(talking)
    assert examine().verdict("leftovers") == "not mentioned"


def turn_down_virtual(pulse: pulsectl.Pulse) -> None:
    pulse.volume_set_all_chans(pulse.get_source_by_name(SOURCE_NAME), 0.25)


def mute_virtual(pulse: pulsectl.Pulse) -> None:
    pulse.mute(pulse.get_source_by_name(SOURCE_NAME), True)


def listen_to_speakers(pulse: pulsectl.Pulse) -> None:
    pulse.source_default_set(pulse.get_source_by_name(f"{feed_of()}.monitor"))


def test_what_is_safe_to_mend_is_mended(talking: PrivateServer, shared_daemon: subprocess.Popen[bytes]) -> None:
    with talking.control() as pulse:
        turn_down_virtual(pulse)
        listen_to_speakers(pulse)
    found = examine()
    for check in ("virtual-source", "default-source"):
        assert found.verdict(check) == "fault"
    mended = examine("--fix")
    for check in ("virtual-source", "default-source"):
        assert mended.findings[check]["mended"] != ""
    with talking.control() as pulse:
        mute_virtual(pulse)
    found = examine("--fix")
    assert found.verdict("default-source") in ("good", "not mentioned")
    assert (found.verdict("virtual-source"), found.findings["virtual-source"]["mended"] != "") == ("fault", True)
    assert examine().verdict("virtual-source") == "good"


def mute_microphone(pulse: pulsectl.Pulse) -> None:
    pulse.mute(pulse.get_source_by_name(MICROPHONE_NAME), True)


def turn_down_microphone(pulse: pulsectl.Pulse) -> None:
    pulse.volume_set_all_chans(pulse.get_source_by_name(MICROPHONE_NAME), 0.01)


@pytest.mark.parametrize("plant", [mute_microphone, turn_down_microphone])
def test_a_muted_microphone_is_found_but_left_to_its_owner(
    talking: PrivateServer, plant: Callable[[pulsectl.Pulse], None]
) -> None:
    with talking.control() as pulse:
        plant(pulse)
        before = pulse.get_source_by_name(MICROPHONE_NAME)
    report = examine("--fix")
    with talking.control() as pulse:
        after = pulse.get_source_by_name(MICROPHONE_NAME)
        healthy = pulse.get_source_by_name(MICROPHONE_NAME)  # pulsectl notes changes in what it is given
        pulse.mute(healthy, False)
        pulse.volume_set_all_chans(healthy, 1.0)
    assert report.verdict("muted") == "fault"
    assert (
        f"pactl set-source-{'mute' if before.mute else 'volume'} {MICROPHONE_NAME}"
        in report.findings["muted"]["remedy"]
    )
    assert (after.mute, after.volume.values) == (before.mute, before.volume.values)
    assert report.code == 1


def test_a_system_without_microphone_is_told_so(talking: PrivateServer) -> None:
    talking.unplug_microphone()
    report = examine()
    assert report.verdict("microphone") == "fault"
    assert report.verdict("silent") == "not mentioned"


def test_a_chosen_microphone_that_is_away_is_named(
    talking: PrivateServer, daemons: tuple[PrivateServer, Daemons]
) -> None:
    daemons[1].end()
    file = SettingsFile(Path(talking.environment["XDG_CONFIG_HOME"]) / "densenoiser" / "settings.toml")
    file.save(Settings(), Settings(microphone="usb_headset"))
    try:
        report = examine()
    finally:
        file.path.unlink()
    assert report.verdict("microphone") == "advice"
    assert "usb_headset" in report.findings["microphone"]["text"]


def test_an_application_that_goes_past_the_filter_is_named(
    talking: PrivateServer, shared_daemon: subprocess.Popen[bytes]
) -> None:
    zoom = talking.run(["parecord", f"--device={MICROPHONE_NAME}", "--client-name=Zoom", "/dev/null"])
    wait_until(lambda: "Zoom" in microphone_readers(talking), 10, "Zoom records")
    report = examine()
    zoom.terminate()
    zoom.wait()
    assert report.verdict("bystanders") == "advice"
    assert "Zoom" in report.findings["bystanders"]["text"]
    assert report.verdict("default-source") == "advice"


def test_a_server_that_is_down_is_found(talking: PrivateServer) -> None:
    talking.kill("pulseaudio" if talking.kind == "pulseaudio" else "pipewire-pulse")
    report = examine()
    assert report.verdict("server") == "fault"
    remedy = report.findings["server"]["remedy"]
    assert "start" in remedy
    assert "systemctl" not in remedy  # no systemd runs for the private server


def test_a_daemon_that_hangs_is_told_from_one_that_is_not_there(
    shared_server: PrivateServer, shared_daemon: subprocess.Popen[bytes]
) -> None:
    process = shared_daemon
    process.send_signal(signal.SIGSTOP)
    try:
        report = examine()
    finally:
        process.send_signal(signal.SIGCONT)
    assert report.verdict("daemon") == "fault"
    assert "does not answer" in report.findings["daemon"]["text"]
