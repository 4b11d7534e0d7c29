"""Networks between transforms at 48 kHz: nothing is lost on the way, nothing leaks above their band, and Hush is itself."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soxr

from densenoiser_daemon.measurement.demo import load_recording
from densenoiser_models.engines import ENGINES, is_installed
from densenoiser_models.engines.package_file import package_file
from densenoiser_models.engines.spectral_filter import SpectralFilter
from densenoiser_models.stft import Samples, Spectrum

HOP = 480


class Gain:
    """A network that is no more than a gain."""

    def __init__(self, bins: int, gain: float) -> None:
        self.bins = bins
        self.gain = np.float32(gain)

    def process(self, spectrum: Spectrum) -> Spectrum:
        assert spectrum.shape == (self.bins,)
        return self.gain * spectrum

    def reset(self) -> None:
        pass


def through(filter: SpectralFilter, audio: Samples) -> Samples:
    return np.concatenate([filter.process(frame).copy() for frame in audio.reshape(-1, HOP)])


def noise(frames: int = 50) -> Samples:
    return np.random.default_rng(1).uniform(-0.5, 0.5, frames * HOP).astype(np.float32)


@pytest.mark.parametrize("bins", [161, 481])
@pytest.mark.parametrize("gain", [1.0, 0.25, 0.0])
def test_a_gain_is_the_gain_of_the_whole_band_ten_milliseconds_later(bins: int, gain: float) -> None:
    audio = noise()
    heard = through(SpectralFilter(Gain(bins, gain)), audio)
    np.testing.assert_allclose(heard[HOP:], gain * audio[:-HOP], atol=2e-6)


def test_above_its_band_nothing_gets_louder() -> None:
    audio = noise()
    above = np.abs(np.fft.rfft(through(SpectralFilter(Gain(161, 3.0)), audio)[HOP:]))
    before = np.abs(np.fft.rfft(audio[:-HOP]))
    top = slice(len(above) // 2, None)  # 12 kHz and up
    assert np.linalg.norm(above[top]) == pytest.approx(np.linalg.norm(before[top]), rel=0.02)


def test_a_network_of_16_khz_sees_the_spectrum_that_it_would_see_at_16_khz() -> None:
    seen: list[Spectrum] = []

    class Look(Gain):
        def process(self, spectrum: Spectrum) -> Spectrum:
            seen.append(spectrum.copy())
            return spectrum

    times = np.arange(50 * HOP) / 48_000
    audio = (0.5 * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)
    through(SpectralFilter(Look(161, 1.0)), audio)
    window = np.sin(0.5 * np.pi * np.sin(np.pi * (np.arange(320) + 0.5) / 320) ** 2)
    expected = np.abs(np.fft.rfft(0.5 * np.sin(2 * np.pi * 1000 * np.arange(320) / 16_000) * window))
    np.testing.assert_allclose(np.abs(seen[20]), expected, atol=0.02 * expected.max())


@pytest.mark.skipif(not is_installed(ENGINES["hush"]), reason="livekit-plugins-hush is not installed")
def test_hush_is_what_its_package_makes_of_the_same_sound_at_16_khz(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's own code, which resamples what it gets to 16 kHz. It cannot be imported by name without LiveKit."""
    stand_in = ModuleType("hush_package")
    stand_in.__path__ = [str(package_file("livekit-plugins-hush", "_hush_model.py").parent)]
    monkeypatch.setitem(sys.modules, "hush_package", stand_in)
    package: Any = importlib.import_module("hush_package._hush_model")
    speech, noise = load_recording()
    audio = (speech + noise)[: len(speech) // HOP * HOP].astype(np.float32)
    at_16 = np.asarray(soxr.resample(audio, 48_000, 16_000, "VHQ"), np.float32)
    session = package.HushSession(package.HushModel())
    theirs = np.concatenate([session.process_frame(frame) for frame in at_16.reshape(-1, 160)])
    heard = through(ENGINES["hush"].start(), audio)  # type: ignore[arg-type]
    ours = soxr.resample(heard, 48_000, 16_000, "VHQ")
    likeness = float(ours @ theirs) / float(np.linalg.norm(ours) * np.linalg.norm(theirs))
    assert -10 * np.log10(1 - likeness**2) > 30
    assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(theirs), rel=0.01)
