"""Steady noise that recordings rarely hold: coloured hiss, hum, motors and fans, drawn at random."""

from __future__ import annotations

import numpy as np

from ..bands import SPEC
from ..stft import Samples


def machine_noise(rng: np.random.Generator, seconds: float) -> Samples:
    """A noise of its own spectrum, level drift and tones, shape (samples,), float32, RMS 0.05."""
    count = int(seconds * SPEC.sample_rate)
    sound = _hiss(rng, count)
    if rng.random() < 0.5:
        sound = sound * (1.0 + _flutter(rng, count))
    if rng.random() < 0.5:
        tones = _tones(rng, count)
        sound = sound + tones * 10 ** (rng.uniform(-15, 6) / 20)
    if rng.random() < 0.5:
        sound = sound * _drift(rng, count)
    return np.asarray(0.05 * sound / np.sqrt(np.mean(sound**2)), np.float32)


def _curve(rng: np.random.Generator, knots: int, count: int, spread_db: float) -> Samples:
    """A smooth random gain of ``count`` points, standard deviation ``spread_db``."""
    values = rng.normal(0, spread_db, knots)
    return np.asarray(10 ** (np.interp(np.linspace(0, knots - 1, count), np.arange(knots), values) / 20), np.float32)


def _hiss(rng: np.random.Generator, count: int) -> Samples:
    """Gaussian noise: a slope of 0 to -9 dB an octave, bumps and dips on a log frequency axis, perhaps a low-pass."""
    spectrum = np.fft.rfft(rng.standard_normal(count).astype(np.float32))
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / SPEC.sample_rate), 20.0)
    octaves = np.log2(hertz / 20.0)
    bumps = rng.normal(0, rng.uniform(0, 8), 22)
    shape_db = rng.uniform(-9, 1) * octaves + np.interp(octaves, np.linspace(0, 10.3, 22), bumps)
    if rng.random() < 0.3:
        shape_db -= 24 * np.maximum(np.log2(hertz / rng.uniform(800, 10_000)), 0)
    if rng.random() < 0.3:
        shape_db -= 12 * np.maximum(np.log2(rng.uniform(60, 400) / hertz), 0)
    sound = np.fft.irfft(spectrum * 10 ** (shape_db / 20), count)
    return np.asarray(sound / np.sqrt(np.mean(sound**2)), np.float32)


def _flutter(rng: np.random.Generator, count: int) -> Samples:
    """The beat of blades: a depth of up to 0.5 at 3 to 40 Hz."""
    time = np.arange(count) / SPEC.sample_rate
    rate, depth = np.exp(rng.uniform(np.log(3), np.log(40))), rng.uniform(0, 0.5)
    return np.asarray(depth * np.sin(2 * np.pi * rate * time + rng.uniform(0, 2 * np.pi)), np.float32)


def _tones(rng: np.random.Generator, count: int) -> Samples:
    """Harmonics of mains (50 or 60 Hz) or of a motor (25 to 400 Hz) whose speed wanders by up to 3 %."""
    time = np.arange(count) / SPEC.sample_rate
    if rng.random() < 0.4:
        phase = 2 * np.pi * rng.choice([50.0, 60.0]) * time
    else:
        wander = np.interp(time, np.linspace(0, time[-1], 8), rng.normal(0, rng.uniform(0, 0.03), 8))
        phase = 2 * np.pi * np.cumsum(np.exp(rng.uniform(np.log(25), np.log(400))) * (1 + wander)) / SPEC.sample_rate
    sound = np.zeros(count)
    decay = rng.uniform(0.3, 1.5)
    for harmonic in range(1, int(rng.integers(4, 25))):
        if rng.random() < 0.8:
            sound += harmonic**-decay * rng.random() * np.sin(harmonic * phase + rng.uniform(0, 2 * np.pi))
    return np.asarray(sound / np.sqrt(np.mean(sound**2) + 1e-12), np.float32)


def _drift(rng: np.random.Generator, count: int) -> Samples:
    """A slow change of level."""
    return _curve(rng, int(rng.integers(2, 8)), count, rng.uniform(0, 5))
