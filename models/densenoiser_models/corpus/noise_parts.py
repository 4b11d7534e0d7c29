"""The parts that made noises are put together from: hiss, curves, resonances, moments, things that are struck, calls, rooms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

from ..bands import SPEC

RATE = SPEC.sample_rate
Sound = NDArray[np.float64]
Random = np.random.Generator


def hiss(rng: Random, count: int, slope_db: float | None = None) -> Sound:
    """Gaussian noise with a slope (dB an octave from 20 Hz; drawn from -9 to 1 if None) and random bumps; RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    octaves = np.log2(np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0) / 20.0)
    slope = rng.uniform(-9, 1) if slope_db is None else slope_db
    bumps = np.interp(octaves, np.linspace(0, 10.3, 16), rng.normal(0, rng.uniform(0, 9), 16))
    return normal(np.fft.irfft(spectrum * 10 ** ((slope * octaves + bumps) / 20), count))


def log_uniform(rng: Random, low: float, high: float) -> float:
    """A number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def normal(sound: Sound) -> Sound:
    """RMS 1."""
    return np.asarray(sound / (np.sqrt(np.mean(sound**2)) + 1e-9))


def gain(db: float | Sound) -> Sound:
    """Decibels as a factor."""
    return np.asarray(10 ** (np.asarray(db) / 20))


def curve(rng: Random, count: int, knots: int, low: float, high: float) -> Sound:
    """A line through ``knots`` random points between ``low`` and ``high``."""
    return np.asarray(np.interp(np.linspace(0, 1, count), np.linspace(0, 1, knots), rng.uniform(low, high, knots)))


def wander(rng: Random, count: int, knots: int, deviation: float) -> Sound:
    """A line through ``knots`` points of a normal distribution about zero."""
    knots = max(knots, 2)
    return np.asarray(np.interp(np.linspace(0, 1, count), np.linspace(0, 1, knots), rng.normal(0, deviation, knots)))


def add(sound: Sound, at: float, piece: Sound) -> None:
    """Add ``piece`` from sample ``at`` on, as far as it fits."""
    first = int(at)
    length = max(min(len(piece), len(sound) - first), 0)
    sound[first : first + length] += piece[:length]


def band(sound: Sound, low: float, high: float) -> Sound:
    """What lies between two frequencies, Hz."""
    edges = [low, min(max(high, 1.2 * low), 22_000)]
    return np.asarray(sosfilt(butter(2, edges, "band", fs=RATE, output="sos"), sound))


def resonance(sound: Sound, hertz: float, quality: float) -> Sound:
    """Through one resonance."""
    angle = 2 * np.pi * hertz / RATE
    radius = np.exp(-angle / (2 * quality))
    return np.asarray(lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], sound))


def times(rng: Random, count: int, rate: float) -> Sound:
    """Moments, in samples, ``rate`` a second: at random, in rhythm, or in bursts."""
    seconds = count / RATE
    way = rng.random()
    if way < 0.35:
        times = np.cumsum(rng.exponential(1 / rate, int(rate * seconds * 2) + 4))
    elif way < 0.6:
        steady = np.arange(0, seconds, 1 / rate)
        times = steady + rng.normal(0, 0.06 / rate, len(steady))
    else:
        moments, at = [], rng.uniform(0, 0.5)
        while at < seconds:
            for _ in range(int(rng.integers(2, 25))):
                moments.append(at)
                at += rng.gamma(3, 1 / (3 * rate))
            at += rng.exponential(log_uniform(rng, 0.2, 3))
        times = np.asarray(moments)
    return np.asarray(times[(times >= 0) & (times < seconds)] * RATE)


def struck_thing(rng: Random) -> Callable[[], Sound]:
    """Something with modes of its own; the function returned draws one hit of it."""
    modes = int(rng.integers(2, 28))
    lowest, highest = log_uniform(rng, 60, 1500), log_uniform(rng, 2000, 16_000)
    hertz = np.exp(rng.uniform(np.log(lowest), np.log(highest), modes))
    decay = log_uniform(rng, 0.01, 0.9) * (hertz / 1000) ** -rng.uniform(0, 0.9)  # to -60 dB, s
    strength = rng.normal(0, 1, modes) * (hertz / 1000) ** -rng.uniform(-0.3, 1)
    click, click_decay = rng.uniform(0, 1.5), log_uniform(rng, 0.001, 0.04)
    low = log_uniform(rng, 200, 4000)
    high = low * log_uniform(rng, 1.5, 10)
    bounces, gap = rng.random() < 0.4, rng.uniform(0.03, 0.16)
    length = int(min(1.2, max(0.06, decay.max())) * RATE)
    time = np.arange(length) / RATE
    envelopes = np.exp(-6.9 * time / decay[:, None])

    def hit() -> Sound:
        phases = rng.uniform(0, 2 * np.pi, modes)[:, None]
        gains = (strength * np.exp(rng.normal(0, 0.5, modes)))[:, None]
        detuned = (hertz * np.exp(rng.normal(0, 0.01)))[:, None]
        ring = normal((gains * envelopes * np.sin(2 * np.pi * detuned * time + phases)).sum(0))
        ring = ring + click * 3 * band(rng.standard_normal(length), low, high) * np.exp(-time / click_decay)
        ring[:24] *= np.linspace(0, 1, 24)
        if not bounces or rng.random() > 0.8:
            return np.asarray(ring)
        both = np.zeros(length + int(1.2 * gap * RATE) + 1)
        add(both, 0, ring)
        add(both, gap * RATE * rng.uniform(0.8, 1.2), ring * rng.uniform(0.2, 0.8))
        return both

    return hit


def call(
    rng: Random,
    length: int,
    hertz: float,
    tilt: float,
    glide: float,
    hoarse: float,
    formants: list[tuple[float, float, float]],
) -> Sound:
    """One call; ``glide`` in octaves, ``formants`` as centre (Hz), half width (Hz) and gain."""
    time = np.arange(length) / RATE
    pitch = hertz * 2 ** curve(rng, length, int(rng.integers(2, 6)), -glide, glide)
    pitch = pitch * (1 + rng.uniform(0, 0.03) * np.sin(2 * np.pi * rng.uniform(3, 12) * time))
    phase = 2 * np.pi * np.cumsum(pitch * (1 + hoarse * 0.02 * wander(rng, length, length // 200 + 2, 1.0))) / RATE
    source = hoarse * 0.5 * rng.standard_normal(length)
    for harmonic in range(1, int(min(40, 18_000 / pitch.max())) + 1):
        source = source + harmonic**-tilt * np.sin(harmonic * phase + rng.uniform(0, 6))
    voice = 0.3 * source
    for centre, width, gain in formants:
        edges = [max(centre - width, 40), min(centre + width, 22_000)]
        voice = voice + gain * sosfilt(butter(1, edges, "band", fs=RATE, output="sos"), source)
    place, attack, fall = np.linspace(0, 1, length), rng.uniform(0.05, 0.4), rng.uniform(0.1, 0.5)
    return normal(voice) * np.minimum(place / attack, 1) * np.minimum((1 - place) / fall, 1)


def in_room(rng: Random, sound: Sound) -> Sound:
    """Two in three sounds in a room: decaying noise after the direct sound."""
    if rng.random() < 0.35:
        return sound
    length = int(log_uniform(rng, 0.08, 0.9) * RATE)
    response = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    response = lfilter([1], [1, -rng.uniform(0, 0.8)], response)
    response[0] += np.sqrt((response**2).sum()) * log_uniform(rng, 0.1, 3)
    return np.asarray(fftconvolve(sound, response)[: len(sound)])
