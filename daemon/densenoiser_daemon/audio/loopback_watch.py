"""Finds channels of a microphone that repeat what the computer plays, as the loopback channels of audio interfaces do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .channel_choice import LOW_RATE

_HISTORY = round(2.0 * LOW_RATE)
_TEMPLATE = slice(round(0.5 * LOW_RATE), round(1.5 * LOW_RATE))
"""A second in the middle of the history: what is played may come half a second earlier or later."""
_SAME = 0.93
"""Normalised cross-correlation from which on a channel is a copy. A room from loudspeaker to microphone makes 0.3 to 0.6."""
_REMEMBERED_CHECKS = 100
_QUIETEST = 1e-3
"""RMS below which there is nothing to compare: -60 dBFS."""


class LoopbackWatch:
    """Compares the channels of a microphone with what sinks play. Owned by the audio thread. Signals are at LOW_RATE."""

    def __init__(self, channels: int) -> None:
        self._heard = np.zeros((_HISTORY, channels))
        self._played: dict[str, npt.NDArray[np.float64]] = {}
        self._seen = np.full(channels, -_REMEMBERED_CHECKS)
        self._was_same = np.zeros(channels, bool)
        self._check = 0

    @property
    def loopbacks(self) -> frozenset[int]:
        """Indexes of the channels that were copies of something played lately."""
        return frozenset(np.flatnonzero(self._check - self._seen < _REMEMBERED_CHECKS).tolist())

    def hear(self, samples: npt.NDArray[np.float64]) -> None:
        """The microphone's next samples, shape (samples, channels)."""
        self._heard = np.concatenate([self._heard[len(samples) :], samples])

    def play(self, sink: str, samples: npt.NDArray[np.float64]) -> None:
        """A sink's next samples, shape (samples, channels of the sink)."""
        past = self._played.get(sink)
        if past is None or past.shape[1] != samples.shape[1]:
            past = np.zeros((_HISTORY, samples.shape[1]))
        self._played[sink] = np.concatenate([past[len(samples) :], samples])[-_HISTORY:]

    def forget(self, playing: Sequence[str]) -> None:
        """Only these sinks play now."""
        self._played = {sink: past for sink, past in self._played.items() if sink in playing}

    def check(self) -> None:
        """Look at the next channel in turn."""
        channel = self._check % self._heard.shape[1]
        template = _whitened(self._heard[_TEMPLATE, channel])
        self._check += 1
        if np.sqrt(np.mean(template**2)) < _QUIETEST:
            return
        signals = [_whitened(past[:, side]) for past in self._played.values() for side in range(past.shape[1])]
        is_same = any(_likeness(template, signal) > _SAME for signal in signals)
        if is_same and self._was_same[channel]:  # twice in a row
            self._seen[channel] = self._check
        self._was_same[channel] = is_same


def _whitened(signal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Differences of samples: a vowel is less like itself a few periods later, a copy stays a copy."""
    return np.diff(signal, prepend=signal[:1])


def _likeness(template: npt.NDArray[np.float64], signal: npt.NDArray[np.float64]) -> float:
    """The highest normalised cross-correlation of ``template`` with any stretch of ``signal``, in magnitude."""
    length = len(template)
    total = np.concatenate([[0.0], np.cumsum(signal**2)])
    energies = total[length:] - total[:-length]
    size = 1 << (len(signal) + length - 1).bit_length()
    product = np.fft.rfft(signal, size) * np.conj(np.fft.rfft(template, size))
    correlation = np.abs(np.fft.irfft(product, size)[: len(signal) - length + 1])
    loud = energies > length * _QUIETEST**2
    if not loud.any():
        return 0.0
    return float(np.max(correlation[loud] / np.sqrt(energies[loud] * np.sum(template**2))))
