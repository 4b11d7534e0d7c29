"""What the Pulse backend queues, on a playback stream that is a fake; the real one runs in tests/daemon."""

from __future__ import annotations

import numpy as np
import pytest

from densenoiser_daemon.audio.pulse import CUSHION_SECONDS, PulseBackend
from densenoiser_models.stft import Samples

RATE, HOP = 48_000, 480
CUSHION = round(CUSHION_SECONDS * RATE)
FRAME = np.full(HOP, 0.5, np.float32)


class Playback:
    """A PlaybackStream as far as ``write`` knows it."""

    def __init__(self) -> None:
        self.xruns = 0
        self.latency: float | None = None
        self.written: list[Samples] = []

    def write(self, samples: Samples) -> None:
        self.written.append(samples.copy())


@pytest.fixture
def playback() -> Playback:
    return Playback()


@pytest.fixture
def backend(playback: Playback) -> PulseBackend:
    """One that has begun to play."""
    backend = PulseBackend(RATE, HOP)
    backend._playback = playback  # type: ignore[assignment]
    backend.write(FRAME)
    return backend


def lengths(playback: Playback) -> list[int]:
    """Of the pieces written, silence as a negative number."""
    return [len(piece) if piece.any() else -len(piece) for piece in playback.written]


def test_the_first_frame_follows_a_cushion_of_silence(backend: PulseBackend, playback: Playback) -> None:
    backend.write(FRAME)
    assert lengths(playback) == [-CUSHION, HOP, HOP]


def test_an_underrun_is_followed_by_one_more_cushion(backend: PulseBackend, playback: Playback) -> None:
    playback.xruns, playback.latency = 1, 0.0
    backend.write(FRAME)
    backend.write(FRAME)
    assert lengths(playback)[2:] == [-CUSHION, HOP, HOP]


def test_an_underrun_that_has_been_made_good_since_is_not(backend: PulseBackend, playback: Playback) -> None:
    playback.xruns, playback.latency = 1, 0.015
    backend.write(FRAME)
    assert lengths(playback)[2:] == [HOP]


def test_while_the_latency_is_unknown_nothing_is_added(backend: PulseBackend, playback: Playback) -> None:
    playback.xruns = 1
    backend.write(FRAME)
    assert lengths(playback)[2:] == [HOP]
