"""The measuring instruments, on signals whose delay is known."""

from __future__ import annotations

import numpy as np
import pytest

from densenoiser_daemon.measurement.demo import load_recording
from densenoiser_daemon.measurement.recorder import RATE, Recording
from densenoiser_daemon.measurement.signal_match import (
    breaks,
    delays,
    delivered,
    first_sound,
    following,
    retime,
    silent_gaps,
)
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


def test_a_queue_that_is_being_shortened_does_not_look_like_noise() -> None:
    speech, _ = load_recording()
    stretched = np.interp(np.arange(len(speech)) * 1.003, np.arange(len(speech)), speech).astype(np.float32)
    early = slice(2 * RATE, 5 * RATE)  # 6 to 15 ms by now
    moved = retime(stretched[early], speech[early])
    rest = moved - speech[early]
    unmoved = stretched[early] - speech[early]
    assert float(rest @ rest) < 0.05 * float(speech[early] @ speech[early]) < float(unmoved @ unmoved)


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


def noisy_speech() -> Samples:
    """What the soak plays, shape (samples,)."""
    speech, noise = load_recording()
    return 2 * speech + noise


def test_a_recording_of_the_known_signal_has_no_breaks_wherever_it_begins_and_over_the_seam() -> None:
    sound = noisy_speech()
    heard = np.float32(0.3) * np.tile(sound, 2)[RATE // 3 :]
    assert breaks(heard, sound) == []


@pytest.mark.parametrize(("lost", "jump"), [(480, 480), (1920, 1920), (-480, -480)])
def test_a_loss_and_an_insertion_are_breaks_of_their_length(lost: int, jump: int) -> None:
    sound = noisy_speech()
    place = 4 * RATE
    if lost > 0:
        heard = np.concatenate([sound[:place], sound[place + lost :]])
    else:
        heard = np.concatenate([sound[:place], np.zeros(-lost, np.float32), sound[place:]])
    found = breaks(heard, sound)
    assert [length for _start, length in found] == pytest.approx([jump], abs=2)
    assert found[0][0] == pytest.approx(place, abs=RATE / 2)


def test_a_correction_of_the_clocks_is_no_break() -> None:
    sound = noisy_speech()
    # One sample of every other frame: half of what the drift controller does to loud sound.
    heard = np.delete(sound, np.arange(960, len(sound), 960))
    assert breaks(heard, sound) == []


def test_the_first_sound_counts_from_the_first_data() -> None:
    samples = np.zeros(RATE, np.float32)
    samples[2400:] = 0.1
    assert first_sound(recording(samples, 5.0)) == pytest.approx(0.05, abs=0.011)


def test_what_a_server_kept_of_the_application_before_is_not_the_first_sound() -> None:
    samples = np.zeros(RATE, np.float32)
    samples[:256] = 0.1
    samples[4800:] = 0.1
    assert first_sound(recording(samples, 5.0)) == pytest.approx(0.1, abs=0.011)


def test_sound_that_lasts_from_the_beginning_is_the_first_sound() -> None:
    assert first_sound(recording(np.full(RATE, 0.1, np.float32), 5.0)) == 0.0


def test_silence_has_no_first_sound() -> None:
    assert first_sound(recording(np.zeros(RATE, np.float32), 5.0)) == float("inf")


def test_what_follows_a_cause_is_told_from_what_does_not() -> None:
    assert following([1.0, 2.1, 5.0], [2.0, 4.95, 9.0], 0.15) == 2
    assert following([1.0], [], 0.15) == 0


def test_places_in_a_part_of_a_recording_convert_to_moments() -> None:
    heard = recording(np.zeros(RATE, np.float32), 10.0)
    assert len(heard.since(10.5)) == pytest.approx(RATE / 2, abs=CHUNK)
    assert heard.moments([(4800, 100)], 10.5) == pytest.approx([10.6], abs=0.021)


def test_a_dropout_is_told_from_delivered_speech() -> None:
    speech = np.random.default_rng(3).normal(0, 0.1, 2 * RATE).astype(np.float32)
    heard = 0.5 * speech + np.random.default_rng(4).normal(0, 0.02, 2 * RATE).astype(np.float32)
    heard[RATE // 2 : RATE] = 0.0
    mask = delivered(heard, speech)
    assert not mask[RATE // 2 : RATE].any()
    assert mask[: RATE // 2].all()
    assert mask[RATE:].all()
