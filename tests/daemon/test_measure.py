"""The measuring instruments, on signals whose delay is known."""

from __future__ import annotations

import numpy as np
import pytest

from densenoiser_daemon.measure import RATE, Recording, delays, silent_gaps
from densenoiser_models.stft import Samples

CHUNK = 480


def recording(samples: Samples, start: float) -> Recording:
    """``samples`` as a client gets them that records from ``start`` on, in pieces of 10 ms."""
    ends = list(range(CHUNK, len(samples) + 1, CHUNK))
    return Recording(samples[: ends[-1]], ends, [start + end / RATE for end in ends])


@pytest.mark.parametrize("delay", [0.0, 0.035, 0.2])
def test_a_known_delay_is_found(delay: float) -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, 5 * RATE).astype(np.float32)
    late = np.concatenate([np.zeros(round(delay * RATE), np.float32), sound])[: len(sound)]
    found = delays(recording(sound, 100.0), recording(np.float32(0.3) * late, 100.0))
    assert len(found) >= 5
    assert [d.seconds for d in found] == pytest.approx([delay] * len(found), abs=0.011)
    assert found[-1].correlation > 0.99


def test_a_delay_that_grows_is_seen_to_grow() -> None:
    sound = np.random.default_rng(2).normal(0, 0.1, 6 * RATE).astype(np.float32)
    hole = np.concatenate([sound[: 3 * RATE], np.zeros(4800, np.float32), sound[3 * RATE :]])[: len(sound)]
    found = delays(recording(sound, 0.0), recording(hole, 0.0))
    assert found[-1].seconds - found[0].seconds == pytest.approx(0.1, abs=0.011)


def test_unrelated_sounds_have_no_delay() -> None:
    rng = np.random.default_rng(3)
    one, other = (recording(rng.normal(0, 0.1, 4 * RATE).astype(np.float32), 0.0) for _ in range(2))
    assert delays(one, other) == []


def test_samples_and_times_convert_both_ways() -> None:
    heard = recording(np.zeros(RATE, np.float32), 10.0)
    assert heard.arrival(0) == pytest.approx(10.01)
    assert heard.arrival(RATE - 1) == pytest.approx(11.0)
    assert heard.at(10.0) == 0
    assert heard.at(10.505) == pytest.approx(RATE / 2, abs=CHUNK)


def test_gaps_are_runs_of_exact_zeros() -> None:
    sound = np.full(RATE, 0.1, np.float32)
    sound[1000:1480] = 0.0
    sound[5000:5010] = 0.0  # shorter than a millisecond
    sound[-960:] = 0.0
    assert silent_gaps(sound) == [(1000, 480), (RATE - 960, 960)]
