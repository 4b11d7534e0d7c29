"""Draws batches of noisy and clean spectra from the pool, where mixing is an addition."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..bands import BAND_BINS, HIGH_BANDS, LOW_BINS, SPEC
from ..errors import ModelError
from .band_spectra import BIN_HZ
from .pool import POOL_LEVEL_DB, Pool, PoolPart

_LOW_HZ = (np.arange(LOW_BINS) + 1) * BIN_HZ
_HIGH_HZ = (LOW_BINS + (np.arange(HIGH_BANDS) + 0.5) * BAND_BINS) * BIN_HZ
_POOL_POWER = 10 ** (POOL_LEVEL_DB / 10) * SPEC.fft_size**2 / 4
"""Power of a pool frame at the pool's level: the analysis window's energy is half its length (Parseval)."""
_HERTZ = np.concatenate([_LOW_HZ, _HIGH_HZ])
ONSET_FRAMES, ONSET_RISE = 8, 10.0
"""A word begins where a frame has 10 dB more power than the mean of the eight before it."""
KNOCK_FRAMES = 30


class Grouped(Protocol):
    """Recordings of a pool: ``lengths`` in frames, ``groups`` of recordings by number."""

    lengths: NDArray[np.int64]
    groups: dict[str, NDArray[np.int64]]


Spectra = tuple[Tensor, Tensor]
"""Low bins (frames, 256, 2) and high band amplitudes (frames, 16)."""


OTHERS = "others"
"""The key for groups that the odds do not name."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """How mixtures are drawn: ranges in dB, and the odds of each event."""

    snr_db: tuple[float, float] = (-6.0, 20.0)
    level_db: tuple[float, float] = (-48.0, -8.0)
    """Of active speech, dBFS."""
    noise_only: float = 0.05
    clean_only: float = 0.05
    room: float = 0.25
    """The voice is heard in a room, and is wanted so."""
    babble: float = 0.08
    """The noise is four to eight voices."""
    equaliser: float = 0.4
    low_pass: float = 0.35
    """Microphone or line end at 4 to 12 kHz."""
    knock: float = 0.15
    """The loudest moment of some noise right at the onset of a word."""
    gated: float = 0.08
    """The noise goes on and off."""
    reversed: float = 0.1
    """The noise runs backwards."""
    shifted: float = 0.1
    """The noise is moved along frequency, by up to 1 kHz."""
    voices: Mapping[str, float] = field(default_factory=dict)
    """Odds of each group of voices in the pool, and of each of the ``others``; empty: by the root of its length."""
    noises: Mapping[str, float] = field(default_factory=dict)
    """Odds of each group of noises in the pool, and of each of the ``others``; empty: by its length."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Spectra of a batch, speech at one level in all, and the level at which the network hears them.

    ``noisy`` and ``clean``: low (batch, frames, 256, 2) and high (batch, frames, 16) as in the pool; ``level``
    (batch,) a gain; ``judged`` (batch, frames, 16): 1 where the target above 8 kHz is known.
    """

    noisy_low: Tensor
    noisy_high: Tensor
    clean_low: Tensor
    clean_high: Tensor
    level: Tensor
    judged: Tensor


class Mixer:
    """Draws batches; the same seed and number give the same batch, on any machine and after any interruption."""

    def __init__(self, pool: Pool, mixture: Mixture, seed: int, batch: int, frames: int) -> None:
        """``batch`` crops of ``frames`` frames each."""
        self.pool, self.mixture, self.seed, self.batch, self.frames = pool, mixture, seed, batch, frames
        self._speech_odds = group_odds(pool.speech, mixture.voices, 0.5)
        self._noise_odds = group_odds(pool.noise, mixture.noises, 1.0)

    def draw(self, number: int) -> Batch:
        """Batch ``number`` of this seed's endless stream."""
        rng = np.random.default_rng([self.seed, number])
        mixtures = [self._mixture(rng) for _ in range(self.batch)]
        return Batch(*(torch.stack(parts) for parts in zip(*mixtures, strict=True)))

    def _mixture(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        plan = self.mixture
        event = rng.random()
        noise_only = event < plan.noise_only
        clean_only = plan.noise_only <= event < plan.noise_only + plan.clean_only
        clean, covered = self._speech(rng)
        level = max(_active_power(_power(clean)), _POOL_POWER / 8)
        if noise_only:
            clean = (torch.zeros_like(clean[0]), torch.zeros_like(clean[1]))
            covered = torch.full_like(covered, HIGH_BANDS)
        noise = self._noise(rng)
        gain = math.sqrt(level / (_active_power(_power(noise)) + 1e-9)) * 10 ** (-rng.uniform(*plan.snr_db) / 20)
        noisy = _sum(clean, noise, 0.0 if clean_only else gain)
        if not (clean_only or noise_only) and rng.random() < plan.knock:
            noisy = self._knock(rng, noisy, clean)
        if rng.random() < plan.low_pass:
            curve = _low_pass(rng)
            noisy, clean = _shaped(noisy, curve), _shaped(clean, curve)
        # Above a recording's own limit the target is known only where it pauses.
        spoken = _power(clean)
        pauses = spoken < 1e-4 * spoken.mean()
        judged = (torch.arange(HIGH_BANDS) < covered[:, None]) | pauses[:, None]
        volume = 10 ** ((rng.uniform(*plan.level_db) - POOL_LEVEL_DB) / 20)
        return *noisy, *clean, torch.tensor(volume, dtype=torch.float32), judged.float()

    def _speech(self, rng: np.random.Generator) -> tuple[Spectra, Tensor]:
        """The voice, and the bands that its recording covers (frames,)."""
        part = self.pool.room_speech if rng.random() < self.mixture.room else self.pool.speech
        start = _start(rng, part, self._speech_odds, self.frames)
        voice = _cut(part, start, self.frames)
        if rng.random() < self.mixture.equaliser:
            voice = _shaped(voice, _equaliser(rng, 3.0))
        covered = torch.from_numpy(part.covered[start : start + self.frames].astype(np.int64))
        return voice, F.pad(covered, (0, self.frames - len(covered)), value=HIGH_BANDS)

    def _noise(self, rng: np.random.Generator) -> Spectra:
        """One to three noises, or the babble of four to eight voices."""
        if rng.random() < self.mixture.babble:
            part, odds, count = self.pool.room_speech, self._speech_odds, int(rng.integers(4, 9))
        else:
            part, odds, count = self.pool.noise, self._noise_odds, int(rng.choice(3, p=[0.6, 0.3, 0.1])) + 1
        noise = _cut(part, _start(rng, part, odds, self.frames), self.frames)
        for _ in range(count - 1):
            other = _cut(part, _start(rng, part, odds, self.frames), self.frames)
            noise = _sum(noise, other, 10 ** (rng.normal(0, 5) / 20))
        plan = self.mixture
        if rng.random() < plan.gated:
            noise = _gated(rng, noise)
        if rng.random() < plan.reversed:
            noise = _reversed(noise)
        if rng.random() < plan.shifted:
            noise = _shifted(noise, int(rng.integers(4, 33)) * int(rng.choice([-1, 1])))
        return _shaped(noise, _equaliser(rng, 5.0)) if rng.random() < plan.equaliser else noise

    def _knock(self, rng: np.random.Generator, noisy: Spectra, clean: Spectra) -> Spectra:
        """The loudest moment of some noise, a key or a door, right at the onset of a word."""
        power = _power(clean)
        before = F.pad(power, (ONSET_FRAMES, 0)).unfold(0, ONSET_FRAMES, 1)[: len(power)].mean(1)
        onsets = torch.nonzero((power > 0.2 * _active_power(power)) & (power > ONSET_RISE * before)).flatten()
        sound = _cut(self.pool.noise, _start(rng, self.pool.noise, self._noise_odds, self.frames), self.frames)
        if not len(onsets):
            return noisy
        onset = int(onsets[rng.integers(len(onsets))]) + int(rng.integers(-2, 3))
        loud = _power(sound)
        peak = int(loud.argmax())
        first = max(peak - KNOCK_FRAMES // 3, 0)
        low, high = (part[first : first + KNOCK_FRAMES] for part in sound)
        fade = torch.hann_window(len(low), periodic=False)
        level = float(_active_power(power) / (loud[peak] + 1e-9))
        gain = math.sqrt(level) * 10 ** (rng.uniform(-10, 10) / 20)
        start = min(max(onset - (peak - first), 0), self.frames - len(low))
        after = self.frames - start - len(low)
        placed = (
            F.pad(low * fade[:, None, None], (0, 0, 0, 0, start, after)),
            F.pad(high * fade[:, None], (0, 0, start, after)),
        )
        return _sum(noisy, placed, gain)


def _power(spectra: Spectra) -> Tensor:
    return spectra[0].square().sum((1, 2)) + BAND_BINS * spectra[1].square().sum(1)


def _active_power(power: Tensor) -> float:
    """Mean power of the frames that are not much weaker than the average one."""
    return float(power[power >= power.mean() / 10].mean())


def _sum(one: Spectra, other: Spectra, gain: float) -> Spectra:
    return one[0] + gain * other[0], torch.sqrt(one[1] ** 2 + (gain * other[1]) ** 2)


def _shaped(spectra: Spectra, curve: Tensor) -> Spectra:
    return spectra[0] * curve[:LOW_BINS, None], spectra[1] * curve[LOW_BINS:]


def _gated(rng: np.random.Generator, spectra: Spectra) -> Spectra:
    """On and off, 0.2 to 3 times a second, for different shares of the time."""
    seconds = torch.arange(len(spectra[1])) * SPEC.hop_seconds
    beat = torch.sin(2 * math.pi * rng.uniform(0.2, 3.0) * seconds + rng.uniform(0, 2 * math.pi))
    gate = (50 * (beat + rng.uniform(-0.6, 0.8))).clamp(0, 1)
    return spectra[0] * gate[:, None, None], spectra[1] * gate[:, None]


def _reversed(spectra: Spectra) -> Spectra:
    """Backwards in time: frames in reverse order, phases mirrored."""
    return spectra[0].flip(0) * torch.tensor([1.0, -1.0]), spectra[1].flip(0)


def _shifted(spectra: Spectra, bins: int) -> Spectra:
    """Low bins moved up (or down) by ``bins``. Phases advance from hop to hop as the new frequencies do."""
    low = torch.view_as_complex(spectra[0].contiguous())
    moved = F.pad(low, (bins, -bins))
    turn = 2 * math.pi * bins * SPEC.hop / SPEC.fft_size * torch.arange(len(low))
    return torch.view_as_real(moved * torch.polar(torch.ones_like(turn), turn)[:, None]), spectra[1]


def _equaliser(rng: np.random.Generator, deviation_db: float) -> Tensor:
    """A smooth gain over log frequency, by its standard deviation at eight points from 60 Hz to 24 kHz."""
    octaves = np.linspace(np.log2(60), np.log2(24_000), 8)
    points = rng.normal(0, deviation_db, 8)
    return torch.from_numpy(10 ** (np.interp(np.log2(_HERTZ), octaves, points) / 20)).float()


def _low_pass(rng: np.random.Generator) -> Tensor:
    """A microphone or a line that ends at 4 to 12 kHz: 60 dB an octave from there."""
    octaves_above = np.log2(_HERTZ / rng.uniform(4000, 12_000))
    return torch.from_numpy(10 ** (-60 * np.clip(octaves_above, 0, 1.5) / 20)).float()


def group_odds(part: Grouped, odds: Mapping[str, float], power: float) -> NDArray[np.float64]:
    """Odds of each group, as ``odds`` say, by the group's name or the last part of it; without odds by its length to a
    ``power``.

    A half for voices: no collection drowns the others. One for noises, where length is variety.
    """
    if odds:
        others = odds.get(OTHERS, 0.0)
        found = np.array([odds.get(name, odds.get(name.rpartition("/")[2], others)) for name in part.groups])
    else:
        found = np.array([part.lengths[files].sum() for files in part.groups.values()], np.float64) ** power
    if not found.sum() > 0:
        raise ModelError(
            f"the recipe gives no odds to any of {', '.join(part.groups)}; name one of them, or {OTHERS!r}"
        )
    return np.asarray(found / found.sum())


def _start(rng: np.random.Generator, part: PoolPart, odds: NDArray[np.float64], frames: int) -> int:
    """First frame of a crop: within one file where that is long enough, else on into the files after it."""
    files = list(part.groups.values())[rng.choice(len(odds), p=odds)]
    lengths = part.lengths[files]
    file = rng.choice(files, p=lengths / lengths.sum())
    room = max(int(part.lengths[file]) - frames, 0)
    start = int(part.starts[file]) + int(rng.integers(room + 1))
    return max(min(start, part.frames - frames), 0)


def _cut(part: PoolPart, start: int, frames: int) -> Spectra:
    low = torch.from_numpy(part.low[start : start + frames]).float()
    high = torch.from_numpy(part.high[start : start + frames]).float()
    missing = frames - len(low)
    return F.pad(low, (0, 0, 0, 0, 0, missing)), F.pad(high, (0, 0, 0, missing))
