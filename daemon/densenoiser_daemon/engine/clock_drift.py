"""Keeps the delay steady although the microphone and the virtual sink run on different clocks."""

from __future__ import annotations

from collections import deque
from functools import cache

import numpy as np

from densenoiser_models.stft import Samples

MAX_CORRECTION = 4
"""Most samples that one quiet frame gives or takes."""
WINDOW_SECONDS = 3.0
"""Over how long the low-water mark is taken."""
_BLOCKS = 10
SETTLING_SECONDS = 0.5
"""Right after a stream starts neither underruns nor levels mean anything yet."""
CALM_SECONDS = 10.0
"""After so long without an underrun the target sinks by 1 ms, at first."""
LONGEST_CALM_SECONDS = 160.0
"""Each underrun doubles the calm time needed before the target sinks, up to this limit.

The same time without an underrun at the lowest target halves it again. So a queue that proved too short is not tried again
every few seconds. On PipeWire any block that is 2 ms late makes an underrun there.
"""
LOST_SECONDS = 0.003
"""Captured audio counts as lost, not late, once it lags the clock by this much more than it did a moment before, s."""
_RECENT_SECONDS = 0.3
_REMEMBERED_BLOCKS = 150
_TOLERATED_EXCESS, _TOLERATED_LACK = 0.002, 0.0005
"""How far the low-water mark may be above its target, and below it, before it is corrected, s. Below is the danger."""
QUIET_RMS = 10 ** (-50 / 20)
"""Frames below this level take the full correction; louder ones a single sample, 0.2 % of a hop, which is inaudible."""


class DriftController:
    """Decides how many samples each frame should lose or gain, to hold the queue's low-water mark at its target.

    The low-water mark over some seconds guards against underruns; the mean does not. Servers deliver blocks that are no
    multiple of a frame, so the level swings by a frame with a period of seconds. Bursts raise the mean, but not the danger.
    The target rises with each underrun and sinks back when there have been none.
    """

    def __init__(self, rate: int, hop: int, target: float, ceiling: float) -> None:
        """``target`` and ``ceiling`` of the playback latency just before a frame is queued, s."""
        self._rate = rate
        self._hop = hop
        self._base = target
        self._ceiling = ceiling
        self._frames_per_second = rate / hop
        self._block_frames = round(WINDOW_SECONDS / _BLOCKS * self._frames_per_second)
        self._low_water: deque[float] = deque(maxlen=_BLOCKS)
        self._in_block = 0
        self._corrected = 0.0
        self._frames = 0
        self._calm_since = 0
        self._calm_after_underrun = self._calm_needed = CALM_SECONDS
        """Calm time required after an underrun, and the one in force now, s."""
        self._correcting = self._dropping = False
        self._captured = 0
        self._ahead: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED_BLOCKS)
        """Moment, and how far ahead of the clock the captured audio was then; both in s."""
        self.target = target

    def aim_at(self, target: float) -> None:
        """Take another ``target`` (s), for another audio system. Forgets what the last system taught."""
        self.target = self._base = target
        self._calm_after_underrun = self._calm_needed = CALM_SECONDS

    def note_capture(self, moment: float, samples: int) -> None:
        """``samples`` were captured at ``moment`` (monotonic clock, s), however many at once."""
        self._captured += samples
        self._ahead.append((moment, self._captured / self._rate - moment))

    def note_underrun(self) -> None:
        """The queue ran empty: keep more in it, up to half the ceiling.

        The target stays while the streams are settling, and where the microphone lost the audio. No queue can make up for
        that.
        """
        if self._frames > SETTLING_SECONDS * self._frames_per_second and not self._microphone_lost():
            self.target = min(self.target + 0.002, self._ceiling / 2)
            self._calm_after_underrun = self._calm_needed = min(2 * self._calm_after_underrun, LONGEST_CALM_SECONDS)
        self._calm_since = self._frames
        self._dropping = False  # else a queue that waits to fill again never does
        self._clear_measurements()

    def reset(self) -> None:
        """A new stream: forget what was measured, keep the target."""
        self._clear_measurements()
        self._frames = self._calm_since = 0
        self._corrected = 0.0
        self._dropping = False
        self._captured = 0
        self._ahead.clear()

    def correction(self, latency: float, rms: float) -> int:
        """Samples that this frame should lose (positive) or gain (negative), given the playback latency just before it, s."""
        self._frames += 1
        if self._frames - self._calm_since >= self._calm_needed * self._frames_per_second:
            self._lower_target()
        if self._frames < SETTLING_SECONDS * self._frames_per_second:
            return 0
        # A correction shows in every later measurement. Without it, earlier and later ones can be compared.
        level = latency + self._corrected
        if self._in_block == 0:
            self._low_water.append(level)
        elif level < self._low_water[-1]:
            self._low_water[-1] = level
        self._in_block = (self._in_block + 1) % self._block_frames
        excess = (min(self._low_water) - self._corrected - self.target) * self._rate
        if excess > 0 and len(self._low_water) < (self._low_water.maxlen or 0):
            return 0
        dead_band = self._rate * (0.0002 if self._correcting else _TOLERATED_EXCESS if excess > 0 else _TOLERATED_LACK)
        self._correcting = abs(excess) > dead_band
        if not self._correcting:
            return 0
        step = min(MAX_CORRECTION if rms < QUIET_RMS else 1, max(1, round(abs(excess))))
        lost = step if excess > 0 else -step
        self._corrected += lost / self._rate
        return lost

    def _lower_target(self) -> None:
        """Lower the target after the required calm time."""
        self._calm_since = self._frames
        if self.target > self._base:
            self.target = max(self._base, self.target - 0.001)
            self._calm_needed = max(
                CALM_SECONDS, self._calm_needed / 2
            )  # where it holds, a delay learnt under load is soon given up
        else:
            self._calm_after_underrun = max(CALM_SECONDS, self._calm_after_underrun / 2)
        if self.target == self._base:
            self._calm_needed = LONGEST_CALM_SECONDS

    def frames_to_drop(self, latency: float, waiting: int) -> int:
        """How many of the ``waiting`` captured frames to throw away, oldest first.

        Above the ceiling, as many as it takes to come back to the target: one break instead of a long delay.
        """
        hop_seconds = self._hop / self._rate
        self._dropping = self._dropping or latency + (waiting - 1) * hop_seconds > self._ceiling
        if not self._dropping or not waiting:
            return 0
        keep = min(waiting, int(max(0.0, self.target + hop_seconds - latency) / hop_seconds))
        self._dropping = keep == 0
        self._clear_measurements()
        return waiting - keep

    def _microphone_lost(self) -> bool:
        """Audio that was only late has come by now, all at once; what the microphone lost never does."""
        if not self._ahead:
            return False
        moment, ahead = self._ahead[-1]
        before = [earlier for then, earlier in self._ahead if then < moment - _RECENT_SECONDS]
        return bool(before) and min(before) - ahead > LOST_SECONDS

    def _clear_measurements(self) -> None:
        self._low_water.clear()
        self._in_block = 0
        self._correcting = False


@cache
def _fade(length: int) -> Samples:
    return np.linspace(0.0, 1.0, length, dtype=np.float32)


def stretch(frame: Samples, lost: int) -> Samples:
    """The frame with ``lost`` samples less (more if negative), shape (hop - lost,), its first and last sample kept.

    A linear cross-fade over the whole frame between it and itself shifted by ``lost``; for one sample this is linear
    interpolation.
    """
    if lost == 0:
        return frame
    length = len(frame) - lost
    fade = _fade(length)
    if lost > 0:
        early, late = frame[:length], frame[lost:]
    else:
        early = np.concatenate([frame, np.full(-lost, frame[-1], np.float32)])
        late = np.concatenate([np.full(-lost, frame[0], np.float32), frame])
    return np.asarray(early + fade * (late - early), np.float32)
