"""The picture of ``densenoiser monitor``: meters, facts, names as they are."""

from __future__ import annotations

import math

from rich.console import Console

from densenoiser_daemon.command.monitor import draw, meter


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
