"""A take's figures against sounds whose figures are known, its spectra, and its files."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import soundfile

from densenoiser_daemon.engine.band_levels import BANDS, FLOOR_DBFS, STEP_DB
from densenoiser_daemon.hearing.take import Take
from densenoiser_models.stft import Samples

RATE = 48_000
SECONDS = 10


def words() -> Samples:
    """A tone of 500 Hz that comes and goes each second."""
    times = np.arange(SECONDS * RATE) / RATE
    return np.asarray(0.2 * np.sin(2 * np.pi * 500 * times) * (times % 1 > 0.5), np.float32)


def noise(rms: float) -> Samples:
    return np.asarray(rms * np.random.default_rng(1).standard_normal(SECONDS * RATE), np.float32)


def test_the_figures_say_what_was_done() -> None:
    take = Take(words() + noise(0.02), 0.8 * words() + noise(0.0002), RATE)
    assert take.noise_down_db == pytest.approx(40.0, abs=0.5)
    assert take.voice_changed_db == pytest.approx(20 * math.log10(0.8), abs=0.2)


def test_nothing_done_is_nothing() -> None:
    sound = words() + noise(0.0005)
    take = Take(sound, sound, RATE)
    assert take.noise_down_db == pytest.approx(0.0, abs=0.01)
    assert take.voice_changed_db == pytest.approx(0.0, abs=0.01)


def test_noise_alone_has_no_voice_and_a_tone_alone_no_pause() -> None:
    take = Take(noise(0.02), noise(0.00002), RATE)
    assert math.isnan(take.voice_changed_db)
    assert take.noise_down_db == pytest.approx(60.0, abs=0.5)
    tone = np.full(RATE, 0.1, np.float32)
    assert math.isnan(Take(tone, tone, RATE).noise_down_db)
    assert math.isnan(Take(tone[:100], tone[:100], RATE).noise_down_db)


def test_its_spectra_show_what_was_said_when() -> None:
    take = Take(words(), 0.1 * words(), RATE)
    before, after = (np.frombuffer(side, np.uint8).reshape(-1, BANDS) for side in take.spectra)
    assert len(before) == len(after) == 20 * SECONDS
    band = int(BANDS * np.log(500 / 50) / np.log(400))
    loudness = FLOOR_DBFS + STEP_DB * before[:, band].astype(float)
    times = (np.arange(len(loudness)) + 1) / 20
    assert loudness[(times % 1 > 0.6)].min() > -20
    assert loudness[(times % 1 > 0.1) & (times % 1 < 0.5)].max() < -60
    np.testing.assert_allclose((before[:, band] - 40)[times % 1 > 0.6], after[:, band][times % 1 > 0.6], atol=1)


def test_it_is_saved_as_it_was_recorded() -> None:
    take = Take(words(), 0.1 * words(), RATE)
    for content, side in zip(take.wav(), take.sides, strict=True):
        read, rate = soundfile.read(io.BytesIO(content), dtype="float32")
        assert rate == RATE
        np.testing.assert_allclose(read, side, atol=1e-6)
