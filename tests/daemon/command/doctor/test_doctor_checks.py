"""The doctor's single checks, on faults that cannot be planted on a private server."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.backend import Microphone
from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.command.doctor import daemon_checks, machine_checks, server_checks
from densenoiser_daemon.command.doctor.finding import Verdict
from densenoiser_daemon.command.doctor.microphone_checks import bluetooth
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_daemon.settings.settings import Settings


def faults(findings: Any) -> list[str]:
    return [finding.text for finding in findings if finding.verdict is Verdict.FAULT]


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


def test_a_headset_stuck_without_microphone_is_switched_only_if_it_is_wanted() -> None:
    asked: list[str] = []

    def switch_on(name: str, said: str) -> str:
        asked.append(name)
        return said

    cards, other = [headset("a2dp-sink")], Microphone("usb", "USB Headset", 48_000, 7, True)
    (only,) = bluetooth(cards, "auto", [], switch_on)
    (chosen,) = bluetooth(cards, "bluez_input.00:11.0", [other], switch_on)
    for found in (only, chosen):
        assert found.verdict is Verdict.FAULT
        assert "headset-head-unit" in found.remedy, "the best of those with a microphone"
        assert found.mend is not None
        found.mend()
    assert asked == ["HeadsetMicrophone"] * 2
    (beside,) = bluetooth(cards, "auto", [other], switch_on)
    assert (beside.verdict, beside.mend) == (Verdict.ADVICE, None)
    assert list(bluetooth([headset("headset-head-unit")], "auto", [], switch_on)) == []


def running(**changes: Any) -> dict[str, Any]:
    counters = {"frames": 1000, "xruns": 0, "dropped_frames": 0, "deadline_misses": 0, "restarts": 0}
    healthy = {
        "Version": "0.1.0",
        "State": "idle",
        "Reason": ("", {}),
        "Listeners": ["Zoom"],
        "Muted": False,
        "Enabled": True,
        "Counters": counters,
        "Memory": ("", {}),
    }
    return healthy | changes


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"State": "bypassed", "Reason": ("model-failed", {"error": "NaN"})}, "daemon"),
        ({"State": "waiting-for-server", "Reason": ("server", {"error": "gone"})}, "daemon"),
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
    (found,) = (f for f in daemon_checks.daemon(running(**changes), True) if f.verdict is not Verdict.GOOD)
    assert found.check == check
    assert [f.verdict for f in daemon_checks.daemon(running(), True)] == [Verdict.GOOD]


def test_faulty_settings_are_reported_with_their_line(tmp_path: Path) -> None:
    store = SettingsFile(tmp_path / "settings.toml")
    store.path.write_text("muted = true\nstrenght_db = 3\n")
    (fault,) = faults(daemon_checks.settings(store))
    assert f"{store.path}:2:" in fault
    assert "did you mean 'strength_db'?" in fault


def test_a_truncated_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "densenoiser" / "models"
    folder.mkdir(parents=True)
    (folder / "mine.onnx").write_bytes(b"half")
    (folder / "mine.json").write_text(json.dumps({"format": 1, "sha256": "0" * 64, "states": []}))
    assert any("truncated" in fault for fault in faults(machine_checks.models(Settings(model="mine"))))


def test_a_missing_model_is_found() -> None:
    assert any("no model named 'gone'" in fault for fault in faults(machine_checks.models(Settings(model="gone"))))


def test_cuda_that_is_not_there_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "available_providers", lambda: ("cpu",))
    (fault,) = faults(machine_checks.providers(Settings(provider="cuda")))
    assert '"cuda"' in fault
    assert faults(machine_checks.providers(Settings())) == []


def unit(folder: Path, program: str) -> None:
    path = folder / "systemd" / "user" / "densenoised.service"
    path.parent.mkdir(parents=True)
    path.write_text(f"[Service]\nType=notify\nExecStart={program} --wait\n")


def test_a_unit_that_starts_what_is_gone_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    unit(tmp_path, '"/gone/old env/bin/densenoised"')
    (finding,) = daemon_checks.autostart()
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
    (finding,) = daemon_checks.autostart()
    assert finding.verdict is verdict


def test_a_tray_without_its_libraries_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (finding,) = machine_checks.tray()
    assert (finding.check, finding.verdict) == ("tray", Verdict.ADVICE)
    assert "PyGObject" in finding.text


def test_an_audio_thread_without_real_time_scheduling_is_found() -> None:
    (finding,) = machine_checks.realtime(os.getpid())
    assert (finding.check, finding.verdict) == ("realtime", Verdict.ADVICE)
    assert "no real-time scheduling" in finding.text


@pytest.mark.skipif(
    subprocess.run(["chrt", "--rr", "1", "true"], check=False).returncode != 0, reason="not allowed here"
)
def test_an_audio_thread_with_real_time_scheduling_is_recognised() -> None:
    with subprocess.Popen(["chrt", "--rr", "1", "sleep", "10"]) as process:
        wait_until(lambda: [f.verdict for f in machine_checks.realtime(process.pid)] == [Verdict.GOOD])
        process.kill()


def test_our_own_programs_are_no_bystanders() -> None:
    """On PipeWire 1.6 the doctor's own look at the microphone is listed under the name of its connection."""

    def recording(name: str, source: int) -> SimpleNamespace:
        properties = {"application.name": name}
        return SimpleNamespace(
            source=source, corked=False, resample_method=None, proplist=properties, name="record", index=1
        )

    microphone = Microphone("usb", "USB Headset", 48_000, 7, True)
    ours = SimpleNamespace(name=SOURCE_NAME, index=8, monitor_of_sink=1, description="DenseNoiser Mic")
    outputs = [recording(name, 7) for name in ("densenoiser-doctor", "DenseNoiser", "densenoised", "Zoom")]
    pulse: Any = SimpleNamespace(source_list=lambda: [ours], source_output_list=lambda: outputs)
    (found,) = server_checks.bystanders(pulse, [microphone])
    assert found.text == "Zoom records USB Headset unfiltered"
