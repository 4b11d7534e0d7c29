"""Modules and streams that a desktop may have on its sound server beside the daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import numpy as np
import soundfile

from densenoiser_daemon.measurement.private_server import PrivateServer
from densenoiser_daemon.measurement.recorder import RATE
from densenoiser_models.stft import Samples

TONE_HZ = 1000.0


@contextmanager
def module(server: PrivateServer, name: str, arguments: str) -> Iterator[int]:
    """A module of the server, for as long as the block lasts; its index."""
    with server.control() as pulse:
        index = int(pulse.module_load(name, arguments))
    try:
        yield index
    finally:
        with server.control() as pulse:
            if index in {m.index for m in pulse.module_list()}:
                pulse.module_unload(index)


@contextmanager
def music(server: PrivateServer, *options: str) -> Iterator[Popen[bytes]]:
    """A player of a loud tone; ``options`` are those of paplay."""
    path = Path(server.folder) / "tone.wav"
    if not path.exists():
        times = np.arange(60 * RATE) / RATE
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * TONE_HZ * times), RATE, subtype="FLOAT")
    player = server.run(["paplay", *options, str(path)])
    try:
        yield player
    finally:
        player.terminate()
        player.wait()


def tone_dbfs(samples: Samples) -> float:
    """Level of the tone of ``music`` in ``samples``, dBFS of its amplitude; -inf without samples."""
    if not len(samples):
        return -np.inf
    window = np.hanning(len(samples))
    wave = np.exp(-2j * np.pi * TONE_HZ / RATE * np.arange(len(samples)))
    return float(20 * np.log10(abs(np.sum(samples * window * wave)) * 2 / np.sum(window) + 1e-12))
