"""The pool of samples: every recording at 48 kHz and at one level, to be kept whole on a GPU and mixed there.

Folder layout: ``pool.json`` (groups, files, seed), ``left_out.csv`` (file, reason), ``speech.samples`` and
``noise.samples``, float16, one recording after the other in whole frames, and ``rooms.npy``, float16 (rooms, 24 000),
responses from the direct sound on. Speech is there as it is and once at another speed. 0.35 GB an hour.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soxr
from numpy.typing import NDArray

from ..bands import SPEC
from ..errors import AudioFileError
from ..signal.speech_activity import active_level
from ..stft import Samples
from .band_spectra import analyse
from .noise_sources import NoiseSource, noise_sources
from .pool import POOL_LEVEL_DB
from .recordings import audio_files, covered_bands, gate_pauses, group_of, read_mono
from .room_response import recorded_room, simulate_room
from .voice_channel import through_line

FORMAT = 1
ROOM_SAMPLES = SPEC.sample_rate // 2
SIMULATED_ROOMS = 200
SPEECH_SPEEDS = (0.86, 1.16)
"""Range of the speeds at which a voice is taken once more: another throat."""
_POOL_RMS = 10 ** (POOL_LEVEL_DB / 20)
Entry = tuple[Samples, int]
"""Samples in whole frames, and how many high bands the recording reaches."""


def build_sample_pool(
    out: Path,
    speech: Iterable[Path],
    noise: Iterable[Path],
    synthetic_hours: float,
    seed: int,
    workers: int,
    noise_speeds: int = 0,
    rooms: Iterable[Path] = (),
    manifest: Path | None = None,
    made_hours: float = 0.0,
) -> Iterator[tuple[int, int]]:
    """As ``pool.build_pool``, a pool of samples in place of spectra."""
    out.mkdir(parents=True, exist_ok=True)
    spoken = [(path, group_of(path, folder)) for folder in speech for path in audio_files(folder)]
    noises = noise_sources(noise, seed, noise_speeds, synthetic_hours, made_hours, manifest)
    seeds = np.random.SeedSequence(seed).generate_state(len(spoken)).tolist()
    total, done = len(spoken) + len(noises), 0
    files: dict[str, list[tuple[str, int, int]]] = {"speech": [], "noise": []}
    left_out: list[tuple[str, str]] = []

    def add(stream: BinaryIO, kind: str, group: str, name: str, entries: list[Entry] | str) -> None:
        if isinstance(entries, str):
            left_out.append((name, entries))
            return
        for samples, covered in entries:
            stream.write(samples.astype(np.float16).tobytes())
            files[kind].append((group, len(samples) // SPEC.hop, covered))

    with ProcessPoolExecutor(workers) as pool:
        np.save(out / "rooms.npy", np.stack(list(_responses(rooms, seed))).astype(np.float16))
        tasks = [(path, s) for (path, _), s in zip(spoken, seeds, strict=True)]
        with (out / "speech.samples").open("wb") as stream:
            found = zip(spoken, pool.map(_speech_entries, tasks, chunksize=4), strict=True)
            for (path, group), entries in found:
                add(stream, "speech", group, str(path), entries)
                done += 1
                yield done, total
        with (out / "noise.samples").open("wb") as stream:
            for source, made in zip(noises, pool.map(_noise_entries, noises, chunksize=4), strict=True):
                add(stream, "noise", source.group, source.name, made)
                done += 1
                yield done, total
    with (out / "left_out.csv").open("w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([("file", "reason"), *left_out])
    index = {"format": FORMAT, "of": "samples", "rate": SPEC.sample_rate, "seed": seed, "files": files}
    partial = out / "pool.json.partial"
    partial.write_text(json.dumps(index), encoding="utf-8")
    partial.replace(out / "pool.json")


def is_sample_pool(folder: Path) -> bool:
    """Whether a pool holds samples; False for spectra, and where there is no pool."""
    try:
        return bool(json.loads((folder / "pool.json").read_text(encoding="utf-8")).get("of") == "samples")
    except (OSError, ValueError):
        return False


class SamplePool:
    """A pool of samples on disk, opened for reading."""

    def __init__(self, folder: Path) -> None:
        """AudioFileError if ``folder`` holds no finished pool of samples."""
        try:
            index: dict[str, Any] = json.loads((folder / "pool.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise AudioFileError(f"{folder} holds no finished pool; make one with densenoiser-train pool") from error
        if index.get("of") != "samples" or index["format"] != FORMAT or index["rate"] != SPEC.sample_rate:
            raise AudioFileError(f"the pool in {folder} holds no samples; build one with pool --samples")
        try:
            self.speech = SamplePart(folder / "speech.samples", index["files"]["speech"])
            self.noise = SamplePart(folder / "noise.samples", index["files"]["noise"])
            self.rooms: NDArray[np.float16] = np.load(folder / "rooms.npy")
        except (OSError, ValueError) as error:
            raise AudioFileError(f"the pool in {folder} is damaged ({error}); build it again") from error


class SamplePart:
    """Voices or noises: ``samples`` memory-mapped, and for each recording its ``lengths`` in frames, its first frame in
    ``starts`` and the high bands it has ``covered``; ``groups`` are numbers of recordings.
    """

    def __init__(self, path: Path, files: list[tuple[str, int, int]]) -> None:
        self.lengths = np.array([frames for _, frames, _ in files], np.int64)
        self.covered = np.array([covered for _, _, covered in files], np.uint8)
        self.starts = np.cumsum(self.lengths) - self.lengths
        shape = (int(self.lengths.sum()) * SPEC.hop,)
        self.samples = np.memmap(path, np.float16, "c", shape=shape)
        names = np.array([group for group, _, _ in files])
        self.groups = {str(group): np.flatnonzero(names == group) for group in dict.fromkeys(names)}


def _entry(sound: Samples) -> list[Entry]:
    """At the pool's level, cut to whole frames; nothing if there is not a fifth of a second."""
    sound = sound[: len(sound) // SPEC.hop * SPEC.hop]
    if len(sound) < 20 * SPEC.hop:
        return []
    level = np.float32(_POOL_RMS / active_level(sound))
    return [(np.clip(sound * level, -60_000, 60_000), covered_bands(*analyse(sound)))]


def _speech_entries(task: tuple[Path, int]) -> list[Entry] | str:
    path, seed = task
    rng = np.random.default_rng([seed, 1])
    try:
        speech = gate_pauses(read_mono(path))
    except AudioFileError as error:
        return str(error)
    speed = SPEC.sample_rate * float(np.exp(rng.uniform(*np.log(SPEECH_SPEEDS))))
    other = np.asarray(soxr.resample(speech, speed, SPEC.sample_rate), np.float32)
    return _entry(speech) + _entry(through_line(rng, other))


def _noise_entries(source: NoiseSource) -> list[Entry] | str:
    try:
        return _entry(source.read())
    except AudioFileError as error:
        return str(error)


def _responses(folders: Iterable[Path], seed: int) -> Iterator[Samples]:
    """Recorded rooms, then simulated ones, each half a second long and of energy 1."""
    rng = np.random.default_rng([seed, 3])
    recorded = [recorded_room(path) for folder in folders for path in audio_files(folder)]
    for response in [*recorded, *(simulate_room(rng) for _ in range(SIMULATED_ROOMS))]:
        padded = np.pad(response, (0, max(ROOM_SAMPLES - len(response), 0)))[:ROOM_SAMPLES]
        yield padded / np.linalg.norm(padded)
