"""Recordings on disk: found in folders, read at one rate, judged, and left out with a reason where they do not serve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from ..errors import AudioFileError
from ..stft import Samples
from .level import active_level

SUFFIXES = frozenset({".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".sph", ".w64", ".wav"})
MIN_SECONDS = 0.3
SILENT_DB = -75.0
CLIPPED_SHARE = 0.005
_BAND_HZ = 500
_BAND_RANGE_DB = 60.0


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file that was left out, and why."""

    path: Path
    reason: str


def find_recordings(folders: Iterable[Path]) -> list[Path]:
    """Every audio file below the folders, sorted, however they are nested. AudioFileError if a folder has none."""
    found: list[Path] = []
    for folder in folders:
        below = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not below:
            raise AudioFileError(f"no audio file below {folder}; give a folder of {', '.join(sorted(SUFFIXES))} files")
        found += below
    return found


def read_recording(path: Path, sample_rate: int) -> Samples:
    """The file's first channel at ``sample_rate``, shape (n,), float32, not clipped to [-1, 1].

    One channel, not the mean: channels of a spaced pair comb-filter when summed. AudioFileError if it cannot be read.
    """
    try:
        samples, rate = sf.read(path, dtype="float32", always_2d=True)
    except (OSError, sf.SoundFileError) as error:
        raise AudioFileError(f"cannot read {path}: {error}") from error
    if not len(samples):
        raise AudioFileError(f"{path} holds no audio")
    mono = np.ascontiguousarray(samples[:, 0])
    if rate != sample_rate:
        mono = soxr.resample(mono, rate, sample_rate)
    if not np.isfinite(mono).all():
        raise AudioFileError(f"{path} holds samples that are not finite")
    return mono.astype(np.float32, copy=False)


def read_usable(path: Path, sample_rate: int) -> Samples | Rejected:
    """The samples, or why the file does not serve: unreadable, too short, silent, or clipped."""
    try:
        samples = read_recording(path, sample_rate)
    except AudioFileError as error:
        return Rejected(path, str(error))
    if len(samples) < MIN_SECONDS * sample_rate:
        return Rejected(path, f"shorter than {MIN_SECONDS} s")
    if active_level(samples, sample_rate) < SILENT_DB:
        return Rejected(path, f"silent: active level under {SILENT_DB:g} dBFS")
    peak = float(np.abs(samples).max())
    if float(np.mean(np.abs(samples) > 0.999 * peak)) > CLIPPED_SHARE:
        return Rejected(path, f"clipped: more than {CLIPPED_SHARE:.1%} of the samples at the peak")
    return samples


def usable_recordings(
    paths: Iterable[Path], sample_rate: int, rejected: list[Rejected]
) -> Iterator[tuple[Path, Samples]]:
    """Read the files one by one; those that do not serve are added to ``rejected`` and skipped."""
    for path in paths:
        result = read_usable(path, sample_rate)
        if isinstance(result, Rejected):
            rejected.append(result)
        else:
            yield path, result


def bandwidth_hz(samples: Samples, sample_rate: int) -> int:
    """Where the content ends, Hz: top of the highest 500 Hz band whose 97th-percentile level in active frames is within
    60 dB of the strongest band's.
    """
    size = sample_rate // 50
    count = len(samples) // size
    if not count:
        return sample_rate // 2
    frames = samples[: count * size].reshape(count, size)
    energy = np.mean(np.square(frames), axis=1)
    active = frames[energy >= 1e-3 * energy.max()][:1500]
    window = np.hanning(size).astype(np.float32) ** 2
    power = np.abs(np.fft.rfft(active * window, axis=1)) ** 2
    per_band = _BAND_HZ * size // sample_rate
    bands = power[:, 1 : 1 + power.shape[1] // per_band * per_band]
    bands = bands[:, : bands.shape[1] // per_band * per_band].reshape(len(active), -1, per_band).mean(axis=2)
    level = 10.0 * np.log10(np.percentile(bands, 97, axis=0) + 1e-20)
    return int(np.flatnonzero(level >= level.max() - _BAND_RANGE_DB)[-1] + 1) * _BAND_HZ
