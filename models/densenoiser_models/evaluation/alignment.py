"""The constant delay of a system: measured on clean speech, and taken out of what it returns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..signal.lag import whole_lag
from ..signal.speech_activity import RATE
from ..stft import Samples
from .pair_set import Pair
from .peers import Enhance

LONGEST_DELAY = RATE // 10
"""The longest constant delay that is looked for, samples: 100 ms."""
DELAY_CLIPS = 5


def measure_delay(enhance: Enhance, speech: Sequence[Samples]) -> int:
    """The system's constant delay at 48 kHz, samples: where its output of clean speech fits best, median over clips."""
    delays = []
    for clean in speech:
        delays.append(whole_lag(clean, enhance(clean), LONGEST_DELAY))
    return int(np.median(delays))


def delay_clips(pairs: Sequence[Pair]) -> list[Samples]:
    """Clean speech of some pairs, to measure a delay on."""
    return [pair.load()[0] for pair in pairs[:: max(1, len(pairs) // DELAY_CLIPS)][:DELAY_CLIPS]]


def without_delay(enhance: Enhance, delay: int) -> Enhance:
    """``enhance`` lined up with its input: ``delay`` samples later in, as many fewer at the start."""

    def aligned(noisy: Samples) -> Samples:
        return enhance(np.pad(noisy, (0, delay)))[delay:]

    return aligned
