"""Compares recordings: the delay between two of them, gaps, breaks, and changes of the clock."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from densenoiser_models.signal.lag import best_lag
from densenoiser_models.stft import Samples

from .recorder import RATE, Recording

_WINDOW_SECONDS = 1.0
_SEARCH_SECONDS = 0.5
_BREAK_WINDOW_SECONDS = 0.25
_BREAK_SEARCH_SECONDS = 0.06
_BREAK_CORRELATION = 0.5
_DELIVERED_CORRELATION = 0.3
_LOST_SECONDS = 2.0
_STALE_SECONDS = 0.011
"""What a server kept of an earlier application's last block, at most two blocks, and plays to the next one first."""


@dataclass(frozen=True, slots=True)
class Delay:
    """The delay of one recording against another at one moment."""

    moment: float
    """Monotonic clock, s."""
    seconds: float
    """How much later the application got the same sound."""
    correlation: float
    """Normalised cross-correlation at that delay, 0 to 1."""


def delays(before: Recording, after: Recording, every: float = 0.5, correlation: float = 0.3) -> list[Delay]:
    """The delay of ``after`` against ``before`` every ``every`` s, where the sound is clear enough to tell.

    Windows of 1 s of ``after`` are cross-correlated with ``before`` within 0.5 s around the same moment; both positions
    are then turned into the times at which the clients got them.
    """
    window, search = round(_WINDOW_SECONDS * RATE), round(_SEARCH_SECONDS * RATE)
    found = []
    for end in range(window, len(after.samples) - 1, round(every * RATE)):
        piece = after.samples[end - window : end]
        middle = end - window // 2
        centre = before.at(after.arrival(middle)) - window // 2
        start = centre - search
        if start < 0 or start + window + 2 * search > len(before.samples):
            continue
        around = before.samples[start : start + window + 2 * search]
        lag, peak = best_lag(piece, around)
        if peak < correlation:
            continue
        moment = after.arrival(middle)
        found.append(Delay(moment, moment - before.arrival(start + lag + window // 2), peak))
    return found


def retime(signal: Samples, reference: Samples, window: float = 0.05, search: float = 0.02) -> Samples:
    """``signal`` with its slow changes of delay against ``reference`` taken out, both shape (samples,) and roughly aligned.

    Window by window it is shifted by up to ``search`` s to where it fits the reference best, as far as it fits at all.
    Windows are short because a queue is made shorter by up to half a percent: in 0.2 s that is a period at 1 kHz.
    """
    length, reach = round(window * RATE), round(search * RATE)
    padded = np.concatenate([np.zeros(reach, np.float32), signal, np.zeros(reach + length, np.float32)])
    moved = np.zeros_like(reference)
    lag = reach
    for start in range(0, len(reference), length):
        piece = reference[start : start + length]
        found, fit = best_lag(piece, padded[start : start + len(piece) + 2 * reach])
        lag = found if fit > 0.3 else lag
        moved[start : start + length] = padded[start + lag : start + lag + len(piece)]
    return moved


def delivered(signal: Samples, reference: Samples, window: float = 0.05) -> NDArray[np.bool_]:
    """Where ``signal`` carries the ``reference``, both shape (samples,) and lined up: a mask of the same shape.

    Judged by windows of ``window`` s: a dropout leaves nothing that correlates with the reference.
    """
    length = round(window * RATE)
    mask = np.zeros(len(reference), bool)
    for start in range(0, len(reference), length):
        piece, known = signal[start : start + length], reference[start : start + length]
        energies = max(float(piece @ piece), 1e-12) * max(float(known @ known), 1e-12)
        mask[start : start + length] = float(piece @ known) / energies**0.5 > _DELIVERED_CORRELATION
    return mask


def silent_gaps(samples: Samples, shortest: float = 0.001) -> list[tuple[int, int]]:
    """Runs of exact zeros of at least ``shortest`` s, as (start, length) in samples: where nothing was delivered."""
    zero = np.concatenate([[False], samples == 0.0, [False]])
    edges = np.flatnonzero(np.diff(zero.astype(np.int8)))
    runs = [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [(start, length) for start, length in runs if length >= shortest * RATE]


def first_sound(recording: Recording) -> float:
    """From the application's first data to its first sound, s; infinity if it is all silence.

    A short piece of sound at the very beginning, before the daemon can have heard anything, is the server's: what was left
    in its buffers of the application before. It does not count.
    """
    sounding = recording.samples != 0.0
    begin = 0
    if len(sounding) and sounding[0]:
        silence = np.flatnonzero(~sounding)
        begin = int(silence[0]) if len(silence) and silence[0] <= _STALE_SECONDS * RATE else 0
    found = np.flatnonzero(sounding[begin:])
    if not len(found):
        return float("inf")
    return recording.arrival(begin + int(found[0])) - recording.arrivals[0]


def breaks(samples: Samples, signal: Samples, fastest: float = 0.01) -> list[tuple[int, int]]:
    """Where a recording leaves the known ``signal``, which is played over and over: (position, jump), in samples.

    A positive jump is sound that was lost, a negative one is silence or a repetition put in. The recording is followed in
    windows of a quarter of a second; a jump is a change of the delay by more than 1.5 ms and than ``fastest``, the rate at
    which a correction of the clocks may change it (the drift controller's is 0.83 % at most). In deep pauses nothing can be
    matched, so the next clear window decides.
    """
    window, search = round(_BREAK_WINDOW_SECONDS * RATE), round(_BREAK_SEARCH_SECONDS * RATE)
    found: list[tuple[int, int]] = []
    place: int | None = None  # in the signal, of the sample at ``seen``
    seen = 0
    for start in range(0, len(samples) - window + 1, window):
        piece = samples[start : start + window]
        if place is None or start - seen > _LOST_SECONDS * RATE:
            lag, fit = best_lag(piece, _round(signal, 0, len(signal) + window))
            expected = lag if place is None else (place + start - seen) % len(signal)
            half = len(signal) // 2
            jump = (lag - expected + half) % len(signal) - half
        else:
            expected = (place + start - seen) % len(signal)
            lag, fit = best_lag(piece, _round(signal, expected - search, window + 2 * search))
            jump = lag - search
        if fit < _BREAK_CORRELATION:
            continue
        if abs(jump) > 0.0015 * RATE + fastest * (start - seen):
            found.append((start, jump))
        place, seen = expected + jump, start
    return found


def following(found: list[float], causes: list[float], reach: float) -> int:
    """How many of the moments ``found`` lie within ``reach`` of one of ``causes``; all in s, ``causes`` ascending."""
    count = 0
    for moment in found:
        first = bisect.bisect_left(causes, moment - reach)
        count += first < len(causes) and causes[first] <= moment + reach
    return count


def _round(signal: Samples, start: int, length: int) -> Samples:
    """``length`` samples from ``start`` on of the signal that begins again at its end."""
    return np.take(signal, np.arange(start, start + length), mode="wrap")
