"""Makes a fixed set of noisy and clean pairs on disk, listed in a table, for the evaluation."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from ..bands import SPEC
from ..corpus.recordings import audio_files, read_mono
from ..errors import AudioFileError
from ..signal.speech_activity import active_level
from ..stft import Samples

BABBLE = "babble"
_PEAK = 0.98


@dataclass(frozen=True, slots=True)
class PairPlan:
    """The plan of a set: the number of pairs, their length and levels, the share of babble, and the seed."""

    pairs: int = 160
    seconds: float = 8.0
    snr_db: tuple[float, float] = (-5.0, 15.0)
    level_db: tuple[float, float] = (-35.0, -15.0)
    babble: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class PairRow:
    """A line of ``pairs.csv``. Its levels are those of the files written.

    ``speech_level_db`` is the active level of the speech in dBFS. ``snr_db`` is its distance to the RMS of the noise
    over the whole pair.
    """

    name: str
    snr_db: float
    speech_level_db: float
    speech: str
    noise: str
    noise_kind: str


class Sources:
    """The recordings below some folders, read on demand. ``left_out`` lists the unusable ones, which are skipped."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """AudioFileError if a folder has no audio."""
        self.files = [(folder, path) for folder in folders for path in audio_files(folder)]
        self.left_out: dict[str, str] = {}

    def read(self, index: int) -> Samples | None:
        """Reads file ``index`` at 48 kHz. None if it cannot be used."""
        path = self.files[index % len(self.files)][1]
        if str(path) in self.left_out:
            return None
        try:
            return read_mono(path)
        except AudioFileError as error:
            self.left_out[str(path)] = str(error)
            return None

    def take(self, first: int, samples: int, joined: bool) -> tuple[Samples, str] | None:
        """At least ``samples`` of audio from file ``first`` on, and the names of its files. None if that file is unusable.

        If the file is too short and ``joined`` is set, the next files of the same folder follow. Otherwise it is repeated.
        """
        sound = self.read(first)
        if sound is None:
            return None
        names = [self.name(first)]
        following = first
        while len(sound) < samples:
            following += joined
            same_folder = self.files[following % len(self.files)][1].parent == self.files[first][1].parent
            more = self.read(following if same_folder else first)
            if more is not None:
                sound = np.concatenate([sound, more])
                names += [self.name(following)] * (joined and same_folder)
        return sound, "+".join(names)

    def name(self, index: int) -> str:
        """The file's path below its folder."""
        folder, path = self.files[index % len(self.files)]
        return path.relative_to(folder).as_posix()


def write_pairs(out: Path, speech: Sources, noise: Sources, plan: PairPlan) -> Iterator[PairRow]:
    """Writes ``clean/NAME``, ``noisy/NAME`` (48 kHz FLAC, 24 bit) and ``pairs.csv`` into ``out``. Yields each pair.

    Takes speech folders and noise files in turn, in an order set by the seed. AudioFileError if the set exists or
    nothing usable is left.
    """
    if (out / "pairs.csv").exists():
        raise AudioFileError(f"{out} already holds a set of pairs; remove it or choose another --out")
    for part in ("clean", "noisy"):
        (out / part).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(plan.seed)
    samples = int(plan.seconds * SPEC.sample_rate)
    voices, noises = _voice_order(rng, speech), _endless(rng, len(noise.files))
    pairs: list[PairRow] = []
    while len(pairs) < plan.pairs:
        if len(speech.left_out) == len(speech.files) or len(noise.left_out) == len(noise.files):
            raise AudioFileError(
                "none of the recordings can be used; the first reason: " + _first_reason(speech, noise)
            )
        spoken = speech.take(next(voices), samples, joined=True)
        if rng.random() < plan.babble:
            disturbing, kind = _babble(rng, speech, samples), BABBLE
        else:
            index = next(noises)
            disturbing, kind = noise.take(index, samples, joined=False), Path(noise.name(index)).parent.as_posix()
        if spoken is None or disturbing is None:
            continue
        name = f"{len(pairs):04}.flac"
        clean, noisy, level_db, snr_db = _mixed(
            rng, _crop(rng, spoken[0], samples), _crop(rng, disturbing[0], samples), plan
        )
        sf.write(out / "clean" / name, clean, SPEC.sample_rate, "PCM_24")
        sf.write(out / "noisy" / name, noisy, SPEC.sample_rate, "PCM_24")
        pairs.append(PairRow(name, round(snr_db, 3), round(level_db, 3), spoken[1], disturbing[1], kind))
        yield pairs[-1]
    with (out / "pairs.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(PairRow)])
        writer.writeheader()
        writer.writerows(asdict(pair) for pair in pairs)


def _mixed(
    rng: np.random.Generator, speech: Samples, noise: Samples, plan: PairPlan
) -> tuple[Samples, Samples, float, float]:
    level_db, snr_db = rng.uniform(*plan.level_db), rng.uniform(*plan.snr_db)
    speech = speech * np.float32(10 ** (level_db / 20) / active_level(speech))
    noise = noise * np.float32(10 ** ((level_db - snr_db) / 20) / (np.sqrt(np.mean(noise**2)) + 1e-12))
    peak = max(float(np.abs(speech + noise).max()), float(np.abs(speech).max()))
    room = np.float32(min(1.0, _PEAK / peak))
    return speech * room, (speech + noise) * room, level_db + 20 * float(np.log10(room)), snr_db


def _crop(rng: np.random.Generator, sound: Samples, samples: int) -> Samples:
    start = int(rng.integers(len(sound) - samples + 1))
    return sound[start : start + samples]


def _babble(rng: np.random.Generator, speech: Sources, samples: int) -> tuple[Samples, str] | None:
    """Mixes five voices at levels a few dB apart."""
    total, names = np.zeros(samples, np.float32), []
    for index in rng.integers(len(speech.files), size=5):
        taken = speech.take(int(index), samples, joined=True)
        if taken is None:
            return None
        voice = _crop(rng, taken[0], samples)
        total += voice * np.float32(10 ** (rng.normal(0, 2) / 20) / active_level(voice))
        names.append(taken[1].split("+")[0])
    return total, "+".join(names)


def _voice_order(rng: np.random.Generator, speech: Sources) -> Iterator[int]:
    """Yields files endlessly, one from each folder in turn."""
    folders: dict[Path, list[int]] = {}
    for i, (_, path) in enumerate(speech.files):
        folders.setdefault(path.parent, []).append(i)
    turns = [_endless(rng, len(files)) for files in folders.values()]
    while True:
        for files, turn in zip(folders.values(), turns, strict=True):
            yield files[next(turn)]


def _endless(rng: np.random.Generator, count: int) -> Iterator[int]:
    while True:
        order: NDArray[np.int64] = rng.permutation(count)
        yield from order.tolist()


def _first_reason(*sources: Sources) -> str:
    return next(reason for source in sources for reason in source.left_out.values())
