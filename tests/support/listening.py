"""What applications and the server see: sources, readers of the microphone, and whether sound is heard."""

from __future__ import annotations

import time

import numpy as np

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer
from densenoiser_daemon.measurement.recorder import Recorder


def sources(server: PrivateServer) -> list[str]:
    """Names of the server's sources."""
    with server.control() as pulse:
        return [source.name for source in pulse.source_list()]


def microphone_readers(server: PrivateServer) -> list[str]:
    """Names of the programs that record from the fake microphone."""
    with server.control() as pulse:
        index = pulse.get_source_by_name(MICROPHONE_NAME).index
        return [o.proplist.get("application.name", o.name) for o in pulse.source_output_list() if o.source == index]


def hears_sound(client: Recorder, seconds: float = 0.3) -> bool:
    """The last ``seconds`` that the client got are neither missing nor silent."""
    recording = client.snapshot()
    if not recording.arrivals or time.monotonic() - recording.arrivals[-1] > seconds:
        return False
    recent = recording.samples[recording.at(time.monotonic() - seconds) :]
    return len(recent) > 0 and float(np.abs(recent).max()) > 1e-4


def application(server: PrivateServer) -> Recorder:
    """An ordinary recorder on "DenseNoiser Mic"."""
    return Recorder(server, SOURCE_NAME)
