"""Tests of which recording streams count as listening applications."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from densenoiser_daemon.audio.pulse.listeners import is_own, listening_applications

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


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (["densenoised", "5"], True),
        (["/opt/x/bin/python3", "/opt/x/bin/densenoiser", "5"], True),
        (["python3", "-m", "densenoiser_daemon.main"], True),
        (["audacity", "densenoised.wav"], False),
    ],
)
def test_a_program_of_ours_is_known_by_its_process_whatever_its_name(words: list[str], ours: bool) -> None:
    """PipeWire 1.4 gives streams other names than earlier ones."""
    command = "\0".join(words).encode()
    renamed = Output(proplist={"application.name": "python3.13", "application.process.id": "4711"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pathlib.Path.read_bytes", lambda path: command)
        assert is_own(renamed) is ours


def test_this_process_is_ours() -> None:
    assert is_own(Output(proplist={"application.name": "python3", "application.process.id": str(os.getpid())}))
