"""Tests of which recording streams count as listening applications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from densenoiser_daemon.audio.pulse.listeners import listening_applications

OURS = 5


@dataclass
class Output:
    source: int = OURS
    corked: int = 0
    resample_method: str | None = "speex-float-1"
    proplist: Mapping[str, str] = field(default_factory=lambda: {"application.name": "Zoom"})
    name: str = "record stream"


def test_applications_on_our_source_are_named_and_sorted() -> None:
    outputs = [
        Output(),
        Output(proplist={"application.name": "Discord"}),
        Output(source=9, proplist={"application.name": "OBS"}),
    ]
    assert listening_applications(outputs, OURS) == ("Discord", "Zoom")


@pytest.mark.parametrize(
    "output",
    [
        Output(corked=1),
        Output(resample_method="peaks"),
        Output(proplist={"application.id": "org.PulseAudio.pavucontrol", "application.name": "Volume Control"}),
        Output(proplist={"application.id": "org.kde.plasma-pa"}),
        Output(proplist={"stream.monitor": "true", "application.name": "meter"}),
        Output(source=OURS + 1),
    ],
    ids=["paused", "peaks", "pavucontrol", "plasma", "PipeWire meter", "another source"],
)
def test_what_does_not_listen(output: Output) -> None:
    assert listening_applications([output], OURS) == ()


def test_a_meter_beside_an_application_changes_nothing() -> None:
    assert listening_applications([Output(resample_method="peaks"), Output()], OURS) == ("Zoom",)


@pytest.mark.parametrize(
    ("properties", "name"),
    [
        ({"application.process.binary": "zoom"}, "zoom"),
        ({}, "record stream"),
        ({"application.name": ""}, "record stream"),
    ],
)
def test_a_listener_without_a_name_is_called_by_its_program_or_stream(properties: dict[str, str], name: str) -> None:
    assert listening_applications([Output(proplist=properties, resample_method=None)], OURS) == (name,)
