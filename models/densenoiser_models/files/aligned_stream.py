"""Denoises blocks of any sample rate and channel count, and lines the output up with the input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import soxr
from numpy.typing import NDArray

from ..denoiser import Denoiser
from ..errors import ModelError

Block = NDArray[np.float32]
"""Shape (samples, channels), float32."""


class AlignedStream:
    """Feeds one denoiser per channel frame by frame, and removes its delay. Resamples to the model's rate and back.

    Over a whole stream, as many samples come out as went in, each at its place. Owned by one thread.
    """

    def __init__(self, denoisers: Sequence[Denoiser], sample_rate: int) -> None:
        """``denoisers`` are fresh, of one spec, one per channel. ``sample_rate`` is that of the blocks, Hz."""
        self._denoisers = denoisers
        self._spec = denoisers[0].spec
        self._latency = denoisers[0].latency_samples
        channels = len(denoisers)
        rates = (sample_rate, self._spec.sample_rate)
        same = rates[0] == rates[1]
        self._to_model = None if same else soxr.ResampleStream(*rates, channels, "float32", "VHQ")
        self._from_model = None if same else soxr.ResampleStream(*rates[::-1], channels, "float32", "VHQ")
        self._pending = np.zeros((0, channels), np.float32)
        self._to_skip = self._latency
        self._owed = 0

    def process(self, block: Block) -> Block:
        """Takes any number of samples and returns those that are finished. At first they are fewer; none is lost.

        Raises ModelError if the model fails. Unlike a microphone, a file need not go on unfiltered.
        """
        self._owed += len(block)
        return self._give(_resample(self._from_model, self._clean(_resample(self._to_model, block))))

    def finish(self) -> Block:
        """Ends the stream and returns the samples still owed."""
        nothing = np.zeros((0, self._pending.shape[1]), np.float32)
        end = _resample(self._to_model, nothing, last=True)
        silence = np.zeros((self._latency + self._spec.hop - 1, end.shape[1]), np.float32)
        cleaned = self._clean(np.concatenate([end, silence]))
        last = self._give(_resample(self._from_model, cleaned, last=True))
        # Each of the two resamplers may round its length down by a sample.
        missing = np.zeros((self._owed, end.shape[1]), np.float32)
        return np.concatenate([last, missing])

    def _clean(self, block: Block) -> Block:
        """Denoises all whole frames of the pending samples and ``block``. Drops the delay at the start."""
        hop = self._spec.hop
        self._pending = np.concatenate([self._pending, block])
        whole = len(self._pending) // hop * hop
        cleaned = np.empty((whole, len(self._denoisers)), np.float32)
        for channel, denoiser in enumerate(self._denoisers):
            for start in range(0, whole, hop):
                cleaned[start : start + hop, channel] = denoiser.process(self._pending[start : start + hop, channel])
            if denoiser.fault is not None:
                raise ModelError(denoiser.fault)
        self._pending = self._pending[whole:]
        skipped = min(self._to_skip, whole)
        self._to_skip -= skipped
        return cleaned[skipped:]

    def _give(self, block: Block) -> Block:
        given = block[: self._owed]
        self._owed -= len(given)
        return given


def _resample(stream: soxr.ResampleStream | None, block: Block, last: bool = False) -> Block:
    if stream is None:
        return block
    resampled: Block = stream.resample_chunk(block, last)
    return resampled
