"""Keeps what is played at the delay with which it began, although output and microphone run on different clocks."""

from __future__ import annotations

from ..engine.clock_drift import DriftController

_LOOK_SECONDS = 1.0
"""How long the latency is looked at before it is held. A Bluetooth headset's is ten times a sound card's."""
_BURST_SECONDS = 0.15


class Pace:
    """Owned by the thread that plays."""

    def __init__(self, rate: int, hop: int) -> None:
        self._rate, self._hop = rate, hop
        self._looks = 0
        self._lowest = float("inf")
        self._drift: DriftController | None = None

    def note_underrun(self) -> None:
        """The output ran empty."""
        if self._drift is not None:
            self._drift.note_underrun()

    def is_late(self, latency: float | None) -> bool:
        """Whether so much is queued that the next frame is better left out."""
        return self._drift is not None and latency is not None and latency > self._lowest + _BURST_SECONDS

    def correction(self, latency: float | None, rms: float) -> int:
        """Samples that the next frame should lose, given the latency just before it, s; see ``DriftController``."""
        if latency is None:
            return 0
        if self._drift is not None:
            return self._drift.correction(latency, rms)
        self._lowest = min(self._lowest, latency)
        self._looks += 1
        if self._looks * self._hop >= _LOOK_SECONDS * self._rate:
            self._drift = DriftController(self._rate, self._hop, self._lowest, self._lowest + _BURST_SECONDS)
        return 0
