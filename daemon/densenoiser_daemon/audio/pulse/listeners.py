"""Decides which of the server's recording streams are applications that use the virtual microphone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

_METER_APPLICATIONS = frozenset({"org.PulseAudio.pavucontrol", "org.kde.plasma-pa", "org.gnome.VolumeControl"})
_OWN_PREFIX = "densenoise"
"""How the connections of our programs begin, in any case of letters: DenseNoiser, densenoised, densenoiser-doctor."""


class Stream(Protocol):
    """The fields that pulsectl's PulseSourceOutputInfo and PulseSinkInputInfo share and that matter here."""

    name: str
    corked: int
    proplist: Mapping[str, str]


class SourceOutput(Stream, Protocol):
    """The fields of pulsectl's PulseSourceOutputInfo that matter here."""

    source: int
    resample_method: str | None


def listening_applications(outputs: Iterable[SourceOutput], source_index: int) -> tuple[str, ...]:
    """Names of the applications that record from the source, sorted; paused streams and level meters do not count."""
    return tuple(
        sorted(_name(o) for o in outputs if o.source == source_index and not o.corked and not _is_level_meter(o))
    )


def is_own(stream: Stream) -> bool:
    """Whether it belongs to a program of ours: the daemon, the doctor, the command line.

    The process decides. Names are for servers that do not tell it, or tell one of another container: PipeWire 1.4 and
    later put other names into a stream than earlier ones.
    """
    process = stream.proplist.get("application.process.id", "")
    return _is_our_process(process) or _name(stream).casefold().startswith(_OWN_PREFIX)


def _is_our_process(process: str) -> bool:
    """Whether it runs a program of ours, by itself or in a Python."""
    if not process.isdecimal():
        return False
    if int(process) == os.getpid():
        return True
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it has ended, or is another user's
        return False
    program, *arguments = words
    if not Path(program).name.startswith("python"):
        return Path(program).name.startswith(_OWN_PREFIX)
    script = next((word for word in arguments if not word.startswith("-")), "")
    return Path(script).name.startswith(_OWN_PREFIX)


def _is_level_meter(output: SourceOutput) -> bool:
    return (
        output.resample_method == "peaks"
        or output.proplist.get("application.id") in _METER_APPLICATIONS
        or output.proplist.get("stream.monitor") == "true"
    )


def _name(stream: Stream) -> str:
    properties = stream.proplist
    return properties.get("application.name") or properties.get("application.process.binary") or stream.name
