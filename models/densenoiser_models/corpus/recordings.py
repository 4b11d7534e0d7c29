"""Reads recordings for training: any layout, format and rate, to mono at 48 kHz; unusable ones are refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from ..bands import BAND_BINS, HIGH_BANDS, LOW_BINS, SPEC
from ..errors import AudioFileError
from ..signal.speech_activity import active_frames
from ..stft import Samples
from .band_spectra import power

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".oga", ".mp3", ".aiff", ".aif"}
SHORTEST_SECONDS = 0.3


def audio_files(folder: Path) -> list[Path]:
    """Every recording below ``folder``, sorted, whatever the layout; AudioFileError if there is none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file())
    if not found:
        raise AudioFileError(
            f"no audio file below {folder}; give a folder that holds wav, flac, ogg, opus or mp3 files"
        )
    return found


def read_mono(path: Path) -> Samples:
    """The recording at 48 kHz, channels averaged, shape (samples,), float32; AudioFileError that says what is wrong."""
    try:
        sound, rate = sf.read(path, dtype="float32", always_2d=True)
    except (sf.SoundFileError, OSError) as error:
        raise AudioFileError(f"cannot read {path}: {error}") from error
    mono = sound.mean(axis=1)
    if not np.isfinite(mono).all():
        raise AudioFileError(f"{path} holds samples that are not numbers")
    if len(mono) < SHORTEST_SECONDS * rate:
        raise AudioFileError(f"{path} is shorter than {SHORTEST_SECONDS} s")
    peak = np.abs(mono).max()
    if peak < 1e-4:
        raise AudioFileError(f"{path} is silent")
    if np.mean(np.abs(mono) > 0.999 * peak) > 0.01:
        raise AudioFileError(f"{path} is clipped: more than 1 % of it sits at its peak")
    return np.asarray(soxr.resample(mono, rate, SPEC.sample_rate), np.float32)


def covered_bands(low: NDArray[np.float32], high: NDArray[np.float32]) -> int:
    """How many bands above 8 kHz a recording reaches: those within 60 dB of its strongest 1 kHz, in active frames."""
    loud = active_frames(power(low, high))
    below = np.mean(np.sum(low[loud] ** 2, axis=2).reshape(-1, LOW_BINS // BAND_BINS, BAND_BINS), axis=2)
    strong = np.percentile(np.concatenate([below, high[loud] ** 2], axis=1), 97, axis=0)
    reached = np.flatnonzero(strong[-HIGH_BANDS:] > strong.max() * 1e-6)
    return int(reached[-1]) + 1 if len(reached) else 0


def gate_pauses(speech: Samples) -> Samples:
    """Speech whose pauses hiss, less than 45 dB below its loud frames, with those pauses turned down by 20 dB."""
    steps = len(speech) // SPEC.hop
    level = np.mean(speech[: steps * SPEC.hop].reshape(steps, SPEC.hop) ** 2, axis=1) + 1e-12
    loud = np.percentile(level, 95)
    if np.percentile(level, 5) < loud * 10**-4.5:
        return speech
    spoken = level > max(loud * 10**-3.0, 4 * np.percentile(level, 5))
    # 80 ms before and 150 ms after what is spoken stay open: onsets and decays.
    wide = np.convolve(np.pad(spoken, (15, 8)), np.ones(24), mode="valid") > 0
    gain = np.convolve(np.pad(np.where(wide, 1.0, 0.1), 3, mode="edge"), np.ones(7) / 7, mode="valid")
    centres = (np.arange(steps) + 0.5) * SPEC.hop
    return np.asarray(speech * np.interp(np.arange(len(speech)), centres, gain), np.float32)


def group_of(path: Path, folder: Path) -> str:
    """The group of a recording below ``folder``: the folder's child that it lies in."""
    inside = path.relative_to(folder).parts
    return f"{folder.name}/{inside[0]}" if len(inside) > 1 else folder.name
