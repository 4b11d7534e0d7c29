"""Finds out that what we play comes back through the microphone, before it howls for long."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from densenoiser_models.stft import Samples

Signal = npt.NDArray[np.float64]

_LOW_RATE = 4000
"""Howling is loudest where small loudspeakers and microphones are best: below 2 kHz as a rule."""
_CHECK_SECONDS = 0.25
_HEARD_SECONDS = 0.75
_SHORTEST_LAG_SECONDS, _LONGEST_LAG_SECONDS = 0.02, 0.7
"""From a sample's way to the output until it is back: the queue of the output, the room, the capture."""
_LOUD_RMS = 10 ** (-30 / 20)
_LIKE = 0.5
"""Normalised cross-correlation of what is heard and what was played from which on it may have come back."""
_DUCKED = 10 ** (-30 / 20)
_PROBE_SECONDS = 0.9
"""Longer than the longest way round."""
_FALL = 10 ** (-10 / 20)
"""How much quieter the microphone is at the end of a probe, at least, if what it heard was us."""
_NEEDED = 2
_BETWEEN_SECONDS = 6.0
"""Two probes count as one story if the second begins so soon."""
_PATIENCE_SECONDS = 10.0
"""After a probe that found nothing, unless it gets twice as loud: a hum would be probed again and again."""


class FeedbackWatch:
    """Owned by the thread that plays.

    A loud sound that is like what was played before is under suspicion: a held vowel and a hum are like themselves too.
    So the playback is turned down for a moment. What falls silent with it, twice, came from it.
    """

    def __init__(self, rate: int) -> None:
        self.is_feedback = False
        self._step = rate // _LOW_RATE
        self._heard = np.zeros(round(_HEARD_SECONDS * _LOW_RATE))
        self._played = np.zeros(round((_HEARD_SECONDS + _LONGEST_LAG_SECONDS) * _LOW_RATE))
        self._rest: tuple[Samples, Samples] = (np.zeros(0, np.float32), np.zeros(0, np.float32))
        self._now = 0.0
        self._next_check = 0.0
        self._probe_ends: float | None = None
        self._loudness = 0.0
        self._cleared = 0.0
        self._cleared_until = 0.0
        self._found_at = -math.inf
        self._found = 0

    @property
    def gain(self) -> float:
        """What is to be played gets this factor."""
        return 1.0 if self._probe_ends is None else _DUCKED

    def note(self, heard: Samples, played: Samples) -> None:
        """The microphone's next samples, and as many that were played at that time, shape (samples,)."""
        both = [np.concatenate(pair) for pair in zip(self._rest, (heard, played), strict=True)]
        whole = len(both[0]) // self._step * self._step
        self._rest = both[0][whole:], both[1][whole:]
        low = [side[:whole].reshape(-1, self._step).mean(1).astype(np.float64) for side in both]
        self._heard = np.concatenate([self._heard, low[0]])[-len(self._heard) :]
        self._played = np.concatenate([self._played, low[1]])[-len(self._played) :]
        self._now += len(low[0]) / _LOW_RATE
        if self._probe_ends is not None:
            if self._now >= self._probe_ends:
                self._judge()
        elif self._now >= self._next_check:
            self._next_check = self._now + _CHECK_SECONDS
            self._suspect()

    def _suspect(self) -> None:
        loudness = self._recent_rms()
        if self._now < self._cleared_until and loudness < 2 * self._cleared:
            return
        if loudness > _LOUD_RMS and _likeness(self._heard, self._played) > _LIKE:
            self._loudness = loudness
            self._probe_ends = self._now + _PROBE_SECONDS

    def _judge(self) -> None:
        self._probe_ends = None
        if self._recent_rms() > _FALL * self._loudness:
            self._found = 0
            self._cleared, self._cleared_until = self._loudness, self._now + _PATIENCE_SECONDS
            return
        self._found = self._found + 1 if self._now - self._found_at < _BETWEEN_SECONDS + _PROBE_SECONDS else 1
        self._found_at = self._now
        self.is_feedback = self._found >= _NEEDED

    def _recent_rms(self) -> float:
        return float(np.sqrt(np.mean(self._heard[-round(0.15 * _LOW_RATE) :] ** 2)))


def _likeness(heard: Signal, played: Signal) -> float:
    """The largest normalised cross-correlation of ``heard`` with what was played a loop's time before."""
    length = len(heard)
    size = 2 ** math.ceil(math.log2(len(played) + length))
    product = np.fft.irfft(np.fft.rfft(played, size) * np.conj(np.fft.rfft(heard, size)), size)
    shifts = np.arange(len(played) - length - round(_SHORTEST_LAG_SECONDS * _LOW_RATE) + 1)
    energy = np.concatenate([[0.0], np.cumsum(played**2)])
    norms = np.sqrt((energy[shifts + length] - energy[shifts]) * np.sum(heard**2)) + 1e-9
    return float(np.max(np.abs(product[shifts]) / norms))
