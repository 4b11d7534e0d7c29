"""Measures the constant delay of a system on clean speech, and removes it from the system's output."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..signal.lag import whole_lag
from ..signal.speech_activity import RATE
from ..stft import Samples
from .pair_set import Pair
from .peers import Enhance

LONGEST_DELAY = RATE // 10
"""The longest constant delay that can be found, samples. It is 100 ms."""
DELAY_CLIPS = 5


def measure_delay(enhance: Enhance, speech: Sequence[Samples]) -> int:
    """The system's constant delay at 48 kHz, samples.

    It is the lag at which its output fits the clean speech best, the median over the clips.
    """
    delays = []
    for clean in speech:
        delays.append(whole_lag(clean, enhance(clean), LONGEST_DELAY))
    return int(np.median(delays))


def delay_clips(pairs: Sequence[Pair]) -> list[Samples]:
    """The clean speech of a few pairs, for ``measure_delay``."""
    return [pair.load()[0] for pair in pairs[:: max(1, len(pairs) // DELAY_CLIPS)][:DELAY_CLIPS]]


def without_delay(enhance: Enhance, delay: int) -> Enhance:
    """Returns ``enhance`` with its output lined up with the input.

    It pads the input by ``delay`` samples, and drops as many from the start of the output.
    """

    def aligned(noisy: Samples) -> Samples:
        return enhance(np.pad(noisy, (0, delay)))[delay:]

    return aligned
