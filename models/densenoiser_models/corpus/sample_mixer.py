"""Draws batches from a pool of samples, and mixes them on the device that trains.

What a mixture is stands in ``mixer.Mixture``, for both kinds of pool. Here each event befalls a fixed share of a batch, at
random members of it, so that nothing has to be asked of the device.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..bands import BAND_BINS, HIGH_BANDS, LOW_BINS, SPEC
from ..stft import analysis_window
from .mixer import KNOCK_FRAMES, ONSET_FRAMES, ONSET_RISE, Batch, Mixture, group_odds
from .pool import POOL_LEVEL_DB
from .sample_pool import SamplePart, SamplePool

PAST = SPEC.fft_size - SPEC.hop
"""Samples before a crop that its first frame's transform sees."""
SECOND_NOISE, THIRD_NOISE = 0.4, 0.1
VOICES_IN_BABBLE = 6
_LEVEL = 10 ** (POOL_LEVEL_DB / 10)


class DevicePart:
    """One part of the pool on the device, and where crops of it may begin."""

    def __init__(
        self, part: SamplePart, odds: Mapping[str, float], power: float, samples: int, device: torch.device
    ) -> None:
        """``odds`` and ``power`` as for ``group_odds``; ``samples`` is how long a crop is."""
        self.crop, self.device = samples, device
        self.lengths, self.starts = part.lengths * SPEC.hop, part.starts * SPEC.hop
        self.samples = torch.zeros(len(part.samples) + samples, dtype=torch.float16, device=device)
        self.samples[: len(part.samples)] = torch.from_numpy(part.samples)
        of_frame = np.repeat(part.covered, part.lengths)
        padded = np.pad(of_frame, (0, samples // SPEC.hop + 1), constant_values=HIGH_BANDS)
        self.covered = torch.from_numpy(padded).to(device)
        share = np.empty(len(self.lengths))
        for of_group, files in zip(group_odds(part, odds, power), part.groups.values(), strict=True):
            share[files] = of_group * self.lengths[files] / self.lengths[files].sum()
        self._until = np.cumsum(share)

    def draw(self, rng: np.random.Generator, count: int) -> Tensor:
        """First samples of ``count`` crops: within one recording where it is long enough, else on into the next ones."""
        files = np.searchsorted(self._until, rng.random(count) * self._until[-1], "right")
        files = files.clip(max=len(self.lengths) - 1)
        spare = np.maximum(self.lengths[files] - self.crop, 0) + 1
        first: NDArray[np.int64] = self.starts[files] + (rng.random(count) * spare).astype(np.int64)
        return torch.from_numpy(first).to(self.device, non_blocking=True)

    def crops(self, starts: Tensor) -> Tensor:
        """(count, samples)."""
        return self.samples[starts[:, None] + torch.arange(self.crop, device=self.device)].float()

    def bands(self, starts: Tensor, frames: int) -> Tensor:
        """How many high bands are covered, (count, frames)."""
        first = torch.div(starts + PAST, SPEC.hop, rounding_mode="floor")
        return self.covered[first[:, None] + torch.arange(frames, device=self.device)]


class SampleMixer:
    """Draws batches of ``crops`` crops of ``frames`` frames; the same seed and number give the same batch on one device."""

    def __init__(
        self, pool: SamplePool, mixture: Mixture, seed: int, crops: int, frames: int, device: torch.device
    ) -> None:
        self.mixture, self.seed, self.crops, self.frames, self.device = mixture, seed, crops, frames, device
        self.samples = PAST + frames * SPEC.hop
        self.speech = DevicePart(pool.speech, mixture.voices, 0.5, self.samples, device)
        self.noise = DevicePart(pool.noise, mixture.noises, 1.0, self.samples, device)
        rooms = torch.from_numpy(pool.rooms.astype(np.float32))
        self.transform = _even_size(self.samples + rooms.shape[1])
        nothing = F.pad(torch.ones(1, 1), (0, rooms.shape[1] - 1))
        self.rooms = torch.fft.rfft(torch.cat([nothing, rooms]).to(device), self.transform)
        hertz = torch.arange(self.transform // 2 + 1, device=device) * (SPEC.sample_rate / self.transform)
        self.octaves = torch.log2(hertz.clamp(min=20.0))
        place = (self.octaves - math.log2(60)) / (math.log2(24_000) - math.log2(60)) * 7
        self.left = place.clamp(0, 7).floor().clamp(max=6).long()
        self.between = place.clamp(0, 7) - self.left
        self.window = torch.from_numpy(analysis_window(SPEC)).to(device)
        self._rng = np.random.default_rng(seed)
        self._random = torch.Generator(device)

    def draw(self, number: int) -> Batch:
        """Batch ``number`` of this seed's endless stream, on the device."""
        self._rng = np.random.default_rng([self.seed, number])
        self._random.manual_seed(int(self._rng.integers(2**62)))
        plan = self.mixture
        low_pass = self._low_pass()
        clean, covered = self._voices(low_pass)
        noise = self._noises(low_pass)
        power = self._powers(clean)
        level = _active_power(power).clamp(min=_LEVEL / 8)
        snr = self._uniform(*plan.snr_db)
        gain = (level / (_active_power(self._powers(noise)) + 1e-9)).sqrt() * 10 ** (-snr / 20)
        noise = gain[:, None] * noise + self._knocks(power, level) * self._some(plan.knock)[:, None]
        order = self._send(self._rng.permutation(self.crops))
        silent = order < self._count(plan.noise_only)
        alone = order >= self.crops - self._count(plan.clean_only)
        clean = clean * ~silent[:, None]
        noisy = clean + noise * ~alone[:, None]
        covered = torch.where(silent[:, None], HIGH_BANDS, covered)
        power = self._powers(clean)
        pauses = power < 1e-4 * power.mean(1, keepdim=True)
        judged = (torch.arange(HIGH_BANDS, device=self.device) < covered[..., None]) | pauses[..., None]
        volume = 10 ** ((self._uniform(*plan.level_db) - POOL_LEVEL_DB) / 20)
        return Batch(*self._spectra(noisy), *self._spectra(clean), volume, judged.float())

    def _voices(self, low_pass: Tensor) -> tuple[Tensor, Tensor]:
        """Voices as they are heard, (crops, samples), and the bands that their recordings cover, (crops, frames)."""
        starts = self.speech.draw(self._rng, self.crops)
        rooms = self._send(self._rng.integers(1, len(self.rooms), self.crops)) * self._some(self.mixture.room)
        spectrum = torch.fft.rfft(self.speech.crops(starts), self.transform) * self.rooms[rooms]
        curve = self._equaliser(3.0) + low_pass
        return self._sound(spectrum * 10 ** (curve / 20)), self.speech.bands(starts, self.frames)

    def _noises(self, low_pass: Tensor) -> Tensor:
        """One to three noises, or the babble of some voices in a room, (crops, samples)."""
        plan, count = self.mixture, self.crops
        noise = self.noise.crops(self.noise.draw(self._rng, count))
        for share in SECOND_NOISE, THIRD_NOISE:
            gain = 10 ** (self._normal(5.0) / 20) * self._some(share)
            noise = noise + gain[:, None] * self.noise.crops(self.noise.draw(self._rng, count))
        members = self._send(self._rng.permutation(count)[: max(1, round(plan.babble * count))])
        if plan.babble > 0:
            noise[members] = self._babble(len(members))
        seconds = torch.arange(self.samples, device=self.device) / SPEC.sample_rate
        turns = self._uniform(0.2, 3.0)[:, None] * seconds * 2 * math.pi + self._uniform(0, 2 * math.pi)[:, None]
        gate = (50 * (torch.sin(turns) + self._uniform(-0.6, 0.8)[:, None])).clamp(0, 1)
        noise = torch.where(self._some(plan.gated)[:, None], noise * gate, noise)
        noise = torch.where(self._some(plan.reversed)[:, None], noise.flip(1), noise)
        spectrum = torch.fft.rfft(noise, self.transform)
        bins = round(float(self._rng.uniform(125, 1000)) / SPEC.sample_rate * self.transform)
        moved = F.pad(spectrum, (bins, -bins)) if self._rng.random() < 0.5 else F.pad(spectrum, (-bins, bins))
        spectrum = torch.where(self._some(plan.shifted)[:, None], moved, spectrum)
        return self._sound(spectrum * 10 ** ((self._equaliser(5.0) + low_pass) / 20))

    def _babble(self, count: int) -> Tensor:
        voices = self.speech.crops(self.speech.draw(self._rng, count * VOICES_IN_BABBLE))
        gains = 10 ** (torch.randn(len(voices), 1, device=self.device, generator=self._random) * 4 / 20)
        crowd = (voices * gains).unflatten(0, (count, VOICES_IN_BABBLE)).sum(1)
        rooms = self.rooms[self._send(self._rng.integers(1, len(self.rooms), count))]
        return self._sound(torch.fft.rfft(crowd, self.transform) * rooms)

    def _knocks(self, power: Tensor, level: Tensor) -> Tensor:
        """The loudest moment of some noise, a key or a door, at the onset of a word, (crops, samples)."""
        length, device = KNOCK_FRAMES * SPEC.hop, self.device
        before = F.pad(power, (ONSET_FRAMES, 0)).unfold(1, ONSET_FRAMES, 1)[:, : self.frames].mean(2)
        onsets = (power > 0.2 * _active_power(power)[:, None]) & (power > ONSET_RISE * before)
        drawn = torch.rand(power.shape, device=device, generator=self._random)
        jitter = self._send(self._rng.integers(-2, 3, self.crops))
        frame = (onsets * drawn).argmax(1) + jitter
        sound = self.noise.crops(self.noise.draw(self._rng, self.crops))
        loud = self._powers(sound)
        peak = loud.argmax(1)
        lead, last = KNOCK_FRAMES // 3, max(self.frames - KNOCK_FRAMES, 0)
        within = torch.arange(min(length, self.frames * SPEC.hop), device=device)
        first = (peak - lead).clamp(0, last)[:, None] * SPEC.hop + PAST + within
        piece = sound.gather(1, first) * torch.hann_window(len(within), device=device)
        loudest = loud.gather(1, peak[:, None])[:, 0]
        gain = (level / (loudest + 1e-9)).sqrt() * 10 ** (self._uniform(-10, 10) / 20) * onsets.any(1)
        start = (frame - lead).clamp(0, last)[:, None] * SPEC.hop + PAST + within
        knocks: Tensor = torch.zeros_like(sound).scatter(1, start, gain[:, None] * piece)
        return knocks

    def _low_pass(self) -> Tensor:
        """In dB, (crops, bins of the long transform): some microphones end at 4 to 12 kHz, by 60 dB an octave."""
        limit = torch.log2(self._uniform(4000, 12_000))[:, None]
        return -60 * (self.octaves - limit).clamp(0, 1.5) * self._some(self.mixture.low_pass)[:, None]

    def _equaliser(self, deviation_db: float) -> Tensor:
        """In dB, (crops, bins of the long transform)."""
        points = torch.randn(self.crops, 8, device=self.device, generator=self._random) * deviation_db
        points = points * self._some(self.mixture.equaliser)[:, None]
        curve: Tensor = points[:, self.left] * (1 - self.between) + points[:, self.left + 1] * self.between
        return curve

    def _sound(self, spectrum: Tensor) -> Tensor:
        sound: Tensor = torch.fft.irfft(spectrum, self.transform)
        return sound[:, : self.samples]

    def _spectra(self, sound: Tensor) -> tuple[Tensor, Tensor]:
        """As ``band_spectra.analyse``: low bins (crops, frames, 256, 2), amplitudes of bands (crops, frames, 16)."""
        bins = torch.view_as_real(torch.fft.rfft(sound.unfold(1, SPEC.fft_size, SPEC.hop) * self.window))
        high = bins[:, :, 1 + LOW_BINS :].reshape(*bins.shape[:2], HIGH_BANDS, 2 * BAND_BINS)
        return bins[:, :, 1 : 1 + LOW_BINS].contiguous(), torch.sqrt(2 * high.square().mean(3))

    def _powers(self, sound: Tensor) -> Tensor:
        """Mean square of each frame, (crops, frames)."""
        power: Tensor = sound[:, PAST:].unflatten(1, (self.frames, SPEC.hop)).square().mean(2)
        return power

    def _send(self, drawn: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(drawn).to(self.device, non_blocking=True)

    def _count(self, share: float) -> int:
        return int(share * self.crops + self._rng.random())

    def _some(self, share: float) -> Tensor:
        """True for a share of the crops, (crops,)."""
        chosen = np.zeros(self.crops, bool)
        chosen[self._rng.permutation(self.crops)[: self._count(share)]] = True
        return self._send(chosen)

    def _uniform(self, low: float, high: float) -> Tensor:
        return torch.empty(self.crops, device=self.device).uniform_(low, high, generator=self._random)

    def _normal(self, deviation: float) -> Tensor:
        return torch.randn(self.crops, device=self.device, generator=self._random) * deviation


def _active_power(power: Tensor) -> Tensor:
    """Mean over the frames that are not much weaker than the average one, (crops)."""
    kept = (power >= power.mean(1, keepdim=True) / 10).float()
    return (power * kept).sum(1) / kept.sum(1).clamp(min=1)


def _even_size(least: int) -> int:
    """A size of transform that is fast: a small multiple of a power of two."""
    power = 1 << (least - 1).bit_length()
    return min(size for size in (power, power * 3 // 4, power * 5 // 8) if size >= least)
