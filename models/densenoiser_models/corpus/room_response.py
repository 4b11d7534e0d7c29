"""Rooms for dry speech: simulated responses and recorded ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyroomacoustics as pra
import soundfile as sf
import soxr
from scipy.signal import oaconvolve

from ..bands import SPEC
from ..errors import AudioFileError
from ..stft import Samples


def simulate_room(rng: np.random.Generator) -> Samples:
    """Response of a random room, office to living room, starting at the direct sound, whose peak is 1."""
    size = [rng.uniform(2.5, 8), rng.uniform(2.5, 6), rng.uniform(2.3, 3.2)]
    absorption, order = pra.inverse_sabine(rng.uniform(0.15, 0.6), size)
    room = pra.ShoeBox(
        size, fs=SPEC.sample_rate, materials=pra.Material(min(absorption, 0.99)), max_order=min(order, 14)
    )
    ear = np.array([rng.uniform(0.5, length - 0.5) for length in size])
    away = rng.normal(size=3)
    mouth = ear + away / np.linalg.norm(away) * rng.uniform(0.3, 2.0)
    mouth = np.clip(mouth, 0.3, np.array(size) - 0.3)
    room.add_source(mouth)
    room.add_microphone(ear)
    room.compute_rir()
    return _from_direct_sound(np.asarray(room.rir[0][0], np.float32))


def recorded_room(path: Path) -> Samples:
    """The response in a file, first channel, as ``simulate_room`` gives one; AudioFileError if it cannot be used."""
    try:
        sound, rate = sf.read(path, dtype="float32", always_2d=True)
    except (sf.SoundFileError, OSError) as error:
        raise AudioFileError(f"cannot read {path}: {error}") from error
    response = np.asarray(soxr.resample(sound[:, 0], rate, SPEC.sample_rate), np.float32)
    if not np.isfinite(response).all() or not response.any():
        raise AudioFileError(f"{path} holds no room response")
    return _from_direct_sound(response)


def _from_direct_sound(response: Samples) -> Samples:
    start = int(np.argmax(np.abs(response)))
    response = response[max(start - 24, 0) : start + SPEC.sample_rate // 2]
    return np.asarray(response / np.max(np.abs(response)), np.float32)


def reverberate(speech: Samples, response: Samples) -> Samples:
    """The speech as it is heard in the room, of the same length."""
    return np.asarray(oaconvolve(speech, response)[: len(speech)], np.float32)
