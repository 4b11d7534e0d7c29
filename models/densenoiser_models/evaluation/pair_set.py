"""Reads a folder of pairs: clean/NAME, noisy/NAME, and pairs.csv with the facts about each."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from ..errors import AudioFileError
from ..signal.speech_activity import RATE
from ..stft import Samples


@dataclass(frozen=True, slots=True)
class Pair:
    """One recording with and without noise. ``facts`` holds its row of pairs.csv, and is empty if there is none."""

    name: str
    clean_path: Path
    noisy_path: Path
    facts: dict[str, str] = field(default_factory=dict, compare=False)

    def load(self) -> tuple[Samples, Samples]:
        """Reads clean and noisy audio, mono float32 at 48 kHz. AudioFileError if they differ in length."""
        clean, noisy = _load(self.clean_path), _load(self.noisy_path)
        if len(clean) != len(noisy):
            raise AudioFileError(f"{self.clean_path} and {self.noisy_path} are not equally long")
        return clean, noisy

    def digest(self) -> str:
        """A digest of both files. It changes when either file does."""
        content = hashlib.blake2b(digest_size=8)
        for path in (self.clean_path, self.noisy_path):
            content.update(path.read_bytes())
        return content.hexdigest()


def read_pairs(folder: Path) -> list[Pair]:
    """All pairs of a folder, ordered by name. AudioFileError if there are none, or one side of a pair is missing."""
    clean = {path.name: path for path in _files(folder / "clean")}
    noisy = {path.name: path for path in _files(folder / "noisy")}
    if not clean:
        raise AudioFileError(
            f"{folder} holds no pairs: it needs clean/NAME and noisy/NAME; densenoiser-train mix makes them"
        )
    alone = sorted(clean.keys() ^ noisy.keys())
    if alone:
        raise AudioFileError(f"{folder}: {alone[0]} and {len(alone) - 1} more lack their clean or noisy side")
    facts = _facts(folder / "pairs.csv")
    return [Pair(name, clean[name], noisy[name], facts.get(name, {})) for name in sorted(clean)]


def sample(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Draws ``count`` of the pairs, in their order. A larger draw contains every smaller one."""
    chosen = np.random.default_rng(0).permutation(len(pairs))[:count]
    return [pairs[index] for index in sorted(chosen)]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if path.is_file() and not path.name.startswith(".")]


def _facts(table: Path) -> dict[str, dict[str, str]]:
    """The rows of ``table`` by file name, which is the first column."""
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        key = (reader.fieldnames or [""])[0]
        return {Path(row[key]).name: row for row in reader}


def _load(path: Path) -> Samples:
    try:
        audio, rate = sf.read(path, dtype="float32", always_2d=True)
    except (sf.SoundFileError, OSError) as error:
        raise AudioFileError(f"cannot read {path}: {error}") from error
    mono = np.asarray(audio.mean(axis=1), np.float32)
    resampled: Samples = mono if rate == RATE else soxr.resample(mono, rate, RATE, "VHQ")
    return resampled
