"""Makes noises of many kinds, each drawn anew: knocks, water, calls, squeaks, wheels, engines, wind, tones, rustling.

Recordings of what people live with are few; what is made has no end. Each kind is a function of a generator of random
numbers and a count of samples at 48 kHz, and returns as many samples of any level. They are models of how such sounds
arise: modes that ring (Gaver, "What in the world do we hear?", 1993), bubbles (van den Doel, "Physically based models for
liquid sounds", 2005), a source with formants, stick and slip, blades, cylinders.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..stft import Samples
from .noise_parts import (
    RATE,
    Random,
    Sound,
    add,
    band,
    call,
    curve,
    gain,
    hiss,
    in_room,
    log_uniform,
    normal,
    resonance,
    struck_thing,
    times,
    wander,
)  # fmt: skip


def made_noise(rng: Random, seconds: float) -> tuple[str, Samples]:
    """A noise and the name of its kind; shape (samples,), float32, peak 0.7.

    Most are heard in a room, a third are two kinds at once, and half have a hiss under them.
    """
    count = int(seconds * RATE)
    names = list(KINDS)
    kind = names[int(rng.integers(len(names)))]
    sound = normal(in_room(rng, KINDS[kind](rng, count)))
    if rng.random() < 0.35:
        other = KINDS[names[int(rng.integers(len(names)))]](rng, count)
        sound = sound + normal(in_room(rng, other)) * gain(rng.uniform(-12, 3))
    if rng.random() < 0.5:
        sound = sound + hiss(rng, count) * gain(rng.uniform(-30, -6))
    return kind, np.asarray(0.7 * sound / (np.abs(sound).max() + 1e-9), np.float32)


def impacts(rng: Random, count: int) -> Sound:
    """Keys, doors, dishes, steps: one to five struck things, hit in bursts, in rhythm or at random."""
    sound = np.zeros(count)
    things = [struck_thing(rng) for _ in range(int(rng.integers(1, 6)))]
    spread = rng.uniform(0.1, 0.9)
    for at in times(rng, count, log_uniform(rng, 0.7, 14)):
        add(sound, at, things[int(rng.integers(len(things)))]() * np.exp(rng.normal(0, spread)))
    return sound


def water(rng: Random, count: int) -> Sound:
    """Dripping, pouring, rain: bubbles whose pitch rises as they shrink, over a rush."""
    bubbles = np.zeros(count)
    middle, spread = log_uniform(rng, 500, 5000), rng.uniform(0.2, 0.9)
    for at in rng.uniform(0, count, int(log_uniform(rng, 8, 700) * count / RATE)):
        hertz, decay = middle * np.exp(rng.normal(0, spread)), log_uniform(rng, 0.003, 0.05)
        time = np.arange(int(min(6 * decay, 0.2) * RATE)) / RATE
        phase = 2 * np.pi * hertz * (time + 0.05 * rng.uniform(0, 1.2) / decay * time**2)
        add(
            bubbles,
            at,
            np.sin(phase) * np.exp(-time / decay) * np.minimum(time / 0.001, 1) * np.exp(rng.normal(0, 0.8)),
        )
    rush = hiss(rng, count, rng.uniform(-4, 2)) * (1 + 0.5 * wander(rng, count, 600, rng.uniform(0, 0.6)))
    return normal(bubbles) * rng.uniform(0.2, 1.5) + rush * rng.uniform(0, 1.5)


def calls(rng: Random, count: int) -> Sound:
    """Birds, dogs, cats: a harmonic source that glides, hoarse or clear, through a few formants."""
    sound = np.zeros(count)
    is_bird = rng.random() < 0.4
    hertz = log_uniform(rng, 1500, 7000) if is_bird else log_uniform(rng, 90, 1200)
    tilt = rng.uniform(1.5, 4) if is_bird else rng.uniform(0.4, 1.6)
    seconds, glide, hoarse = log_uniform(rng, 0.05, 1.2), rng.uniform(0.02, 0.8), rng.uniform(0, 1) ** 2
    formants = [
        (log_uniform(rng, 400, 4000), log_uniform(rng, 100, 700), rng.uniform(0.5, 2))
        for _ in range(int(rng.integers(0, 4)))
    ]
    for at in times(rng, count, log_uniform(rng, 0.3, 5)):
        length = int(min(seconds * np.exp(rng.normal(0, 0.2)), 2) * RATE)
        piece = call(rng, length, hertz * np.exp(rng.normal(0, 0.06)), tilt, glide, hoarse, formants)
        add(sound, at, piece * np.exp(rng.normal(0, 0.4)))
    return sound


def friction(rng: Random, count: int) -> Sound:
    """Chairs, zips, brushing: stick and slip at a rate that wanders, through resonances, stroke by stroke."""
    rate = curve(rng, count, int(rng.integers(4, 30)), 0, 1) * log_uniform(rng, 60, 1500) + log_uniform(rng, 20, 200)
    phase = np.cumsum(rate * (1 + rng.uniform(0, 0.4) * wander(rng, count, count // 300, 1.0))) / RATE
    slips = (np.diff(np.floor(phase), prepend=0) > 0) * (1 + 0.4 * rng.standard_normal(count))
    for _ in range(int(rng.integers(1, 4))):
        slips = slips + 0.2 * normal(resonance(slips, log_uniform(rng, 200, 7000), log_uniform(rng, 4, 60)))
    if rng.random() < 0.7:
        beat = np.sin(2 * np.pi * rng.uniform(0.3, 4) * np.arange(count) / RATE + rng.uniform(0, 6))
        stroke = np.clip(beat + rng.uniform(-0.8, 1), 0, None)
    else:
        stroke = np.clip(curve(rng, count, int(rng.integers(6, 40)), -1, 1), 0, None)
    rub = hiss(rng, count) * (stroke + rng.uniform(0, 0.5))
    return normal(slips * stroke) + rng.uniform(0, 0.5) * rub


def wheels(rng: Random, count: int) -> Sound:
    """Fans, trolleys, trains: a noise that beats as something turns, with a knock or a few at every turn."""
    turns = rng.uniform(0.5, 30) * (1 + curve(rng, count, 8, -0.3, 0.3) * rng.random())
    phase = np.cumsum(turns) / RATE
    beat = (0.5 + 0.5 * np.sin(2 * np.pi * phase)) ** log_uniform(rng, 0.5, 8)
    sound = hiss(rng, count) * (rng.uniform(0, 1) + beat)
    if rng.random() < 0.6:
        knocks, thing = np.zeros(count), struck_thing(rng)
        hits = [thing()[: RATE // 6] for _ in range(6)]
        turned = np.flatnonzero(np.diff(np.floor(phase * int(rng.integers(1, 4))), prepend=0) > 0)
        for i, at in enumerate(turned[:900]):
            add(knocks, at, hits[i % 6] * np.exp(rng.normal(0, 0.3)))
        sound = sound * rng.uniform(0, 1) + normal(knocks) * rng.uniform(0.2, 2)
    return sound + band(rng.standard_normal(count), 2000, 9000) * beat * rng.uniform(0, 1)


def engines(rng: Random, count: int) -> Sound:
    """Motors and engines that speed up and slow down: harmonics that tremble, and a noise in their beat."""
    hertz: Sound = log_uniform(rng, 12, 220) * 2 ** curve(
        rng, count, int(rng.integers(2, 10)), -rng.uniform(0, 1), rng.uniform(0, 1)
    )
    phase = np.cumsum(hertz * (1 + 0.03 * rng.random() * wander(rng, count, count // 400, 1.0))) / RATE
    tones, tilt = np.zeros(count), rng.uniform(0.3, 1.6)
    for harmonic in range(1, int(rng.integers(6, 40))):
        half = 1.0 if rng.random() < 0.8 else 0.5
        tones += harmonic**-tilt * rng.random() * np.sin(2 * np.pi * harmonic * half * phase + rng.uniform(0, 6))
    beat = 0.5 + np.abs(np.sin(np.pi * phase)) ** log_uniform(rng, 0.5, 6)
    return normal(tones) * rng.uniform(0.1, 1) + hiss(rng, count) * beat * rng.uniform(0.1, 1)


def appliances(rng: Random, count: int) -> Sound:
    """Vacuum cleaners, hair dryers, washing machines: a fast motor, its air, and a drum that turns over now and then."""
    hertz = log_uniform(rng, 80, 450) * (1 + 0.02 * wander(rng, count, 12, 1.0))
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    tilt = rng.uniform(0.2, 1.2)
    tones = sum(
        harmonic**-tilt * rng.random() * np.sin(harmonic * phase + rng.uniform(0, 6)) for harmonic in range(1, 24)
    )
    sound = hiss(rng, count, rng.uniform(-5, 0)) + normal(np.asarray(tones)) * gain(rng.uniform(-20, 3))
    if rng.random() < 0.4:
        drum = np.sin(2 * np.pi * rng.uniform(0.3, 1.5) * np.arange(count) / RATE + rng.uniform(0, 6))
        sound = sound * (1 + rng.uniform(0.1, 0.6) * drum)
        sound = sound + normal(impacts(rng, count)) * gain(rng.uniform(-20, -6))
    return sound * gain(curve(rng, count, int(rng.integers(2, 8)), -4, 4))


def rides(rng: Random, count: int) -> Sound:
    """Inside a car, a bus or a train: a rumble, the engine under it, air along the windows, bumps of the road."""
    sound = hiss(rng, count, rng.uniform(-12, -7)) * gain(curve(rng, count, int(rng.integers(3, 12)), -5, 5))
    sound = sound + normal(engines(rng, count)) * gain(rng.uniform(-25, -5))
    sound = sound + wind(rng, count) * gain(rng.uniform(-30, -8))
    bumps = np.zeros(count)
    for at in times(rng, count, log_uniform(rng, 0.2, 4)):
        length = int(log_uniform(rng, 0.05, 0.4) * RATE)
        add(bumps, at, hiss(rng, max(length, 2048), -9)[:length] * np.linspace(1, 0, length) ** 2)
    return sound + bumps * gain(rng.uniform(-15, 3))


def wind(rng: Random, count: int) -> Sound:
    """Wind at a microphone: a deep noise in gusts."""
    return hiss(rng, count, rng.uniform(-9, -3)) * gain(
        wander(rng, count, int(rng.integers(6, 60)), rng.uniform(2, 10))
    )


def crackle(rng: Random, count: int) -> Sound:
    """Fire, paper, a bad contact: sparse clicks of all sizes."""
    clicks = (rng.random(count) < log_uniform(rng, 4, 900) / RATE) * rng.standard_normal(count)
    clicks = clicks * np.exp(rng.normal(0, rng.uniform(0.3, 1.6), count))
    clicks = band(clicks, log_uniform(rng, 100, 2500), log_uniform(rng, 4000, 20_000))
    density = np.clip(curve(rng, count, int(rng.integers(4, 80)), -rng.random(), 1), 0.02, None)
    return normal(clicks * density) + rng.uniform(0, 0.3) * hiss(rng, count)


def tones(rng: Random, count: int) -> Sound:
    """Ring tones, alarms, reversing lorries: a few pitches, on and off."""
    sound = np.zeros(count)
    pitches = [log_uniform(rng, 250, 4500) for _ in range(int(rng.integers(1, 6)))]
    on, off = log_uniform(rng, 0.04, 0.9), log_uniform(rng, 0.03, 1.5)
    is_pure, rings, group, rest = rng.random() < 0.5, rng.random() < 0.7, int(rng.integers(1, 9)), rng.uniform(0, 2)
    time = np.arange(int(on * RATE)) / RATE
    edge = np.minimum(np.minimum(time / 0.004, 1), np.minimum((on - time) / 0.01, 1))
    at, number = rng.uniform(0, 0.5), 0
    while at * RATE < count:
        glide = rng.uniform(-0.5, 0.5) if rng.random() < 0.15 else 0.0
        hertz = pitches[number % len(pitches)] * 2 ** (glide * time / on)
        wave = np.sin(2 * np.pi * np.cumsum(hertz) / RATE)
        if not is_pure:
            wave = np.tanh(4 * wave)
        add(sound, at * RATE, wave * edge * (np.exp(-time / log_uniform(rng, 0.05, 2)) if rings else 1))
        at, number = at + on + off, number + 1
        if number % group == 0:
            at += rest
    return sound


def music(rng: Random, count: int) -> Sound:
    """Notes of a scale in chords, plucked or bowed, perhaps with a drum."""
    sound, seconds = np.zeros(count), count / RATE
    root, scale = log_uniform(rng, 55, 330), np.cumsum(rng.choice([1, 2, 2, 3], 14))
    beats, decay, tilt = rng.uniform(1, 5), log_uniform(rng, 0.08, 2.5), rng.uniform(0.7, 2.5)
    time = np.arange(int(min(4 * decay, 2.5) * RATE)) / RATE
    for at in np.arange(0, seconds, 1 / beats):
        if rng.random() < 0.2:
            continue
        for _ in range(int(rng.integers(1, 4))):
            hertz = root * 2 ** (scale[int(rng.integers(14))] / 12) * rng.choice([1, 1, 2])
            note = sum(
                h**-tilt * np.sin(2 * np.pi * hertz * h * (1 + 1e-4 * h * h) * time)
                for h in range(1, 9)
                if hertz * h < 16_000
            )
            attack = np.minimum(time / log_uniform(rng, 0.002, 0.06), 1)
            add(sound, at * RATE, note * np.exp(-time / decay) * attack * np.exp(rng.normal(0, 0.4)))
        if rng.random() < 0.5:
            drum = np.exp(-np.arange(int(0.12 * RATE)) / (0.02 * RATE))
            add(sound, at * RATE, band(rng.standard_normal(len(drum)), 3000, 12_000) * drum * rng.uniform(0, 2))
    return sound


def rustling(rng: Random, count: int) -> Sound:
    """Clothes, bags, leaves: swells of noise that tremble."""
    sound = np.zeros(count)
    for at in times(rng, count, log_uniform(rng, 0.3, 6)):
        length = int(log_uniform(rng, 0.05, 1.5) * RATE)
        place = np.linspace(0, 1, length)
        swell = np.minimum(place / rng.uniform(0.02, 0.6), 1) * np.minimum((1 - place) / rng.uniform(0.05, 0.6), 1)
        piece = hiss(rng, max(length, 2048), rng.uniform(-3, 3))[:length] * swell
        piece = piece * (1 + 0.7 * wander(rng, length, 40, 1.0))
        low, high = log_uniform(rng, 60, 3000), log_uniform(rng, 3500, 20_000)
        add(sound, at, band(piece, low, high) * np.exp(rng.normal(0, 0.5)))
    return sound


KINDS: dict[str, Callable[[Random, int], Sound]] = {
    kind.__name__: kind
    for kind in (
        impacts, water, calls, friction, wheels, engines, appliances, rides, wind, crackle, tones, music, rustling
    )
}  # fmt: skip
