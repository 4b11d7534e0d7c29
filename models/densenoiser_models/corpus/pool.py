"""The spectral pool: every recording taken to the spectrum once, so that mixing is an addition.

Folder layout: ``pool.json`` (groups, files, seed), ``left_out.csv`` (file, reason), and for each of ``speech``,
``room_speech``, ``room_target`` and ``noise`` two arrays of frames, ``NAME.low`` (frames, 256, 2) and ``NAME.high``
(frames, 16), float16, and ``NAME.covered`` (frames,) uint8: how many high bands the recording reaches.
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
import soundfile as sf
import soxr
from numpy.typing import NDArray

from ..bands import BAND_BINS, HIGH_BANDS, LOW_BINS, SPEC
from ..errors import AudioFileError
from ..signal.speech_activity import active_frames, active_level
from ..stft import Samples
from .band_spectra import BIN_HZ, analyse, power
from .machine_noise import machine_noise
from .room_response import recorded_room, reverberate, simulate_room
from .voice_channel import through_line

FORMAT = 1
AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".oga", ".mp3", ".aiff", ".aif"}
POOL_LEVEL_DB = -25.0
"""Level of the active frames of everything in the pool, dBFS."""
_POOL_RMS = 10 ** (POOL_LEVEL_DB / 20)
SHORTEST_SECONDS = 0.3
SYNTHETIC_GROUP = "machine_noise"
SYNTHETIC_SECONDS = 12.0
RECORDED_ROOMS = 0.5
"""Share of the voices that are put in a recorded room rather than a simulated one, where such are given."""
NOISE_SPEEDS = (0.7, 1.4)
"""Range of the speeds at which a noise is taken once more: another fan, another street, from the same recording."""


@dataclass(frozen=True, slots=True)
class Track:
    """Frames that belong together: arrays as in the pool's files."""

    low: NDArray[np.float16]
    high: NDArray[np.float16]
    covered: NDArray[np.uint8]


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


def _track(sound: Samples, covered: int | None = None) -> Track:
    low, high = analyse(sound)
    bands = covered_bands(low, high) if covered is None else covered
    return Track(low.astype(np.float16), high.astype(np.float16), np.full(len(low), bands, np.uint8))


def _speech_tracks(task: tuple[Path, int, tuple[Path, ...]]) -> dict[str, Track] | str:
    """Dry speech, and the same at another speed in a room, with its target; or why the file is left out."""
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
    wet, target = reverberate(faster, simulate_room(rng) if recorded is None else recorded)
    wet = through_line(rng, wet)
    scale = _POOL_RMS / active_level(target)
    covered = int(dry.covered[0])
    return {
        "speech": dry,
        "room_speech": _track(wet * scale, covered),
        "room_target": _track(target * scale, covered),
    }


def _noise_tracks(task: tuple[Path | None, int, bool]) -> dict[str, Track] | str:
    path, seed, at_other_speed = task
    rng = np.random.default_rng([seed, 2])
    try:
        noise = read_mono(path) if path else machine_noise(rng, SYNTHETIC_SECONDS)
    except AudioFileError as error:
        return str(error)
    if at_other_speed:
        speed = float(np.exp(rng.uniform(*np.log(NOISE_SPEEDS))))
        noise = np.asarray(soxr.resample(noise, SPEC.sample_rate * speed, SPEC.sample_rate), np.float32)
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


def _group(path: Path, folder: Path) -> str:
    inside = path.relative_to(folder).parts
    return f"{folder.name}/{inside[0]}" if len(inside) > 1 else folder.name


def build_pool(
    out: Path,
    speech: Iterable[Path],
    noise: Iterable[Path],
    synthetic_hours: float,
    seed: int,
    workers: int,
    noise_speeds: int = 0,
    rooms: Iterable[Path] = (),
) -> Iterator[tuple[int, int]]:
    """Write a pool of all recordings below the folders, yielding (files done, files in all).

    A group is a folder's direct child. Every noise is there once as it is and ``noise_speeds`` times at other speeds.
    ``rooms`` are folders of room responses. The pool is the same for the same files and seed, whatever ``workers`` is.
    """
    out.mkdir(parents=True, exist_ok=True)
    spoken = [(folder, path) for folder in speech for path in audio_files(folder)]
    recorded = [(folder, path) for folder in noise for path in audio_files(folder)]
    noises: list[tuple[Path | None, Path | None, bool]] = [
        (folder, path, turn > 0) for turn in range(1 + noise_speeds) for folder, path in recorded
    ]
    noises += [(None, None, False)] * round(synthetic_hours * 3600 / SYNTHETIC_SECONDS)
    seeds = np.random.SeedSequence(seed).generate_state(len(spoken) + len(noises)).tolist()
    responses = tuple(path for folder in rooms for path in audio_files(folder))
    total, done = len(seeds), 0
    writer = _Writer(out)
    with ProcessPoolExecutor(workers) as pool:
        speech_tasks = [(path, s, responses) for (_, path), s in zip(spoken, seeds, strict=False)]
        for (folder, path), tracks in zip(spoken, pool.map(_speech_tracks, speech_tasks, chunksize=4), strict=True):
            writer.add(_group(path, folder), str(path), tracks)
            done += 1
            yield done, total
        noise_tasks = [(path, s, other) for (_, path, other), s in zip(noises, seeds[len(spoken) :], strict=True)]
        for (home, where, _other), tracks in zip(
            noises, pool.map(_noise_tracks, noise_tasks, chunksize=4), strict=True
        ):
            group = _group(where, home) if home and where else SYNTHETIC_GROUP
            writer.add(group, str(where or SYNTHETIC_GROUP), tracks)
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
    """One of the pool's four kinds, memory-mapped: ``low`` (frames, 256, 2), ``high`` (frames, 16), ``covered``."""

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
        self.room_target = PoolPart(folder, "room_target", files["room_target"])
        self.noise = PoolPart(folder, "noise", files["noise"])
