"""A gain that opens at once and closes slowly, as compressors and gates do.

    gain[t] = max(wanted[t], RELEASE * gain[t - 1])

Without it a mask cuts holes into a voice between two harmonics, two syllables, that sound worse than the noise which
dies away in them.
"""

from __future__ import annotations

import torch
from torch import Tensor

RELEASE = 0.8
"""What is left of a gain a frame later: it falls by 60 dB in 0.3 s, as sound does in a small room."""


def slow_release(wanted: Tensor) -> Tensor:
    """The gain of each frame, never negative, (frames, ...), from the gains wanted, starting from zero."""
    gains, gain = [], torch.zeros_like(wanted[0])
    for want in wanted:
        gain = torch.maximum(want, RELEASE * gain)
        gains.append(gain)
    return torch.stack(gains)
