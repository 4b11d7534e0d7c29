"""Which channel of a microphone is taken: the one that carries the voice, whatever is louder."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from densenoiser_daemon.audio.channel_choice import LOW_RATE, ChannelChoice, at_low_rate
from densenoiser_daemon.audio.loopback_watch import LoopbackWatch
from densenoiser_daemon.measurement.demo import load_recording

RATE, HOP = 48_000, 480
Signal = npt.NDArray[np.float32]


def at_level(signal: npt.NDArray[Any], dbfs: float) -> Signal:
    """``signal`` with this RMS, dBFS, over what is not silent."""
    loud = signal[np.abs(signal) > 1e-3]
    return np.asarray(signal * 10 ** (dbfs / 20) / np.sqrt(np.mean(loud**2)), np.float32)


@pytest.fixture(scope="module")
def voice() -> Signal:
    speech, _noise = load_recording()
    hiss = 1e-4 * np.random.default_rng(1).standard_normal(len(speech))
    return at_level(speech, -35.0) + hiss.astype(np.float32)


@pytest.fixture(scope="module")
def hum(voice: Signal) -> Signal:
    times = np.arange(len(voice)) / RATE
    return at_level(np.sum([np.sin(2 * np.pi * 50 * k * times) / k for k in range(1, 20)], axis=0), -20.0)


@pytest.fixture(scope="module")
def bursts(voice: Signal) -> Signal:
    """Loud noise, on and off three times a second."""
    noise = np.random.default_rng(2).standard_normal(len(voice))
    return at_level(noise * (np.sin(2 * np.pi * 3 * np.arange(len(voice)) / RATE) > 0.5), -20.0)


def run(choice: ChannelChoice, *channels: Signal, played: Signal | None = None) -> Signal:
    """What comes out for these channels; ``played`` is what the computer plays meanwhile."""
    watch = LoopbackWatch(len(channels))
    samples = np.stack(channels, axis=1)
    out = []
    for start in range(0, len(samples) - HOP + 1, HOP):
        block = samples[start : start + HOP]
        if played is not None:
            watch.play("speakers", at_low_rate(played[start : start + HOP, None], RATE // LOW_RATE))
        for frame in choice.listen(block):
            watch.hear(frame)
            watch.check()
            choice.barred = watch.loopbacks
        out.append(choice.process(block).copy())
    return np.concatenate(out)


def test_a_quiet_voice_beside_loud_hum_is_taken(voice: Signal, hum: Signal) -> None:
    choice = ChannelChoice(RATE, 2)
    heard = run(choice, hum, voice)
    assert choice.taken == 1
    half = len(heard) // 2
    np.testing.assert_array_equal(heard[half:], voice[half : len(heard)])


def test_a_voice_that_was_found_is_kept_beside_hum(voice: Signal, hum: Signal) -> None:
    choice = ChannelChoice(RATE, 2)
    np.testing.assert_array_equal(run(choice, voice, hum), voice[: len(voice) // HOP * HOP])


def test_loud_bursts_of_noise_are_no_voice(voice: Signal, bursts: Signal) -> None:
    choice = ChannelChoice(RATE, 2)
    run(choice, bursts, voice)
    assert choice.taken == 1


@pytest.mark.parametrize("place", [1, 3, 9])
def test_the_only_channel_with_sound_is_taken_at_once_and_at_its_own_level(voice: Signal, place: int) -> None:
    channels = [np.zeros_like(voice)] * 10
    channels[place] = voice
    choice = ChannelChoice(RATE, 10)
    heard = run(choice, *channels)
    np.testing.assert_array_equal(heard[RATE // 2 :], voice[RATE // 2 : len(heard)])


def test_channels_that_cancel_are_not_summed(voice: Signal) -> None:
    heard = run(ChannelChoice(RATE, 2), voice, -voice)
    np.testing.assert_array_equal(np.abs(heard), np.abs(voice[: len(heard)]))


def test_a_channel_that_repeats_what_is_played_is_not_taken(voice: Signal) -> None:
    """It comes 100 ms later, and somebody speaks on it, only not at this microphone."""
    played = at_level(np.roll(voice, 7 * RATE), -20.0)
    choice = ChannelChoice(RATE, 2)
    run(choice, 0.5 * np.roll(played, RATE // 10), voice, played=played)
    assert choice.taken == 1
    assert choice.barred == {0}


def test_a_loudspeaker_in_the_room_is_no_loopback(voice: Signal) -> None:
    played = at_level(np.roll(voice, 7 * RATE), -20.0)
    random = np.random.default_rng(3)
    room = np.exp(-np.arange(9600) / 2400) * random.standard_normal(9600)
    room[0] = 20.0
    echo = np.convolve(played, room)[: len(played)].astype(np.float32) * 0.01
    choice = ChannelChoice(RATE, 2)
    run(choice, voice + echo, at_level(random.standard_normal(len(voice)), -70.0), played=played)
    assert choice.taken == 0
    assert not choice.barred


def test_a_change_makes_no_click(voice: Signal) -> None:
    """Two tones in step: the difference of neighbours stays within what one of them has, and the fade adds."""
    times = np.arange(RATE) / RATE
    tone = (0.1 * np.sin(2 * np.pi * 200 * times)).astype(np.float32)
    choice = ChannelChoice(RATE, 2)
    first = run(choice, tone, -tone)
    choice._take(1)
    second = run(choice, tone, -tone)
    steps = np.abs(np.diff(np.concatenate([first, second])))
    assert steps.max() < 2 * 0.1 * 2 * np.pi * 200 / RATE
    np.testing.assert_array_equal(second[HOP:], -tone[HOP:])


def test_a_chosen_channel_stays(voice: Signal, hum: Signal) -> None:
    heard = run(ChannelChoice(RATE, 2, taken=0, is_fixed=True), hum, voice)
    np.testing.assert_array_equal(heard, hum[: len(heard)])


def test_blocks_of_any_length_and_broken_samples(voice: Signal) -> None:
    choice = ChannelChoice(RATE, 3)
    samples = np.stack([voice, voice, voice], axis=1)
    samples[100] = np.nan
    samples[200] = np.inf
    start = 0
    for length in (1, 479, 480, 481, 5000, 3):
        list(choice.listen(samples[start : start + length]))
        assert choice.process(samples[start : start + length]).shape == (length,)
        start += length
    assert choice.taken == 0
