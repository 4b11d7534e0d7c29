"""Measures whether a system's output changes during a long run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..signal.level import level_db
from ..signal.si_sdr import si_sdr
from ..signal.speech_activity import RATE
from ..stft import Samples
from .alignment import LONGEST_DELAY
from .metrics import Score
from .pair_set import Pair
from .peers import Enhance

PASSAGE_SECONDS = 60


def measure_drift(enhance: Enhance, pairs: Sequence[Pair], minutes: int) -> Score:
    """Streams the same minute of pairs ``minutes`` times, and compares its last minute with its second, in dB.

    The output of ``enhance`` must be lined up. The second minute is the first with the same minute before it as all
    later ones. A state that settles gives the same output from then on. ``drift peak dB`` is the largest difference
    between the two outputs, relative to the loudest output sample of the second minute.
    """
    clean, noisy = _passage(pairs)
    stream = enhance(np.tile(noisy, minutes)).reshape(minutes, -1)
    # The last samples of the stream have no next minute after them, unlike those of the second minute.
    kept = slice(0, -LONGEST_DELAY)
    early, late, clean = stream[min(1, minutes - 1)][kept], stream[-1][kept], clean[kept]
    difference, peak = float(np.max(np.abs(late - early))), float(np.max(np.abs(early)))
    return {
        "drift SI-SDR dB": si_sdr(clean, late) - si_sdr(clean, early),
        "drift level dB": level_db(late) - level_db(early),
        "drift peak dB": 20 * float(np.log10((difference + 1e-10) / (peak + 1e-10))),
    }


def _passage(pairs: Sequence[Pair]) -> tuple[Samples, Samples]:
    """Clean and noisy audio of one minute: the pairs one after another, the last one cut, repeated if they are shorter."""
    length = PASSAGE_SECONDS * RATE
    sides: tuple[list[Samples], list[Samples]] = ([], [])
    taken = 0
    while taken < length:
        for pair in pairs:
            audio = pair.load()
            for side, part in zip(sides, audio, strict=True):
                side.append(part)
            taken += len(audio[0])
            if taken >= length:
                break
    clean, noisy = (np.concatenate(side)[:length] for side in sides)
    return clean, noisy
