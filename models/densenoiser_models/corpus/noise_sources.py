"""The noises that training is to hear: recordings, each by its kind, some at another speed, and made ones."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from ..bands import SPEC
from ..errors import AudioFileError
from ..stft import Samples
from .machine_noise import machine_noise
from .made_noise import made_noise
from .recordings import audio_files, group_of, read_mono

SYNTHETIC_GROUP, MADE_GROUP = "machine_noise", "procedural"
MADE_SECONDS = 12.0
NOISE_SPEEDS = (0.7, 1.4)
"""Range of the speeds at which a noise is taken once more: another fan, another street, from the same recording."""


@dataclass(frozen=True, slots=True)
class NoiseSource:
    """One noise; ``seed`` decides all that is drawn of it."""

    path: Path | None
    """The recording, or None for a noise that its group says how to make."""
    group: str
    seed: int
    at_other_speed: bool = False

    @property
    def name(self) -> str:
        """For lists."""
        return str(self.path or self.group)

    def read(self) -> Samples:
        """The noise at 48 kHz, shape (samples,), float32, of any level; AudioFileError if it cannot be used."""
        rng = np.random.default_rng([self.seed, 2])
        if self.path is not None:
            noise = read_mono(self.path)
        elif self.group == MADE_GROUP:
            _, noise = made_noise(rng, MADE_SECONDS)
        else:
            noise = machine_noise(rng, MADE_SECONDS)
        if self.at_other_speed:
            speed = float(np.exp(rng.uniform(*np.log(NOISE_SPEEDS))))
            noise = np.asarray(soxr.resample(noise, SPEC.sample_rate * speed, SPEC.sample_rate), np.float32)
        return noise


def noise_sources(
    folders: Iterable[Path],
    seed: int,
    speeds: int,
    synthetic_hours: float,
    made_hours: float,
    manifest: Path | None,
) -> list[NoiseSource]:
    """Every recording below the folders as it is and ``speeds`` times at other speeds, then the made noises.

    A recording's group is its kind where ``manifest`` names one, else the folder's child that it lies in. AudioFileError.
    """
    kinds = _read_kinds(manifest) if manifest is not None else {}
    recorded = [(path, kinds.get(path.resolve()) or group_of(path, f)) for f in folders for path in audio_files(f)]
    wanted: list[tuple[Path | None, str, bool]] = []
    for turn in range(1 + speeds):
        wanted += [(path, group, turn > 0) for path, group in recorded]
    for group, hours in (SYNTHETIC_GROUP, synthetic_hours), (MADE_GROUP, made_hours):
        wanted += [(None, group, False)] * round(hours * 3600 / MADE_SECONDS)
    seeds = np.random.SeedSequence([seed, 1]).generate_state(len(wanted)).tolist()
    return [NoiseSource(path, group, s, other) for (path, group, other), s in zip(wanted, seeds, strict=True)]


def _read_kinds(manifest: Path) -> dict[Path, str]:
    """The kind of each noise by its absolute path, from a table with the columns ``path`` (from the table's folder) and
    ``noise_class``; AudioFileError if it is none."""
    try:
        with manifest.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        return {(manifest.parent / row["path"]).resolve(): row["noise_class"] for row in rows if row["noise_class"]}
    except (OSError, KeyError, ValueError) as error:
        raise AudioFileError(f"cannot use {manifest} as a list of recordings and their kinds: {error!r}") from error
