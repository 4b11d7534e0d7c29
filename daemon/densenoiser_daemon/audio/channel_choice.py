"""Chooses the channel of a microphone that carries the voice: by speech, never by level alone.

Channels are never summed, because two of them may cancel. A channel counts as spoken into where it has voiced frames:
louder than its own noise, and periodic as a voice is (autocorrelation, Boersma 1993, equations 6 to 9). Steady hum is
periodic but never rises above its own floor. The channel whose voice stands highest above its noise is taken.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from densenoiser_models.stft import Samples

Block = npt.NDArray[np.float32]
"""Samples of all channels, shape (samples, channels), float32."""
LOW_RATE = 8000
"""Rate of the signals that are compared, Hz."""

_FRAME_SECONDS = 0.030
_FADE_SECONDS = 0.010
_HISTORY_FRAMES = 100
_BAND_HZ = 300.0, 3400.0
_PITCH_HZ = 70.0, 400.0
_VOICED_PERIODICITY = 0.5
_ABOVE_FLOOR_DB = 8.0
_QUIETEST_DB = -65.0
_LOWEST_FLOOR_DB = -60.0
_DEAD_DB = -100.0
"""A channel that was never louder is not connected to anything."""
_DECIDE_FRAMES = 3
_FLOOR_FRAMES = 10
_VOICED_FRAMES = 5
_BETTER_DB = 6.0


class ChannelChoice:
    """Makes one signal of several channels. Owned by the audio thread.

    ``taken`` is the index of the channel in use. A change cross-fades within one frame.
    """

    def __init__(self, rate: int, channels: int, taken: int = 0, is_fixed: bool = False) -> None:
        """``rate`` in Hz, a multiple of LOW_RATE; ``taken`` is the channel to begin with; ``is_fixed`` keeps it."""
        self.taken = taken if taken < channels else 0
        self.channels = channels
        self.is_fixed = is_fixed or channels == 1
        self._step = rate // LOW_RATE
        self._ramp = np.linspace(0.0, 1.0, round(rate * _FADE_SECONDS), dtype=np.float32)
        self._before: int | None = None
        self._faded = 0
        length = round(LOW_RATE * _FRAME_SECONDS)
        self._frame = np.zeros((length * self._step, channels), np.float32)
        self._filled = 0
        self._window = np.hanning(length + 1)[:-1, None]
        bins = np.fft.rfftfreq(2 * length, 1.0 / LOW_RATE)
        self._band = (bins >= _BAND_HZ[0]) & (bins <= _BAND_HZ[1])
        self._lags = slice(int(LOW_RATE / _PITCH_HZ[1]), int(LOW_RATE / _PITCH_HZ[0]) + 1)
        spread = np.fft.irfft(np.abs(np.fft.rfft(self._window, 2 * length, axis=0)) ** 2, axis=0)
        self._spread = spread[self._lags] / spread[0]
        self._levels = np.zeros((_HISTORY_FRAMES, channels))
        self._periodicity = np.zeros((_HISTORY_FRAMES, channels))
        self._frames = 0
        self._leader: int | None = None
        self.barred: frozenset[int] = frozenset()
        """Channels that are not to be taken while there are others: they repeat what the computer plays."""

    def process(self, block: Block) -> Samples:
        """The signal of the channel in use, shape (samples,), valid until the next call."""
        if self.channels == 1:
            return block[:, 0]
        out = np.ascontiguousarray(block[:, self.taken])
        if self._before is not None:
            count = min(len(out), len(self._ramp) - self._faded)
            old = block[:count, self._before]
            out[:count] = old + self._ramp[self._faded : self._faded + count] * (out[:count] - old)
            self._faded += count
            if self._faded == len(self._ramp):
                self._before = None
        return out

    def listen(self, block: Block) -> Iterator[npt.NDArray[np.float64]]:
        """Judge who speaks where, from the next ``process`` on; yields frames of all channels at LOW_RATE, as they fill."""
        while len(block) and not self.is_fixed:
            count = min(len(block), len(self._frame) - self._filled)
            self._frame[self._filled : self._filled + count] = block[:count]
            self._filled += count
            block = block[count:]
            if self._filled == len(self._frame):
                self._filled = 0
                low = at_low_rate(np.nan_to_num(self._frame), self._step)
                self._note(low)
                yield low

    def _note(self, low: npt.NDArray[np.float64]) -> None:
        spectrum = np.abs(np.fft.rfft((low - low.mean(axis=0)) * self._window, 2 * len(low), axis=0)) ** 2
        power = 2.0 * np.sum(spectrum[self._band], axis=0) / (2 * len(low) * np.sum(self._window**2))
        correlation = np.fft.irfft(spectrum, axis=0)
        at = self._frames % _HISTORY_FRAMES
        self._levels[at] = 10.0 * np.log10(power + 1e-20)
        self._periodicity[at] = np.max(correlation[self._lags] / self._spread / (correlation[0] + 1e-20), axis=0)
        self._frames += 1
        if self._frames % _DECIDE_FRAMES == 0:
            self._decide()

    def _scores(self) -> npt.NDArray[np.float64]:
        """How far the voice of each channel stands above its noise, dB, shape (channels,); -inf where nobody speaks."""
        known = self._levels[: min(self._frames, _HISTORY_FRAMES)]
        scores = np.full(self.channels, -np.inf)
        if len(known) < _FLOOR_FRAMES:
            return scores
        floor = np.partition(known, len(known) // 10, axis=0)[len(known) // 10]
        loud = (known > floor + _ABOVE_FLOOR_DB) & (known > _QUIETEST_DB)
        voiced = loud & (self._periodicity[: len(known)] > _VOICED_PERIODICITY)
        for channel in range(self.channels):
            levels = known[voiced[:, channel], channel]
            if len(levels) >= _VOICED_FRAMES:
                scores[channel] = levels.mean() - max(floor[channel], _LOWEST_FLOOR_DB)
        return scores

    def _decide(self) -> None:
        scores = self._scores()
        free = [channel for channel in range(self.channels) if channel not in self.barred]
        alive = np.max(self._levels[: self._frames], axis=0) > _DEAD_DB
        if any(alive[free]):
            free = [channel for channel in free if alive[channel]]
        if not free:
            return
        best = max(free, key=lambda channel: (scores[channel], channel == self.taken, -channel))
        if self.taken not in free:
            self._take(best)
            return
        is_better = scores[best] > -np.inf and not scores[best] < scores[self.taken] + _BETTER_DB
        if best != self.taken and is_better and best == self._leader:  # twice in a row
            self._take(best)
        self._leader = best if is_better else None

    def _take(self, channel: int) -> None:
        self._before, self._faded = self.taken, 0
        self.taken = channel


def at_low_rate(samples: Block, step: int) -> npt.NDArray[np.float64]:
    """Means of each ``step`` samples, shape (samples // step, channels)."""
    groups = samples[: len(samples) // step * step].reshape(-1, step, samples.shape[1])
    return np.asarray(groups.mean(axis=1), np.float64)
