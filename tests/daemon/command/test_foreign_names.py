"""Names with escapes, line breaks and markup in everything that the command line and the daemon print."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console
from tests.support.quiet_daemon import HEADSET
from tests.support.recorded_controls import RecordedControls

from densenoiser_daemon.command.cli import main
from densenoiser_daemon.command.doctor import doctor
from densenoiser_daemon.command.doctor.finding import Finding, Verdict
from densenoiser_daemon.command.doctor.microphone_checks import muted
from densenoiser_daemon.command.monitor import draw
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.list_devices import print_microphones
from densenoiser_daemon.log_lines import LogLines
from densenoiser_daemon.status import Fact, State
from densenoiser_models.shown_text import one_line

NAME = "[/red][bold]\x1b[2J\nState  all is well\x9b31m\u202e"
SPELLED = r"[/red][bold]\x1b[2J State  all is well\x9b31m\u202e"
MICROPHONE = replace(HEADSET, name="evil", description=NAME)


@pytest.fixture(autouse=True)
def hostile(controls: RecordedControls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "C")
    controls.microphones = (MICROPHONE,)
    controls.status = replace(
        controls.status,
        listeners=(NAME, "Zoom"),
        microphone=MICROPHONE.name,
        microphone_description=NAME,
        model=NAME,
        server=NAME,
        reason=Fact("server", {"error": NAME}),
    )


def controlling(text: str) -> list[str]:
    return [line for line in text.split("\n") if one_line(line) != line]


@pytest.mark.parametrize("state", [State.RUNNING, State.BYPASSED, State.WAITING_FOR_SERVER])
@pytest.mark.parametrize("words", [["status"], ["mics"], ["mic", "evil"]])
def test_a_command_prints_them_as_text(
    service: ControlService,
    controls: RecordedControls,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    state: State,
) -> None:
    controls.status = replace(controls.status, state=state)
    assert main(words) == 0
    said = capsys.readouterr().out
    assert controlling(said) == []
    assert SPELLED in said
    assert not [line for line in said.split("\n") if line.startswith("State  all")]


@pytest.mark.parametrize("words", [["status", "--json"], ["mics", "--json"]])
def test_json_has_them_whole_and_spelled(
    service: ControlService, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(words) == 0
    said = capsys.readouterr().out
    assert controlling(said) == []
    values = json.loads(said)
    assert NAME in (values[0].values() if isinstance(values, list) else values["listeners"])


def test_a_terminal_without_the_letters_gets_them_spelled(service: ControlService, controls: RecordedControls) -> None:
    controls.status = replace(controls.status, listeners=("Микрофон",))
    done = subprocess.run(
        [sys.executable, "-m", "densenoiser_daemon.command.cli", "status"],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"removing noise for \u041c\u0438" in done.stdout


def test_an_error_is_one_line(service: ControlService, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mic", f"{NAME}?"]) == 4
    said = capsys.readouterr().err
    assert controlling(said) == []
    assert said.count("\n") == 1


def test_the_monitor_draws_them_as_text(service: ControlService, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.support.dbus_calls import ask  # noqa: PLC0415

    console = Console(width=400)
    with console.capture() as capture:
        console.print(draw(ask(lambda client: client.properties())))
    assert controlling(capture.get()) == []
    assert SPELLED in capture.get()


def test_the_list_of_devices_shows_them_as_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    print_microphones((MICROPHONE,), None, f"PulseAudio {NAME}")
    said = capsys.readouterr().out
    assert controlling(said) == []
    assert said.count(SPELLED) == 2


def test_the_doctor_reports_them_as_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [Finding("x", Verdict.FAULT, NAME, NAME), Finding("y", Verdict.FAULT, NAME, NAME, lambda: NAME)]
    monkeypatch.setattr(doctor, "examine", lambda: iter(findings))
    assert main(["doctor", "--fix"]) == 1
    said = capsys.readouterr().out
    assert controlling(said) == []
    assert said.count(SPELLED) == 4
    assert main(["doctor", "--json"]) == 1
    assert json.loads(text := capsys.readouterr().out)[0]["text"] == NAME
    assert controlling(text) == []


def test_a_command_to_paste_does_only_what_it_says() -> None:
    class Source:
        name, description, mute = "a; touch b", "Headset", 1

    (finding,) = muted(Source())
    assert finding.remedy.endswith("pactl set-source-mute 'a; touch b' 0")


def test_a_log_line_cannot_be_forged() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogLines())
    handler.handle(logging.LogRecord("x", logging.INFO, __file__, 1, "microphone: %s", (NAME,), None))
    assert stream.getvalue() == f"INFO: microphone: {SPELLED}\n"
