"""Finds speech, pauses and the beginnings of words in a clean recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..stft import Samples

RATE = 48_000
"""The sample rate of all audio in the evaluation, Hz."""
STEP = RATE // 100
"""The resolution of the analysis, samples. It is 10 ms."""
ACTIVE_RANGE_DB = 25.0
"""A step is speech if its level is within this range of the loud level, the 95th percentile of all steps."""
PAUSE_RANGE_DB = 30.0
"""A pause is at least this far below the loud level. A recording with louder hiss has no pauses."""
GUARD_STEPS = 5
"""This many steps of 10 ms at both ends do not count as pause, because of decays and breaths."""
ONSET_QUIET_STEPS = 10
"""A word begins after at least this many steps of 10 ms without speech."""


@dataclass(frozen=True, slots=True)
class SpeechActivity:
    """Masks of speech and pauses over one recording, shape (samples,), bool, and the first samples of its words."""

    active: NDArray[np.bool_]
    pauses: NDArray[np.bool_]
    onsets: NDArray[np.int64]

    @classmethod
    def of(cls, clean: Samples) -> SpeechActivity:
        """Measures the level of 10 ms steps, smoothed over 30 ms, and compares it with the loud level."""
        steps = len(clean) // STEP
        power = np.mean(np.square(clean[: steps * STEP].astype(np.float64)).reshape(steps, STEP), axis=1)
        smooth = np.convolve(power, np.full(3, 1 / 3), mode="same") if steps >= 3 else power
        level = 10 * np.log10(smooth + 1e-12)
        loud = np.percentile(level, 95) if steps else 0.0
        active = (level > loud - ACTIVE_RANGE_DB) & (level > -90.0)
        quiet = ~active & (level < loud - PAUSE_RANGE_DB)
        pauses = quiet.copy()
        for shift in range(1, GUARD_STEPS + 1):
            pauses[shift:] &= quiet[:-shift]
            pauses[:-shift] &= quiet[shift:]
        starts = np.flatnonzero(active[1:] & ~active[:-1]) + 1
        onsets = [
            start
            for start in starts
            if start >= ONSET_QUIET_STEPS and not active[start - ONSET_QUIET_STEPS : start].any()
        ]
        return cls(_samples(active, len(clean)), _samples(pauses, len(clean)), np.array(onsets, np.int64) * STEP)


def active_frames(power: NDArray[np.float32]) -> NDArray[np.bool_]:
    """A mask of the frames with speech. ``power`` is that of each frame; both have shape (frames,)."""
    return np.asarray(power >= np.percentile(power, 95) * 10 ** (-ACTIVE_RANGE_DB / 10))


def active_level(sound: Samples) -> float:
    """The RMS of the 10 ms steps with speech, linear. ``sound`` is at 48 kHz, shape (samples,)."""
    steps = len(sound) // STEP
    power = np.mean(sound[: steps * STEP].reshape(steps, STEP).astype(np.float32) ** 2, axis=1)
    return float(np.sqrt(np.mean(power[active_frames(power)])))


def _samples(steps: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    mask = np.zeros(length, bool)
    spread = np.repeat(steps, STEP)
    mask[: len(spread)] = spread
    return mask
