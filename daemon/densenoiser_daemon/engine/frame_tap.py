"""The last second before and after the filter, for those who listen in: spectrograms, playback, a take. Nothing otherwise."""

from __future__ import annotations

import threading

import numpy as np

from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples

_RING_SECONDS = 1.2
_KEPT_SECONDS = 1.0
"""What a reader can still get. The rest is for the longest delay of a filter, and for frames that come while it copies."""


class FrameTap:
    """``note`` is called by the audio thread, the rest by any other."""

    def __init__(self, spec: FrameSpec) -> None:
        self._hop = spec.hop
        self._length = round(_RING_SECONDS * spec.sample_rate) // spec.hop * spec.hop
        self._kept = round(_KEPT_SECONDS * spec.sample_rate) // spec.hop * spec.hop
        self._before = np.zeros(self._length, np.float32)
        self._after = np.zeros(self._length, np.float32)
        self._latency = 0
        self.samples = 0
        """Noted so far."""
        self._began = 0
        """From here on there was always a reader: what lies before is of long ago."""
        self._readers: list[TapReader] = []
        self._lock = threading.Lock()

    def note(self, before: Samples, after: Samples, latency_samples: int) -> None:
        """A frame, shape (hop,), and what is heard ``latency_samples`` after it was captured."""
        if self._readers:
            place = self.samples % self._length
            self._before[place : place + self._hop] = before
            self._after[place : place + self._hop] = after
            self._latency = latency_samples
            self.samples += self._hop

    def open(self) -> TapReader:
        """A reader of what comes from now on; close it."""
        reader = TapReader(self)
        with self._lock:
            if not self._readers:
                self._began = self.samples
            self._readers.append(reader)
        return reader

    def close(self, reader: TapReader) -> None:
        """It reads no longer."""
        with self._lock:
            if reader in self._readers:
                self._readers.remove(reader)

    def since(self, first: int) -> tuple[Samples, Samples, int]:
        """Copies of both sides of the same moments, shape (samples,), from sample ``first`` on; and where the next begin.

        What is too old is left out.
        """
        end = self.samples
        first = min(max(first, end - self._kept, self._began + self._latency), end)
        places = np.arange(first, end)
        return self._before[(places - self._latency) % self._length], self._after[places % self._length], end


class TapReader:
    """Reads on from where it stopped. Used by one thread."""

    def __init__(self, tap: FrameTap) -> None:
        self._tap = tap
        self._next = tap.samples

    def read(self) -> tuple[Samples, Samples] | None:
        """Before and after, of the same moments, shape (whole frames,), since the last call; None if nothing has come."""
        if self._tap.samples == self._next:
            return None
        before, after, self._next = self._tap.since(self._next)
        return (before, after) if len(before) else None

    def close(self) -> None:
        """Nothing is kept for it any longer. May be called twice."""
        self._tap.close(self)
