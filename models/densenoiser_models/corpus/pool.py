"""The spectral pool: every recording taken to the spectrum once, so that mixing is an addition.

Folder layout: ``pool.json`` (groups, files, seed), ``left_out.csv`` (file, reason), and for each of ``speech``,
``room_speech`` and ``noise`` two arrays of frames, ``NAME.low`` (frames, 256, 2) and ``NAME.high`` (frames, 16), float16,
and ``NAME.covered`` (frames,) uint8: how many high bands the recording reaches.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soxr
from numpy.typing import NDArray

from ..bands import HIGH_BANDS, LOW_BINS, SPEC
from ..errors import AudioFileError
from ..signal.speech_activity import active_level
from ..stft import Samples
from .band_spectra import BIN_HZ, analyse
from .noise_sources import NoiseSource, noise_sources
from .recordings import audio_files, covered_bands, gate_pauses, group_of, read_mono
from .room_response import recorded_room, reverberate, simulate_room
from .voice_channel import through_line

FORMAT = 2
POOL_LEVEL_DB = -25.0
"""Level of the active frames of everything in the pool, dBFS."""
_POOL_RMS = 10 ** (POOL_LEVEL_DB / 20)
RECORDED_ROOMS = 0.5
"""Share of the voices that are put in a recorded room rather than a simulated one, where such are given."""


@dataclass(frozen=True, slots=True)
class Track:
    """Frames that belong together: arrays as in the pool's files."""

    low: NDArray[np.float16]
    high: NDArray[np.float16]
    covered: NDArray[np.uint8]


def _track(sound: Samples, covered: int | None = None) -> Track:
    low, high = analyse(sound)
    bands = covered_bands(low, high) if covered is None else covered
    return Track(low.astype(np.float16), high.astype(np.float16), np.full(len(low), bands, np.uint8))


def _speech_tracks(task: tuple[Path, int, tuple[Path, ...]]) -> dict[str, Track] | str:
    """Dry speech, and the same at another speed in a room; or why the file is left out."""
    path, seed, rooms = task
    rng = np.random.default_rng([seed, 1])
    try:
        speech = gate_pauses(read_mono(path))
        recorded = recorded_room(rooms[rng.integers(len(rooms))]) if rooms and rng.random() < RECORDED_ROOMS else None
    except AudioFileError as error:
        return str(error)
    speech *= _POOL_RMS / active_level(speech)
    dry = _track(speech)
    speed = rng.uniform(0.9, 1.1)
    faster = np.asarray(soxr.resample(speech, SPEC.sample_rate * speed, SPEC.sample_rate), np.float32)
    wet = through_line(rng, reverberate(faster, simulate_room(rng) if recorded is None else recorded))
    return {
        "speech": dry,
        "room_speech": _track(wet * np.float32(_POOL_RMS / active_level(wet)), int(dry.covered[0])),
    }


def _noise_tracks(source: NoiseSource) -> dict[str, Track] | str:
    """A noise; or why it is left out."""
    try:
        noise = source.read()
    except AudioFileError as error:
        return str(error)
    return {"noise": _track(noise * np.float32(_POOL_RMS / active_level(noise)))}


class _Writer:
    """Appends tracks to the pool's arrays and keeps their index."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, BinaryIO] = {}
        self.files: dict[str, list[tuple[str, str, int]]] = {}
        self.left_out: list[tuple[str, str]] = []

    def add(self, group: str, name: str, tracks: dict[str, Track] | str) -> None:
        if isinstance(tracks, str):
            self.left_out.append((name, tracks))
            return
        for kind, track in tracks.items():
            for part in ("low", "high", "covered"):
                key = f"{kind}.{part}"
                if key not in self._open:
                    self._open[key] = (self._folder / key).open("wb")
                self._open[key].write(getattr(track, part).tobytes())
            self.files.setdefault(kind, []).append((group, name, len(track.covered)))

    def close(self) -> None:
        for stream in self._open.values():
            stream.close()


def build_pool(
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
    """Write a pool of all recordings below the folders, yielding (files done, files in all).

    A group is a folder's direct child; of a noise that ``manifest`` lists it is the kind. Every noise is there once as it is
    and ``noise_speeds`` times at other speeds. ``synthetic_hours`` of machine noise and ``made_hours`` of other made noise
    come on top. ``rooms`` are folders of room responses. The pool is the same for the same
    files and seed, whatever ``workers`` is.
    """
    out.mkdir(parents=True, exist_ok=True)
    spoken = [(folder, path) for folder in speech for path in audio_files(folder)]
    noises = noise_sources(noise, seed, noise_speeds, synthetic_hours, made_hours, manifest)
    seeds = np.random.SeedSequence(seed).generate_state(len(spoken)).tolist()
    responses = tuple(path for folder in rooms for path in audio_files(folder))
    total, done = len(spoken) + len(noises), 0
    writer = _Writer(out)
    with ProcessPoolExecutor(workers) as pool:
        speech_tasks = [(path, s, responses) for (_, path), s in zip(spoken, seeds, strict=True)]
        for (folder, path), tracks in zip(spoken, pool.map(_speech_tracks, speech_tasks, chunksize=4), strict=True):
            writer.add(group_of(path, folder), str(path), tracks)
            done += 1
            yield done, total
        made = zip(noises, pool.map(_noise_tracks, noises, chunksize=4), strict=True)
        for source, noise_tracks in made:
            writer.add(source.group, source.name, noise_tracks)
            done += 1
            yield done, total
    writer.close()
    with (out / "left_out.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("file", "reason"), *writer.left_out])
    index = {"format": FORMAT, "frame": SPEC.to_dict(), "bin_hz": BIN_HZ, "seed": seed, "files": writer.files}
    partial = out / "pool.json.partial"
    partial.write_text(json.dumps(index), encoding="utf-8")
    partial.replace(out / "pool.json")


class PoolPart:
    """One of the pool's three parts, memory-mapped: ``low`` (frames, 256, 2), ``high`` (frames, 16), ``covered``."""

    def __init__(self, folder: Path, kind: str, files: list[tuple[str, str, int]]) -> None:
        lengths = np.array([frames for _, _, frames in files], np.int64)
        self.starts = np.cumsum(lengths) - lengths
        self.lengths = lengths
        frames = int(lengths.sum())
        try:
            self.low = np.memmap(folder / f"{kind}.low", np.float16, "c", shape=(frames, LOW_BINS, 2))
            self.high = np.memmap(folder / f"{kind}.high", np.float16, "c", shape=(frames, HIGH_BANDS))
            self.covered = np.memmap(folder / f"{kind}.covered", np.uint8, "c", shape=(frames,))
        except (OSError, ValueError) as error:
            raise AudioFileError(f"the pool in {folder} is damaged ({kind}: {error}); build it again") from error
        self.groups: dict[str, NDArray[np.int64]] = {}
        names = np.array([group for group, _, _ in files])
        for group in dict.fromkeys(names):
            self.groups[str(group)] = np.flatnonzero(names == group)

    @property
    def frames(self) -> int:
        return len(self.covered)


class Pool:
    """A pool on disk, opened for reading."""

    def __init__(self, folder: Path) -> None:
        """AudioFileError if ``folder`` holds no finished pool."""
        try:
            index = json.loads((folder / "pool.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise AudioFileError(f"{folder} holds no finished pool; make one with densenoiser-train pool") from error
        if index["format"] != FORMAT or index["frame"] != SPEC.to_dict():
            raise AudioFileError(f"the pool in {folder} was made by another version; build it again")
        files = index["files"]
        self.speech = PoolPart(folder, "speech", files["speech"])
        self.room_speech = PoolPart(folder, "room_speech", files["room_speech"])
        self.noise = PoolPart(folder, "noise", files["noise"])
