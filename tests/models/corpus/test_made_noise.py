"""Made noises: every kind sounds, each time otherwise, and the same for the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from densenoiser_models.corpus.made_noise import KINDS, made_noise

SECOND = 48_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_sounds_each_time_otherwise(kind: str) -> None:
    one, again, other = (KINDS[kind](np.random.default_rng(seed), 2 * SECOND) for seed in (1, 1, 2))
    assert one.shape == (2 * SECOND,)
    assert np.isfinite(one).all()
    assert one.std() > 1e-3
    np.testing.assert_array_equal(one, again)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.5


def test_a_noise_has_its_peak_and_names_its_kind() -> None:
    kinds = set()
    for seed in range(12):
        kind, sound = made_noise(np.random.default_rng(seed), 0.5)
        assert sound.dtype == np.float32
        assert sound.shape == (SECOND // 2,)
        assert np.abs(sound).max() == pytest.approx(0.7, abs=1e-3)
        kinds.add(kind)
    assert len(kinds) > 3
    assert kinds <= set(KINDS)


@pytest.mark.parametrize(("kind", "low", "high"), [("rides", 0, 500), ("wind", 0, 500)])
def test_what_is_deep_is_deep(kind: str, low: float, high: float) -> None:
    for seed in range(4):
        power = np.abs(np.fft.rfft(KINDS[kind](np.random.default_rng(seed), 2 * SECOND))) ** 2
        hertz = np.fft.rfftfreq(2 * SECOND, 1 / SECOND)
        assert power[(hertz >= low) & (hertz < high)].sum() > 0.5 * power.sum()
