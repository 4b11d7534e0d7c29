"""The picture of ``densenoiser monitor``: meters, facts, names as they are."""

from __future__ import annotations

import math

from rich.console import Console

from densenoiser_daemon.command.monitor import STRENGTHS_DB, draw, meter, stepped


def test_a_meter_is_as_long_as_it_is_loud() -> None:
    assert [meter(level).plain.count("█") for level in (-math.inf, -90.0, -60.0, -30.0, 0.0, 6.0)] == [
        0,
        0,
        0,
        20,
        40,
        40,
    ]
    assert "red" in str(meter(-1.0).style)


def test_the_picture_shows_names_as_they_are() -> None:
    """A microphone called [bold] is no markup."""
    values = {
        "State": "running",
        "Reason": ("", {}),
        "Listeners": ["[red]Zoom"],
        "Muted": False,
        "Enabled": True,
        "Microphone": "auto",
        "ActiveMicrophone": "x",
        "ActiveMicrophoneDescription": "[bold]Mic",
        "Strength": math.inf,
        "Model": "densenet-small",
        "ActiveModel": "densenet-small",
        "Provider": "cpu",
        "AlgorithmicLatency": 20.0,
        "LatencyCeiling": 60.0,
        "Scheduling": ("", {}),
        "Memory": ("", {}),
        "TransportLatency": 0.0,
        "Server": "",
        "Counters": dict.fromkeys(
            ("frames", "xruns", "dropped_frames", "deadline_misses", "restarts", "clipped_frames"), 1
        ),
        "Version": "1",
        "InputLevel": -math.inf,
        "OutputLevel": -math.inf,
        "NoiseReduction": math.nan,
    }
    console = Console(width=100)
    with console.capture() as capture:
        console.print(draw(values))
    assert "[bold]Mic (automatic)" in capture.get()
    assert "the sound broke off once" in capture.get()
    assert "silence" in capture.get()


def test_plus_and_minus_go_through_the_strengths_and_stay_at_the_ends() -> None:
    up = [0.0]
    while stepped(up[-1], up=True) != up[-1]:
        up.append(stepped(up[-1], up=True))
    assert tuple(up) == STRENGTHS_DB
    assert stepped(math.inf, up=False) == 30.0
    assert stepped(15.5, up=False) == 12.0
    assert stepped(0.0, up=False) == 0.0
