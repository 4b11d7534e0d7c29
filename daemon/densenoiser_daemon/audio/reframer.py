"""A queue that takes blocks of any length and gives frames of one length."""

from __future__ import annotations

import numpy as np

from densenoiser_models.stft import Samples


class Reframer:
    """A bounded queue of samples, read a frame at a time. Owned by one thread.

    Lengths are in samples. What does not fit in ``capacity`` pushes the oldest samples out, whole frames at a time, so
    that the delay stays bounded.
    """

    def __init__(self, frame_length: int, capacity: int) -> None:
        if capacity < frame_length:
            raise ValueError(f"capacity {capacity} is below the frame length {frame_length}")
        self._frame_length = frame_length
        self._samples = np.zeros(capacity, np.float32)
        self._frame = np.zeros(frame_length, np.float32)
        self._length = 0

    def __len__(self) -> int:
        """Samples waiting."""
        return self._length

    @property
    def frames(self) -> int:
        """Whole frames waiting."""
        return self._length // self._frame_length

    def push(self, block: Samples) -> int:
        """Append ``block``, shape (any,); the number of whole frames that were dropped to make room."""
        excess = self._length + len(block) - len(self._samples)
        dropped = 0
        if excess > 0:
            dropped = -(-excess // self._frame_length)
            block = self._discard(dropped * self._frame_length, block)
        self._samples[self._length : self._length + len(block)] = block
        self._length += len(block)
        return dropped

    def pop(self) -> Samples | None:
        """The oldest frame, shape (frame_length,), valid until the next call, or None if less than one is waiting."""
        if self._length < self._frame_length:
            return None
        self._frame[:] = self._samples[: self._frame_length]
        self.drop(1)
        return self._frame

    def drop(self, frames: int) -> None:
        """Throw the oldest ``frames`` frames away, or all that is waiting if that is less."""
        self._discard(frames * self._frame_length, self._samples[:0])

    def clear(self) -> None:
        """Throw everything away."""
        self._length = 0

    def _discard(self, count: int, block: Samples) -> Samples:
        """Drop ``count`` of the oldest samples, from the queue and then from ``block``; what is left of ``block``."""
        from_queue = min(count, self._length)
        rest = self._length - from_queue
        self._samples[:rest] = self._samples[from_queue : self._length]
        self._length = rest
        return block[count - from_queue :]
