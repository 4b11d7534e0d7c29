"""A gain that opens at once and closes slowly, as compressors and gates do.

    gain[t] = max(wanted[t], RELEASE * gain[t - 1])

Without it a mask cuts holes into a voice between two harmonics, two syllables, that sound worse than the noise which
dies away in them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

RELEASE = 0.8
"""What is left of a gain a frame later: it falls by 60 dB in 0.3 s, as sound does in a small room."""


CLOSED = 0.1
"""A gain below is as good as closed: where it is only held, but should be larger, wanting more would help, if not by a
little. Elsewhere the same would keep gains up between syllables."""


class _SlowRelease(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, wanted: Tensor) -> Tensor:
        gain = torch.empty_like(wanted)
        before = torch.zeros_like(wanted[0])
        for want, now in zip(wanted.unbind(0), gain.unbind(0), strict=True):
            torch.maximum(want, RELEASE * before, out=now)
            before = now
        ctx.save_for_backward(wanted, gain)
        return gain

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        wanted, gain = ctx.saved_tensors
        opened = (wanted >= gain).to(gain.dtype)
        closed = ((wanted < gain) & (gain < CLOSED)).to(gain.dtype)
        of_wanted = torch.empty_like(gain)
        carried = torch.zeros_like(gain[0])
        steps = zip(*(x.unbind(0) for x in (gradients[0], of_wanted, opened, closed)), strict=True)
        for gradient, of_want, is_open, is_closed in reversed(list(steps)):
            total = carried + gradient
            torch.add(total * is_open, total.clamp(max=0) * is_closed, out=of_want)
            carried = RELEASE * total * (1 - is_open)
        return of_wanted


def slow_release(wanted: Tensor) -> Tensor:
    """The gain of each frame, never negative, (frames, ...), from the gains wanted, starting from zero. float32.

    Its gradient is that of the formula, and besides asks closed gains that should be larger to be wanted more: else
    what is wanted too late would never learn it.
    """
    result: Tensor = _SlowRelease.apply(wanted)  # type: ignore[no-untyped-call]
    return result
