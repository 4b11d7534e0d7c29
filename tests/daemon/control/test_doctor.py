"""The doctor on real private sound servers with planted faults: it finds each, and mends those that it may."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pulsectl
import pytest
import soundfile
from tests.daemon.conftest import StartDaemon, microphone_readers, sources
from tests.daemon.control.conftest import Daemons, eventually, run_command
from tests.daemon.waiting import wait_until

from densenoiser_daemon.audio.virtual_source import SINK_NAME, SOURCE_NAME
from densenoiser_daemon.control import system_checks
from densenoiser_daemon.control.finding import Verdict
from densenoiser_daemon.control.microphone_checks import bluetooth
from densenoiser_daemon.demo import load_recording
from densenoiser_daemon.measure import RATE
from densenoiser_daemon.private_server import MICROPHONE_NAME, PrivateServer, feed_of
from densenoiser_daemon.settings import Settings
from densenoiser_daemon.settings_file import SettingsFile

COMMAND = [sys.executable, "-m", "densenoiser_daemon.control.cli", "doctor", "--json"]


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
def talking(server: PrivateServer) -> Iterator[PrivateServer]:
    """A server whose microphone hears speech, and is neither muted nor turned down."""
    speech, noise = load_recording()
    path = server.folder / "talk.wav"
    soundfile.write(path, np.tile(2 * speech + noise, 6), RATE, subtype="FLOAT")
    player = server.run(["paplay", f"--device={feed_of()}", str(path)])
    with server.control() as pulse:
        pulse.source_default_set(pulse.get_source_by_name(MICROPHONE_NAME))
    yield server
    player.terminate()
    player.wait()


def test_a_silent_microphone_is_found(server: PrivateServer) -> None:
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
    for check in ("leftovers", "muted", "default-source", "bystanders", "bluetooth", "deadlines"):
        assert report.verdict(check) == "not mentioned"


def test_leftovers_of_a_crash_are_found_and_removed(talking: PrivateServer, daemon: StartDaemon) -> None:
    process = daemon()
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
    pulse.volume_set_all_chans(pulse.get_sink_by_name(SINK_NAME), 0.0)


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
    assert "systemctl --user start" in report.findings["server"]["remedy"]


def test_a_daemon_that_hangs_is_told_from_one_that_is_not_there(
    server: PrivateServer, shared_daemon: subprocess.Popen[bytes]
) -> None:
    process = shared_daemon
    process.send_signal(signal.SIGSTOP)
    try:
        report = examine()
    finally:
        process.send_signal(signal.SIGCONT)
    assert report.verdict("daemon") == "fault"
    assert "does not answer" in report.findings["daemon"]["text"]


# -- what needs no server --------------------------------------------------------------------------------------------


def faults(findings: Any) -> list[str]:
    return [finding.text for finding in findings if finding.verdict is Verdict.FAULT]


class Cards:
    """Stands for the server's side of a headset: remembers the profile that it is told to take."""

    def __init__(self) -> None:
        self.set: list[str] = []

    def card_profile_set(self, card: Any, profile: Any) -> None:
        self.set.append(f"{card.name}:{profile.name}")


def headset(active: str) -> SimpleNamespace:
    """A Bluetooth card as the servers describe one (PulseAudio 16 and PipeWire 1.4 profiles)."""
    profiles = {
        name: SimpleNamespace(name=name, description=name.upper(), n_sources=n, available=True, priority=priority)
        for name, n, priority in (
            ("a2dp-sink", 0, 40),
            ("headset-head-unit-cvsd", 1, 10),
            ("headset-head-unit", 1, 30),
            ("off", 0, 0),
        )
    }
    return SimpleNamespace(
        name="bluez_card.00_11",
        proplist={"device.description": "Soft Buds"},
        profile_list=list(profiles.values()),
        profile_active=profiles[active],
    )


def test_a_headset_stuck_without_microphone_is_switched_only_if_there_is_no_other() -> None:
    cards = Cards()
    pulse: Any = cards
    (only,) = bluetooth(pulse, [headset("a2dp-sink")], has_microphone=False)
    assert only.verdict is Verdict.FAULT
    assert "Soft Buds" in only.text
    assert only.mend is not None
    assert "HEADSET-HEAD-UNIT" in only.mend()
    assert cards.set == ["bluez_card.00_11:headset-head-unit"]
    (beside,) = bluetooth(pulse, [headset("a2dp-sink")], has_microphone=True)
    assert (beside.verdict, beside.mend) == (Verdict.ADVICE, None)
    assert list(bluetooth(pulse, [headset("headset-head-unit")], has_microphone=True)) == []


def running(**changes: Any) -> dict[str, Any]:
    counters = {"frames": 1000, "xruns": 0, "dropped_frames": 0, "deadline_misses": 0, "restarts": 0}
    healthy = {"Version": "0.1.0", "State": "idle", "Reason": "", "Muted": False, "Enabled": True, "Counters": counters}
    return healthy | changes


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"State": "bypassed", "Reason": "NaN"}, "daemon"),
        ({"State": "waiting-for-server", "Reason": "gone"}, "daemon"),
        ({"Version": "0.0.9"}, "version"),
        ({"Muted": True}, "daemon-muted"),
        ({"Enabled": False}, "daemon-off"),
        ({"Counters": {"frames": 1000, "deadline_misses": 2}}, "deadlines"),
        ({"Counters": {"frames": 1000, "deadline_misses": 0, "clipped_frames": 20}}, "clipping"),
    ],
)
def test_what_the_daemon_says_is_understood(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], check: str
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/somewhere")
    (found,) = (f for f in system_checks.daemon(running(**changes), True) if f.verdict is not Verdict.GOOD)
    assert found.check == check
    assert [f.verdict for f in system_checks.daemon(running(), True)] == [Verdict.GOOD]


def test_faulty_settings_are_reported_with_their_line(tmp_path: Path) -> None:
    store = SettingsFile(tmp_path / "settings.toml")
    store.path.write_text("muted = true\nstrenght_db = 3\n")
    (fault,) = faults(system_checks.settings(store))
    assert f"{store.path}:2:" in fault
    assert "did you mean 'strength_db'?" in fault


def test_a_truncated_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "densenoiser" / "models"
    folder.mkdir(parents=True)
    (folder / "mine.onnx").write_bytes(b"half")
    (folder / "mine.json").write_text(json.dumps({"format": 1, "sha256": "0" * 64, "states": []}))
    assert any("truncated" in fault for fault in faults(system_checks.models(Settings(model="mine"))))


def test_a_missing_model_is_found() -> None:
    assert any("no model named 'gone'" in fault for fault in faults(system_checks.models(Settings(model="gone"))))


def test_cuda_that_is_not_there_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_checks, "available_providers", lambda: ("cpu",))
    (fault,) = faults(system_checks.providers(Settings(provider="cuda")))
    assert '"cuda"' in fault
    assert faults(system_checks.providers(Settings())) == []


def unit(folder: Path, program: str) -> None:
    path = folder / "systemd" / "user" / "densenoised.service"
    path.parent.mkdir(parents=True)
    path.write_text(f"[Service]\nType=notify\nExecStart={program} --wait\n")


def test_a_unit_that_starts_what_is_gone_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    unit(tmp_path, '"/gone/old env/bin/densenoised"')
    (finding,) = system_checks.autostart()
    assert finding.verdict is Verdict.FAULT
    assert "/gone/old env/bin/densenoised" in finding.text


@pytest.mark.parametrize(("answer", "verdict"), [("enabled", Verdict.GOOD), ("disabled", Verdict.ADVICE)])
def test_a_unit_that_is_not_enabled_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, verdict: Verdict
) -> None:
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(f"#!/bin/sh\necho {answer}\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    unit(tmp_path, sys.executable)
    (finding,) = system_checks.autostart()
    assert finding.verdict is verdict


def test_a_tray_without_its_libraries_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (finding,) = system_checks.tray()
    assert (finding.check, finding.verdict) == ("tray", Verdict.ADVICE)
    assert "PyGObject" in finding.text


def test_an_audio_thread_without_real_time_scheduling_is_found() -> None:
    (finding,) = system_checks.realtime(os.getpid())
    assert (finding.check, finding.verdict) == ("realtime", Verdict.ADVICE)
    assert "no real-time scheduling" in finding.text


@pytest.mark.skipif(
    subprocess.run(["chrt", "--rr", "1", "true"], check=False).returncode != 0, reason="not allowed here"
)
def test_an_audio_thread_with_real_time_scheduling_is_recognised() -> None:
    with subprocess.Popen(["chrt", "--rr", "1", "sleep", "10"]) as process:
        assert eventually(lambda: [f.verdict for f in system_checks.realtime(process.pid)] == [Verdict.GOOD])
        process.kill()
