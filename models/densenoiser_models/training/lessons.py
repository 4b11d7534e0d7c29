"""Lessons: mixtures beside what another filter, the teacher, makes of them (Hinton et al., "Distilling the knowledge in
a neural network", 2015).

Of a voice buried in noise a network that minimises distances learns the mean of all voices it might be. A teacher's
answer follows from the noisy sound alone, so there is something certain to learn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..bands import BAND_BINS, HIGH_BANDS, LOW_BINS, SPEC
from ..corpus.band_spectra import analyse
from ..corpus.mixer import Batch, Mixer, Recipe
from ..corpus.pool import POOL_LEVEL_DB, Pool
from ..errors import AudioFileError, ModelError
from ..evaluation.alignment import DELAY_CLIPS, measure_delay, without_delay
from ..evaluation.systems import MissingSystemError, load_system
from ..stft import Samples, analysis_window, synthesis_window

FORMAT = 1
LESSON_FRAMES = 600
"""Twice a crop: the teacher has heard the noise for a while where most crops begin."""
LESSON_SECONDS = LESSON_FRAMES * SPEC.hop_seconds
_ARRAYS = {
    "noisy_low": (LOW_BINS, 2),
    "noisy_high": (HIGH_BANDS,),
    "taught_low": (LOW_BINS, 2),
    "taught_high": (HIGH_BANDS,),
}
_LARGEST = float(np.finfo(np.float16).max)
_INCOHERENT = float(np.mean(analysis_window(SPEC) ** 2) * np.sum(synthesis_window(SPEC) ** 2) / SPEC.hop)
"""Power that is left of frames whose phases are random: no window has shaped them, and overlapped they do not add up."""
Teacher = Callable[[Samples], Samples]
"""Noisy audio at 48 kHz to clean audio of the same length, without a delay."""


def as_audio(low: Tensor, high: Tensor, rng: np.random.Generator) -> Samples:
    """Low bins (frames, 256, 2) and high amplitudes (frames, 16) as sound at 48 kHz, float32, (frames * hop,).

    The phases above 8 kHz, which a pool does not keep, are random.
    """
    bins = np.zeros((len(low), SPEC.bins), np.complex64)
    bins[:, 1 : 1 + LOW_BINS] = torch.view_as_complex(low.contiguous()).numpy()
    phases = np.exp(2j * np.pi * rng.random((len(low), HIGH_BANDS * BAND_BINS))) / np.sqrt(_INCOHERENT)
    bins[:, 1 + LOW_BINS :] = np.repeat(high.numpy(), BAND_BINS, 1) * phases
    blocks = np.fft.irfft(bins, SPEC.fft_size)[:, -SPEC.synthesis_window :].astype(np.float32) * synthesis_window(SPEC)
    sound = blocks[:, : SPEC.hop].copy()
    sound[1:] += blocks[:-1, SPEC.hop :]
    return sound.reshape(-1)


def teach(mixture: Batch, teacher: Teacher, rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """One lesson, the first mixture of the batch, in the order of the arrays on disk.

    Noise alone is taught to be silence, and speech alone itself, whatever the teacher says.
    """
    noisy_low, noisy_high, clean_low, clean_high = (
        part[0] for part in (mixture.noisy_low, mixture.noisy_high, mixture.clean_low, mixture.clean_high)
    )
    noisy = as_audio(noisy_low, noisy_high, rng)
    if not clean_low.any() and not clean_high.any():
        taught = np.zeros_like(noisy)
    elif torch.equal(noisy_low, clean_low):
        taught = noisy
    else:
        gain = np.float32(min(1.0, 0.95 / max(np.abs(noisy).max(), 1e-9)))
        taught = teacher(noisy * gain) / gain
    return *analyse(noisy), *analyse(taught)


def open_teacher(name: str, pool: Pool) -> Teacher:
    """A system of ``densenoiser evaluate`` by its name, its delay measured on speech of the pool and taken out."""
    try:
        enhance = load_system(name).enhance
    except MissingSystemError as error:
        raise ModelError(str(error)) from error
    speech = Mixer(pool, Recipe(noise_only=0.0, clean_only=1.0), 0, DELAY_CLIPS, LESSON_FRAMES).draw(0)
    rng = np.random.default_rng(0)
    clips = [as_audio(low, high, rng) for low, high in zip(speech.clean_low, speech.clean_high, strict=True)]
    return without_delay(enhance, measure_delay(enhance, clips))


def write_lessons(out: Path, pool: Path, teacher: str, lessons: int, seed: int, workers: int) -> Iterator[int]:
    """Write ``lessons`` lessons of six seconds, yielding how many are done; the same whatever ``workers`` is.

    ModelError if there is no such teacher, AudioFileError if there is no such pool.
    """
    open_teacher(teacher, Pool(pool))
    out.mkdir(parents=True, exist_ok=True)
    arrays = [
        np.lib.format.open_memmap(out / f"{name}.npy", "w+", np.float16, (lessons, LESSON_FRAMES, *shape))
        for name, shape in _ARRAYS.items()
    ]
    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(pool, teacher, seed)) as processes:
        for number, lesson in enumerate(processes.map(_lesson, range(lessons), chunksize=4)):
            for array, part in zip(arrays, lesson, strict=True):
                array[number] = np.clip(part, -_LARGEST, _LARGEST)
            yield number + 1
    for array in arrays:
        array.flush()
    index = {"format": FORMAT, "frame": SPEC.to_dict(), "teacher": teacher, "lessons": lessons, "seed": seed}
    partial = out / "lessons.json.partial"
    partial.write_text(json.dumps(index), encoding="utf-8")
    partial.replace(out / "lessons.json")


class _Worker:
    mixer: Mixer
    teacher: Teacher
    seed: int


def _begin(folder: Path, teacher: str, seed: int) -> None:
    torch.set_num_threads(1)
    pool = Pool(folder)
    _Worker.mixer = Mixer(pool, Recipe(), seed, 1, LESSON_FRAMES)
    _Worker.teacher = staticmethod(open_teacher(teacher, pool))
    _Worker.seed = seed


def _lesson(number: int) -> tuple[NDArray[np.float32], ...]:
    return teach(_Worker.mixer.draw(number), _Worker.teacher, np.random.default_rng([_Worker.seed, number, 1]))


class Lessons:
    """Lessons on disk, opened for reading: batches whose clean spectra are the teacher's."""

    def __init__(self, folder: Path, level_db: tuple[float, float], seed: int, batch: int, frames: int) -> None:
        """``level_db`` as in ``Recipe``. AudioFileError if ``folder`` holds no finished lessons, ModelError if they are short."""
        try:
            index = json.loads((folder / "lessons.json").read_text(encoding="utf-8"))
            self._arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS]
        except (OSError, ValueError) as error:
            raise AudioFileError(
                f"{folder} holds no finished lessons; make some with densenoiser-train teach"
            ) from error
        if index["format"] != FORMAT or index["frame"] != SPEC.to_dict():
            raise AudioFileError(f"the lessons in {folder} were made by another version; make them again")
        if frames > LESSON_FRAMES:
            raise ModelError(f"a lesson has {LESSON_FRAMES} frames: --frames must not be above that with --taught")
        self._level_db, self._seed, self._batch, self._frames = level_db, seed, batch, frames

    def draw(self, number: int) -> Batch:
        """Batch ``number`` of this seed's endless stream."""
        rng = np.random.default_rng([self._seed, number, 2])
        crops = [self._crop(rng) for _ in range(self._batch)]
        return Batch(*(torch.stack(parts) for parts in zip(*crops, strict=True)))

    def _crop(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        lessons, frames = self._arrays[0].shape[:2]
        lesson, start = int(rng.integers(lessons)), int(rng.integers(frames - self._frames + 1))
        parts = [
            torch.from_numpy(array[lesson, start : start + self._frames].astype(np.float32)) for array in self._arrays
        ]
        volume = 10 ** ((rng.uniform(*self._level_db) - POOL_LEVEL_DB) / 20)
        return *parts, torch.tensor(volume, dtype=torch.float32), torch.ones(self._frames, HIGH_BANDS)
