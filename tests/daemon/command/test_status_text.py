"""The daemon's properties in words: pure functions."""

from __future__ import annotations

import math

import pytest

from densenoiser_daemon.command import status_text
from densenoiser_daemon.status import ReasonCode, State


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_words(state: State) -> None:
    values = {
        "State": str(state),
        "Reason": ["model-failed", {"error": "why"}],
        "Listeners": ["Zoom"],
        "Muted": False,
        "Enabled": True,
    }
    text = status_text.headline(values)
    assert ("why" in text) == (state is not State.IDLE)


def test_who_hears_himself_alone_is_told_so() -> None:
    values = {"State": "running", "Reason": ["", {}], "Listeners": [], "Muted": False, "Enabled": True}
    assert status_text.headline(values) == "removing noise for you alone"


DETAILS = {"error": "no answer", "microphone": "Yeti", "chosen": "densenet-small", "lighter": "densenet-tiny"}


@pytest.mark.parametrize("code", [code for code in ReasonCode if code])
def test_every_reason_has_words(code: ReasonCode) -> None:
    text = status_text.reason({"Reason": (str(code), DETAILS)})
    assert text
    assert text != str(code)
    assert "{" not in text


def test_no_reason_has_no_words() -> None:
    assert status_text.reason({"Reason": ("", {})}) == ""


def test_what_a_newer_daemon_says_is_shown_as_it_is() -> None:
    assert status_text.reason({"Reason": ("on-fire", {"degrees": "451"})}) == "on-fire"
    assert status_text.reason({"Reason": ("too-slow", {})}) == "too-slow"


@pytest.mark.parametrize(
    ("scheduling", "memory", "words"),
    [
        (("by-rtkit", {"policy": "SCHED_RR", "priority": "10"}), ("locked", {}), ("SCHED_RR 10", "memory is locked")),
        (("normal", {"error": "no answer"}), ("limited", {"limit": "8192"}), ("no answer", "8192 KiB")),
        (("", {}), ("", {}), ("unknown",)),
    ],
)
def test_real_time_in_words(
    scheduling: tuple[str, dict[str, str]], memory: tuple[str, dict[str, str]], words: tuple[str, ...]
) -> None:
    text = status_text.real_time({"Scheduling": scheduling, "Memory": memory})
    assert all(word in text for word in words)


def test_strength_in_words() -> None:
    assert status_text.strength(math.inf) == "full"
    assert status_text.strength(12.0) == "gentle, 12 dB"
    assert [status_text.strength(db).split(",")[0] for db in (0.0, 6.0, 20.0, 30.0)] == [
        "nothing is removed",
        "very gentle",
        "medium",
        "strong",
    ]


def test_models_in_words() -> None:
    assert status_text.model_label("densenet-tiny") == "densenet-tiny: lightest (ours)"
    assert status_text.model_label("/home/me/mine.onnx") == "/home/me/mine.onnx"


NO_PROBLEMS = dict.fromkeys(("xruns", "dropped_frames", "deadline_misses", "restarts", "clipped_frames"), 0)


def test_problems_in_words() -> None:
    assert status_text.problems(NO_PROBLEMS) == "none"
    assert status_text.problems(NO_PROBLEMS | {"xruns": 1, "clipped_frames": 250}) == (
        "the sound broke off once, the microphone was too loud for 2.50 s; turn it down"
    )


def test_levels_in_words() -> None:
    values = {"State": "running", "InputLevel": -30.2, "OutputLevel": -math.inf, "NoiseReduction": 12.0}
    assert status_text.levels(values) == "microphone -30 dB, applications hear silence; 12 dB of noise removed"
    assert status_text.levels({**values, "State": "idle"}) == "the microphone is closed"


def test_json_has_codes_with_their_details() -> None:
    values = {
        "State": "bypassed",
        "Strength": math.inf,
        "Reason": ("model-failed", {"error": "NaN"}),
        "Scheduling": ("", {}),
        "Memory": ("locked", {}),
        "Warnings": [("source-turned-down", {"db": "36"})],
        "InputLevel": -math.inf,
    }
    assert status_text.for_json(values) == {
        "state": "bypassed",
        "strength": "full",
        "reason": {"code": "model-failed", "error": "NaN"},
        "scheduling": {"code": ""},
        "memory": {"code": "locked"},
        "warnings": [{"code": "source-turned-down", "db": "36"}],
        "input_level": None,
    }
