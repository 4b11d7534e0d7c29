"""Small generated recordings for the training tests: voices that speak and pause, noise that hisses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray


def voice(seed: int, seconds: float, rate: int) -> NDArray[np.float32]:
    """Syllables of a gliding harmonic tone with pauses between, float32, peak 0.5."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    pitch = rng.uniform(100, 220) * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    sound = sum(np.sin(k * phase) / k for k in range(1, int(rate / 2 / 250)))
    syllables = np.clip(np.sin(2 * np.pi * rng.uniform(1.5, 3) * time + rng.uniform(0, 6)), 0, None)
    return np.asarray(0.5 * sound * syllables / np.abs(sound).max(), np.float32)


def hiss(seed: int, seconds: float, rate: int) -> NDArray[np.float32]:
    """White noise, float32, RMS 0.1."""
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * rate)).astype(np.float32)


def write(path: Path, sound: NDArray[np.float32], rate: int) -> Path:
    """The sound at ``path``, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, sound, rate)
    return path


def make_trees(root: Path) -> tuple[Path, Path]:
    """A folder of speech laid out as LibriSpeech and VCTK are, and one of noise as DEMAND and ESC-50 are."""
    speech, noise = root / "speech", root / "noise"
    for i, name in enumerate(("84/121123/84-121123-0000.flac", "84/121123/84-121123-0001.flac", "174/50561/a.flac")):
        write(speech / "LibriSpeech/dev-clean" / name, voice(i, 2.5, 16_000), 16_000)
    write(speech / "VCTK/wav48/p225/p225_001.wav", voice(9, 2.0, 48_000), 48_000)
    write(noise / "DEMAND/DKITCHEN/ch01.wav", hiss(20, 3.0, 48_000), 48_000)
    write(noise / "ESC-50/audio/1-100032-A-0.wav", hiss(21, 5.0, 44_100), 44_100)
    return speech, noise
