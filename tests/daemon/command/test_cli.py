"""The ``densenoiser`` command against the real service on a private bus."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from tests.support.recorded_controls import HEADSET, WEBCAM, RecordedControls

from densenoiser_daemon.command import remedies
from densenoiser_daemon.command.cli import build_parser, main
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.status import Fact, State

COMMAND = [sys.executable, "-m", "densenoiser_daemon.command.cli"]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "C")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command that succeeds prints."""
    capsys.readouterr()
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize(
    ("words", "says", "changes"),
    [
        (["off"], "Noise removal is off.", {"enabled": False}),
        (["on"], "Noise removal is on.", {"enabled": True}),
        (["toggle"], "Noise removal is off.", {"enabled": False}),
        (["mute"], "The microphone is muted.", {"muted": True}),
        (["unmute"], "The microphone is not muted.", {"muted": False}),
        (["strength"], "full", {}),
        (["strength", "12.5"], "gentle, 12.5 dB", {"strength_db": 12.5}),
        (["strength", "full"], "full", {"strength_db": math.inf}),
        (["strength", "0"], "nothing is removed, 0 dB", {"strength_db": 0.0}),
        (["strength", "6", "--own"], "very gentle, 6 dB", {"microphone_strengths": {HEADSET.name: 6.0}}),
        (["strength", "--shared"], "full", {"microphone_strengths": {}}),
        (["mic"], "automatic: the sound server's default", {}),
        (["mic", "webcam"], f"{WEBCAM.name} (Webcam)", {"microphone": WEBCAM.name}),
        (["mic", "2"], f"{WEBCAM.name} (Webcam)", {"microphone": WEBCAM.name}),
        (["mic", "auto"], "automatic: the sound server's default", {"microphone": "auto"}),
        (["model"], "densenet-small: balanced (ours)", {}),
    ],
)
def test_a_command_does_what_it_says(
    service: ControlService,
    controls: RecordedControls,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    says: str,
    changes: dict[str, Any],
) -> None:
    before = controls.settings
    assert printed(capsys, *words) == f"{says}\n"
    assert controls.settings == replace(before, **changes)


def test_the_list_of_models_says_how_to_install_what_is_missing(
    service: ControlService, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("densenoiser_daemon.control.model_methods._LOOK_SECONDS", 0.0)  # it has looked at its start
    monkeypatch.setattr("densenoiser_daemon.control.model_methods.is_installed", lambda engine: engine.name == "webrtc")
    lines = printed(capsys, "models").splitlines()
    assert any("webrtc" in line and "steady noise alone" in line for line in lines)
    assert any("rnnoise" in line and "not installed: pip install --no-deps pyrnnoise" in line for line in lines)


def test_the_lists_mark_what_is_used(service: ControlService, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "mics") == (
        "   NAME                    MICROPHONE   SAMPLES A SECOND\n"
        "*  alsa_input.usb-headset  USB Headset  48000\n"
        "   alsa_input.webcam       Webcam       44100\n"
    )
    assert json.loads(printed(capsys, "mics", "--json"))[1] == {
        "name": WEBCAM.name,
        "description": "Webcam",
        "sample_rate": 44_100,
        "is_default": False,
        "is_chosen": False,
    }
    json.loads(printed(capsys, "models", "--json"))


def test_status_for_people(
    service: ControlService, controls: RecordedControls, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, "status")
    assert re.search(r"^State +removing noise for Zoom$", text, re.M)
    assert re.search(r"^Microphone +USB Headset \(automatic\)$", text, re.M)
    assert re.search(r"^Levels +microphone -30 dB, applications hear -42 dB; 12 dB of noise removed$", text, re.M)
    assert re.search(r"^Delay +5[12] ms$", text, re.M)
    assert re.search(r"^Problems +none$", text, re.M)
    for jargon in ("xrun", "frame", "SCHED", "Latency", "cpu", "memory"):
        assert jargon not in text
    verbose = printed(capsys, "status", "--verbose")
    assert re.search(r"^Latency +20.0 ms filter \+ 31.5 ms transport \(at most 60 ms queued\)$", verbose, re.M)
    controls.status = replace(
        controls.status, state=State.BYPASSED, reason=Fact("model-failed", {"error": "NaN from the model"})
    )
    assert "noise passes through to Zoom: NaN from the model" in printed(capsys, "status")


def test_alone_it_prints_the_status(service: ControlService, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys) == printed(capsys, "status")


def test_status_for_programs_is_strict_json(
    service: ControlService, controls: RecordedControls, capsys: pytest.CaptureFixture[str]
) -> None:
    controls.status = replace(controls.status, levels=replace(controls.status.levels, input_dbfs=-math.inf))

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    values = json.loads(printed(capsys, "status", "--json"), parse_constant=refuse)
    assert values["strength"] == "full"
    assert values["input_level"] is None
    assert values["listeners"] == ["Zoom"]
    assert values["active_microphone_description"] == "USB Headset"


def test_watching_prints_a_line_a_change_and_ends_with_the_daemon(
    service: ControlService, controls: RecordedControls
) -> None:
    with subprocess.Popen(
        [*COMMAND, "status", "--watch", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as watch:
        assert watch.stdout is not None
        assert json.loads(watch.stdout.readline())["muted"] is False
        assert main(["mute"]) == 0
        assert json.loads(watch.stdout.readline())["muted"] is True
        controls.status = replace(controls.status, listeners=("Discord", "Zoom"))
        service.changed()
        assert json.loads(watch.stdout.readline())["listeners"] == ["Discord", "Zoom"]
        service.stop()
        out, err = watch.communicate(timeout=5)
        assert (out, err, watch.returncode) == (b"", b"densenoiser: densenoised ended\n", 7)


def test_watching_ends_with_the_bus(service: ControlService, bus_process: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen([*COMMAND, "status", "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        assert b"removing noise" in watch.stdout.readline()
        bus_process.kill()
        out, err = watch.communicate(timeout=5)
        assert (out, err, watch.returncode) == (b"", b"densenoiser: densenoised ended\n", 7)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["xyzzy"], 2, "unknown: 'xyzzy'; there are: status,"),
        (["stauts"], 2, "unknown: 'stauts', did you mean 'status'; there are:"),
        (["status", "--jsno"], 2, "unknown: '--jsno', did you mean '--json'"),
        (["--versoin"], 2, "required: COMMAND"),
        (["strength", "loud"], 2, "is 'loud'"),
        (["strength", "--own", "--shared"], 2, "not allowed with"),
        (["mic", "piano"], 4, "no microphone 'piano'; there are: alsa_input.usb-headset (USB Headset)"),
        (["mic", "alsa"], 4, "fits several microphones"),
        (["model", "nope"], 5, "no model named 'nope'"),
        (["mic", ""], 2, "the microphone's name is empty"),
        (["model", "/nowhere/x.onnx"], 5, "no model file at /nowhere/x.onnx"),
    ],
)
def test_a_wrong_word_is_one_clear_line_and_a_code(
    service: ControlService,
    controls: RecordedControls,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    says: str,
) -> None:
    before = controls.settings
    try:
        given = main(words)
    except SystemExit as ended:  # argparse's own way
        given = int(str(ended.code))
    out, err = capsys.readouterr()
    assert (given, out) == (code, "")
    assert says in err.splitlines()[-1]
    assert controls.settings == before


@pytest.mark.parametrize(
    "command",
    [
        *("status", "on", "off", "toggle", "mute", "unmute", "strength"),
        *("mic", "mics", "model", "models", "monitor", "quit"),
    ],
)
def test_no_daemon_is_one_clear_line_that_says_how_to_start_it(
    bus: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(remedies, "has_unit", lambda _name: False)
    assert main([command]) == 7
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert err == "densenoiser: densenoised is not running; start it with: densenoised\n"
    assert out.strip() == ""


def test_no_bus_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert main(["status"]) == 7
    assert "no session bus" in capsys.readouterr().err


def test_a_daemon_that_hangs_is_told_from_one_that_is_gone(
    service: ControlService,
    controls: RecordedControls,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("densenoiser_daemon.command.daemon_client._ANSWER_SECONDS", 1.5)
    monkeypatch.setattr(remedies, "has_unit", lambda _name: False)
    service._call(lambda: time.sleep(4.0))
    assert main(["status"]) == 1
    assert "does not answer; restart it with: pkill densenoised; densenoised" in capsys.readouterr().err


def test_quit_ends_the_daemon(
    service: ControlService, controls: RecordedControls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(capsys, "quit") == ""
    assert controls.ended.wait(1.0)


def test_a_closed_pipe_is_no_crash(service: ControlService, controls: RecordedControls) -> None:
    """As in: densenoiser status --watch | head -n 1."""
    with subprocess.Popen([*COMMAND, "status", "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        assert b"removing noise" in watch.stdout.readline()
        watch.stdout.close()
        assert main(["mute"]) == 0
        assert watch.stderr is not None
        assert watch.stderr.read() == b""
        assert watch.wait(5) == 0


def test_a_command_loads_no_model_runtime(service: ControlService) -> None:
    """What makes hotkeys quick: neither numpy nor ONNX Runtime is imported to ask the daemon."""
    code = (
        "import sys; from densenoiser_daemon.command.cli import main; assert main(['toggle']) == 0; "
        "print(sorted({'numpy', 'onnxruntime', 'rich', 'tomlkit'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_exit_codes_are_documented() -> None:
    epilog = build_parser(wanted="").epilog or ""
    assert [code for code in range(8) if f"{code} " not in epilog] == []


@pytest.mark.parametrize("words", [["status"], ["mics", "--json"], ["--help"], ["--version"]])
def test_a_full_disk_is_one_clear_line(service: ControlService, words: list[str]) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123  (a device)
        done = subprocess.run([*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "densenoiser: [Errno 28] No space left on device\n")
