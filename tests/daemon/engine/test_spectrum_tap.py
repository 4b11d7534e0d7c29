"""The columns of a spectrogram: the right band at the right level at the same moment on both sides."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from densenoiser_daemon.engine.band_levels import BANDS, FLOOR_DBFS, HIGHEST_HZ, LOWEST_HZ, STEP_DB
from densenoiser_daemon.engine.frame_tap import FrameTap
from densenoiser_daemon.engine.spectrum_tap import SpectrumTap
from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples

SPEC = FrameSpec()


def levels(column: bytes) -> NDArray[np.float64]:
    return np.asarray(FLOOR_DBFS + STEP_DB * np.frombuffer(column, np.uint8), np.float64)


def band_of(frequency: float) -> int:
    return int(BANDS * np.log(frequency / LOWEST_HZ) / np.log(HIGHEST_HZ / LOWEST_HZ))


def tone(frequency: float, amplitude: float, seconds: float = 0.5) -> Samples:
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(seconds * 48_000) / 48_000)).astype(np.float32)


FRAMES = FrameTap(SPEC)


def play(before: Samples, after: Samples, latency: int) -> None:
    for start in range(0, len(before) - SPEC.hop + 1, SPEC.hop):
        FRAMES.note(before[start : start + SPEC.hop], after[start : start + SPEC.hop], latency)


@pytest.fixture
def tap() -> Iterator[SpectrumTap]:
    made = SpectrumTap(SPEC, FRAMES)
    made.watch(True)
    yield made
    made.watch(False)


@pytest.mark.parametrize("frequency", [60, 130, 440, 1000, 3000, 7000, 15_000])
def test_a_tone_is_in_its_band_at_its_level(tap: SpectrumTap, frequency: float) -> None:
    sound = tone(frequency, 0.1)
    play(sound, 0.1 * sound, 480)
    column = tap.take()
    assert column is not None
    before, after = map(levels, column)
    assert abs(int(before.argmax()) - band_of(frequency)) <= (1 if frequency > 200 else 3)
    assert before.max() == pytest.approx(-20, abs=3 if frequency > 200 else 6)
    assert after.max() == pytest.approx(before.max() - 20, abs=0.6)


@pytest.mark.parametrize("latency", [335, 480, 1440])
def test_both_sides_show_the_same_moment(tap: SpectrumTap, latency: int) -> None:
    """A sweep that nothing filters looks the same on both sides, although one is late."""
    times = np.arange(48_000) / 48_000
    sweep = (0.3 * np.sin(2 * np.pi * (100 * times + 4000 * times**2))).astype(np.float32)
    late = np.concatenate([np.zeros(latency, np.float32), sweep])[: len(sweep)]
    for until in range(20, 100, 7):
        play(
            sweep[(until - 7) * SPEC.hop : until * SPEC.hop],
            late[(until - 7) * SPEC.hop : until * SPEC.hop],
            latency,
        )
        column = tap.take()
        assert column is not None
        before, after = map(levels, column)
        if until > 30:  # past the part that was not played
            np.testing.assert_allclose(before, after, atol=0.6)


def test_silence_is_the_floor_and_full_scale_fits(tap: SpectrumTap) -> None:
    sound = np.zeros(4800, np.float32)
    play(sound, sound, 480)
    assert tap.take() == (bytes(BANDS), bytes(BANDS))
    loud = np.sign(tone(440, 1.0, 0.1)).astype(np.float32)
    play(loud, loud, 480)
    column = tap.take()
    assert column is not None
    assert levels(column[0]).max() < FLOOR_DBFS + 255 * STEP_DB


def test_nothing_new_is_nothing_and_nobody_watching_keeps_nothing(tap: SpectrumTap) -> None:
    assert tap.take() is None
    sound = tone(440, 0.1)
    play(sound, sound, 480)
    assert tap.take() is not None
    assert tap.take() is None
    tap.watch(False)
    play(sound, sound, 480)
    assert tap.take() is None


def test_a_column_is_cheap(tap: SpectrumTap) -> None:
    """Twenty a second may take 2 % of a core: 1 ms each. The best of many, for a machine that is busy."""
    sound = tone(440, 0.1, 0.05)
    costs = []
    for _turn in range(50):
        play(sound, sound, 480)
        started = time.perf_counter()
        tap.take()
        costs.append(time.perf_counter() - started)
    assert min(costs) < 1e-3
