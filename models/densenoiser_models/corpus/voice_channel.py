"""What happens to a voice between the microphone and us: an input that clips, a call's codec."""

from __future__ import annotations

import io

import numpy as np
import soundfile as sf

from ..bands import SPEC
from ..stft import Samples

CLIPPED, CODED = 0.1, 0.1
"""Odds of each."""


def through_line(rng: np.random.Generator, voice: Samples) -> Samples:
    """The voice as it arrives, sample for sample in its place, shape and level as given; mostly it is untouched."""
    if rng.random() < CLIPPED:
        limit = np.float32(np.abs(voice).max() * 10 ** (rng.uniform(-15, -3) / 20))
        voice = np.clip(voice, -limit, limit)
    if rng.random() < CODED:
        voice = through_codec(voice, rng.uniform(0.85, 0.97))
    return voice


def through_codec(voice: Samples, compression: float) -> Samples:
    """Through Opus; ``compression`` of libsndfile, 0.85 to 0.97 is about 44 to 14 kbit/s."""
    level = np.float32(np.abs(voice).max() + 1e-9)  # the codec works up to full scale
    stream = io.BytesIO()
    sf.write(stream, voice / level, SPEC.sample_rate, "OPUS", format="OGG", compression_level=compression)
    stream.seek(0)
    coded, _ = sf.read(stream, dtype="float32")
    return np.asarray(np.pad(coded, (0, max(len(voice) - len(coded), 0)))[: len(voice)] * level, np.float32)
