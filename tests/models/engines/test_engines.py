"""Tests of other people's filters as denoisers: the wrapper on filters made here, and each engine that is installed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.support.delay_filter import Delay

from densenoiser_daemon.measurement.demo import load_recording
from densenoiser_models.denoiser import Denoiser
from densenoiser_models.engines import ENGINES, EngineDenoiser, is_installed, load, open_denoiser
from densenoiser_models.engines import catalogue as catalogue_module
from densenoiser_models.engines.engine_denoiser import measure_latency
from densenoiser_models.errors import ModelError
from densenoiser_models.frame import FrameSpec
from densenoiser_models.signal.lag import whole_lag
from densenoiser_models.stft import Samples

SPEC = FrameSpec()
INSTALLED = [name for name, engine in ENGINES.items() if is_installed(engine)]


def through(denoiser: Denoiser, audio: Samples) -> Samples:
    frames = audio[: len(audio) // SPEC.hop * SPEC.hop].reshape(-1, SPEC.hop)
    return np.concatenate([denoiser.process(frame).copy() for frame in frames])


def noise(frames: int = 40) -> Samples:
    return np.random.default_rng(1).uniform(-0.5, 0.5, frames * SPEC.hop).astype(np.float32)


@pytest.mark.parametrize("delay", [0, 335, 480, 1440])
def test_its_delay_is_measured_and_what_is_left_of_the_input_is_delayed_as_much(delay: int) -> None:
    denoiser = EngineDenoiser(Delay(delay), "half", strength_db=20 * np.log10(4))
    assert denoiser.latency_samples == delay
    audio = noise()
    expected = 0.5 * 0.75 * audio + 0.25 * audio
    np.testing.assert_allclose(through(denoiser, audio)[delay:], expected[: len(audio) - delay], atol=1e-6)


def test_strength_zero_passes_everything_at_the_same_delay() -> None:
    filter = Delay(335)
    denoiser = EngineDenoiser(filter, "half", strength_db=0.0)
    audio = noise()
    np.testing.assert_array_equal(through(denoiser, audio)[335:], audio[: len(audio) - 335])


@pytest.mark.parametrize(("broken", "words"), [("raises", "half failed: no more memory"), ("NaN", "is not finite")])
def test_a_fault_passes_the_input_on_at_the_same_delay_until_it_recovers(broken: str, words: str) -> None:
    filter = Delay(335)
    denoiser = EngineDenoiser(filter, "half")
    filter.broken = broken
    audio = noise()
    np.testing.assert_array_equal(through(denoiser, audio)[335:], audio[: len(audio) - 335])
    assert words in str(denoiser.fault)
    filter.broken = ""
    denoiser.recover()
    assert denoiser.fault is None
    denoiser.reset()
    np.testing.assert_allclose(through(denoiser, audio)[335:], 0.5 * audio[: len(audio) - 335], atol=1e-6)


def test_after_a_reset_nothing_of_the_past_is_heard() -> None:
    denoiser = EngineDenoiser(Delay(1440), "half", strength_db=6.0)
    through(denoiser, noise())
    denoiser.reset()
    assert not through(denoiser, np.zeros(10 * SPEC.hop, np.float32)).any()


def test_a_filter_that_has_not_run_is_not_reset_again() -> None:
    """Some take longer than a frame for that, and a denoiser is reset when it takes over in the middle of a stream."""
    filter = Delay(335)
    denoiser = EngineDenoiser(filter, "half")
    before = filter.resets
    denoiser.reset()
    assert filter.resets == before
    through(denoiser, noise(1))
    denoiser.reset()
    assert filter.resets == before + 1


def test_a_filter_whose_delay_wanders_is_refused() -> None:
    with pytest.raises(ModelError, match="wanders"):
        EngineDenoiser(Delay(100, grows=True), "drifting")


def test_a_package_that_is_missing_is_named_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = replace(ENGINES["webrtc"], package="no-such-package")
    monkeypatch.setattr(catalogue_module, "ENGINES", {"webrtc": engine})
    with pytest.raises(ModelError, match="pip install pywebrtc-audio"):
        load("webrtc")


@pytest.mark.parametrize("name", INSTALLED)
def test_an_engine_takes_noise_away_and_leaves_the_voice_in_its_place(name: str) -> None:
    denoiser = open_denoiser(load(name))
    hiss = 0.05 * np.random.default_rng(0).standard_normal(2 * SPEC.sample_rate).astype(np.float32)
    left = through(denoiser, hiss)[SPEC.sample_rate :]
    assert 20 * np.log10(left.std() / hiss.std()) < -10
    denoiser.reset()
    speech = load_recording()[0]
    voice = speech[: len(speech) // SPEC.hop * SPEC.hop]
    heard = through(denoiser, np.concatenate([voice, np.zeros(10 * SPEC.hop, np.float32)]))
    assert abs(whole_lag(voice, heard, 4800) - denoiser.latency_samples) <= 48
    kept = heard[denoiser.latency_samples :][: len(voice)]
    assert float(kept @ voice) / float(np.linalg.norm(kept) * np.linalg.norm(voice)) > 0.9
    denoiser.reset()
    quiet = through(denoiser, np.zeros(20 * SPEC.hop, np.float32))
    assert np.abs(quiet).max() < 1e-3, "nothing of the voice is heard any more"


@pytest.mark.parametrize("name", INSTALLED)
def test_nothing_is_lost_on_the_way_through_its_process(name: str) -> None:
    """Against the bare filter, called here. Neither has heard anything before."""
    bare = ENGINES[name].start()
    speech, street = load_recording()
    noisy = (speech + street)[: len(speech) // SPEC.hop * SPEC.hop]
    expected = np.concatenate([bare.process(frame).copy() for frame in noisy.reshape(-1, SPEC.hop)])
    np.testing.assert_array_equal(through(open_denoiser(load(name)), noisy), expected)


@pytest.mark.parametrize("name", INSTALLED)
def test_the_known_delay_is_the_measured_one(name: str) -> None:
    assert abs(measure_latency(ENGINES[name].start(), SPEC) - (ENGINES[name].latency_samples or 0)) <= 2
