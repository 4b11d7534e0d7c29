"""Feedback is found in a loop that howls, and in nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from densenoiser_daemon.hearing.feedback import FeedbackWatch
from densenoiser_daemon.measurement.demo import load_recording
from densenoiser_models.stft import Samples

RATE = 48_000
HOP = 480


def heard_through_a_loop(watch: FeedbackWatch, sound: Samples, gain: float, delay: int) -> float:
    """Play what is heard; some of it comes back after ``delay`` samples. Seconds until it was found, or infinity."""
    played = np.zeros(len(sound) + HOP, np.float32)
    for start in range(0, len(sound) - HOP, HOP):
        back = played[start - delay : start - delay + HOP] if start >= delay else np.zeros(HOP, np.float32)
        heard = np.clip(sound[start : start + HOP] + gain * back, -1, 1)
        played[start : start + HOP] = heard * watch.gain
        watch.note(heard, played[start : start + HOP])
        if watch.is_feedback:
            return start / RATE
    return np.inf


@pytest.fixture(scope="module")
def voice() -> Samples:
    """Half a minute of a person, as loud as people are."""
    recording, _noise = load_recording()
    repeated = np.tile(recording, -(-30 * RATE // len(recording)))[: 30 * RATE]
    return np.asarray(0.3 * repeated / np.abs(repeated).max(), np.float32)


@pytest.mark.parametrize("delay_ms", [60, 150, 400])
@pytest.mark.parametrize("gain", [1.2, 3.0])
def test_a_loop_that_howls_is_found(voice: Samples, gain: float, delay_ms: int) -> None:
    delay = delay_ms * RATE // 1000 // HOP * HOP
    assert heard_through_a_loop(FeedbackWatch(RATE), voice, gain, delay) < 15


def test_a_voice_in_headphones_is_none(voice: Samples) -> None:
    assert heard_through_a_loop(FeedbackWatch(RATE), voice, 0.0, 4800) == np.inf
    assert heard_through_a_loop(FeedbackWatch(RATE), np.clip(3 * voice, -1, 1), 0.01, 4800) == np.inf


def test_neither_is_a_hum_nor_a_held_note(voice: Samples) -> None:
    times = np.arange(30 * RATE) / RATE
    hum = (0.2 * np.sin(2 * np.pi * 100 * times)).astype(np.float32)
    assert heard_through_a_loop(FeedbackWatch(RATE), hum, 0.0, 4800) == np.inf
    sung = hum * (np.sin(2 * np.pi * times / 6) > -0.5)  # four seconds of each six
    assert heard_through_a_loop(FeedbackWatch(RATE), sung.astype(np.float32), 0.0, 4800) == np.inf
    assert heard_through_a_loop(FeedbackWatch(RATE), voice + hum, 0.0, 4800) == np.inf
