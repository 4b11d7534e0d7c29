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


DETAILS = {"error": "no answer", "chosen": "densenet-small", "lighter": "densenet-tiny"}


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
    assert status_text.strength(12.0) == "12 dB"


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
