"""The status in Russian mixes no languages: whatever the state, all but names is Russian."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from densenoiser_daemon.status import ReasonCode, State

ROOT = Path(__file__).resolve().parents[3]
NAMES = {"densenet", "small", "tiny", "gone", "DenseNoiser", "Mic"}
"""What stays as it is in every language: names of models, and the microphone's own."""
SHOW = """
import json, math, sys
import densenoiser_daemon.i18n
from densenoiser_daemon.command import status_text
for values in json.load(sys.stdin):
    values["Strength"] = math.inf if values["Strength"] is None else values["Strength"]
    print("\\n".join(f"{label}: {text}" for label, text in status_text.lines(values)))
"""


@pytest.fixture(scope="module")
def compiled() -> None:
    spec = importlib.util.spec_from_file_location("catalogue", ROOT / "packaging" / "catalogue.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.compile_catalogues()


def status(state: State, reason: ReasonCode, strength: float | None, count: int) -> dict[str, Any]:
    return {
        "State": state,
        "Reason": [reason, {"microphone": "gone", "error": "", "chosen": "densenet-small", "lighter": "densenet-tiny"}],
        "Listeners": [],
        "Warnings": [],
        "Muted": False,
        "Enabled": True,
        "Microphone": "auto",
        "ActiveMicrophone": "gone",
        "ActiveMicrophoneDescription": "gone",
        "ChannelCount": 2,
        "ActiveChannel": 1,
        "InputLevel": -30.0,
        "OutputLevel": -42.0,
        "NoiseReduction": 12.0,
        "Strength": strength,
        "Model": "densenet-small",
        "ActiveModel": "densenet-small",
        "AlgorithmicLatency": 20.0,
        "TransportLatency": 30.0,
        "Counters": dict.fromkeys(("xruns", "dropped_frames", "deadline_misses", "restarts", "clipped_frames"), count),
    }


@pytest.mark.usefixtures("compiled")
def test_nothing_but_names_is_not_russian() -> None:
    shown = [status(state, reason, None, 3) for state in State for reason in ReasonCode]
    shown += [status(State.RUNNING, ReasonCode.NONE, strength, 0) for strength in (0.0, 6.0, 12.0, 20.0, 30.0)]
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        input=json.dumps(shown),
        env={"LANGUAGE": "ru", "LANG": "C.UTF-8", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Неполадки" in done.stdout
    assert set(re.findall(r"[A-Za-z]+", done.stdout)) <= NAMES
