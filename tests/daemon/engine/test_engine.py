"""The engine on a backend whose samples and clock are faked: what is heard whatever is switched and captured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.support.fake_backend import HEADSET, RATE, WEBCAM, FakeBackend
from tests.support.running_engine import DELAY, HOP, Running, Start, fit, largest_step, tiny, tone
from tests.support.waiting import wait_until

from densenoiser_daemon.engine.fallback_ladder import Rung
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import Fact, State, WarningCode
from densenoiser_models.denoiser import Bypass
from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples


@pytest.mark.parametrize("block", [HOP, 1, 333, 1024, 4801])
def test_blocks_of_any_length_come_out_whole_and_in_order(start: Start, block: int) -> None:
    running = start(settings=Settings(strength_db=0.0))
    running.backend.playback_latency = None
    signal = tone(0.1 if block == 1 else 0.5)
    played = running.say(signal, block)
    assert len(played) == len(signal) // HOP * HOP
    np.testing.assert_allclose(played[DELAY:], signal[: len(played) - DELAY], atol=1e-5)


def test_filtered_speech_has_the_models_gain(start: Start) -> None:
    running = start(gain=0.5)
    running.backend.playback_latency = None
    quiet = tone(0.3, amplitude=1e-4)
    played = running.say(quiet)
    np.testing.assert_allclose(played[4 * HOP :], 0.5 * quiet[4 * HOP - DELAY : -DELAY], atol=2e-6)


def test_off_passes_the_microphone_at_the_same_delay(start: Start) -> None:
    running = start(settings=Settings(enabled=False), gain=0.1)
    running.backend.playback_latency = None
    signal = tone(0.2)
    np.testing.assert_allclose(running.say(signal)[DELAY:], signal[:-DELAY], atol=1e-5)


def test_strength_of_the_microphone_in_use_is_in_force(start: Start) -> None:
    running = start(settings=Settings(strength_db=0.0, microphone_strengths={HEADSET.name: 20.0}), gain=0.0)
    running.backend.playback_latency = None
    signal = tone(0.3)
    played = running.say(signal)
    np.testing.assert_allclose(played[4 * HOP :], 0.1 * signal[4 * HOP - DELAY : -DELAY], atol=1e-5)


HOSTILE = {
    "NaN": np.full(HOP, np.nan),
    "infinity": np.full(HOP, np.inf),
    "minus infinity": np.full(HOP, -np.inf),
    "one NaN": np.where(np.arange(HOP) == 7, np.nan, 0.1),
    "full scale": np.where(np.arange(HOP) % 2, 1.0, -1.0),
    "far beyond full scale": np.where(np.arange(HOP) % 100 < 50, 1e6, -1e6),
    "largest float": np.full(HOP, 3e38),
    "DC": np.ones(HOP),
    "denormal": np.full(HOP, 1e-40),
    "silence": np.zeros(HOP),
}


@pytest.mark.parametrize("block", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_samples_come_out_finite_within_full_scale_and_pass(start: Start, block: Samples) -> None:
    running = start()
    assert fit(running.say(np.tile(block, 5)))
    after = running.say(tone(0.2))
    assert fit(after)
    assert np.abs(after[6 * HOP :]).max() > 1e-3, "speech is heard again"
    assert running.engine.status.state is State.RUNNING


@hypothesis_settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    seed=st.integers(0, 9999),
    scale=st.sampled_from([1e-42, 1e-3, 1.0, 1e3, 1e10, 1e38]),
    sizes=st.lists(st.integers(0, 1500), min_size=1, max_size=6),
    hole=st.sampled_from([np.nan, np.inf, -np.inf, 0.0]),
)
def test_whatever_is_captured_the_output_is_fit_to_be_heard(
    seed: int, scale: float, sizes: list[int], hole: float
) -> None:
    rng = np.random.default_rng(seed)
    backend = FakeBackend()
    with Running(Bypass(FrameSpec()), Settings(), backend) as running, np.errstate(over="ignore"):
        running.await_state(State.RUNNING)
        for size in sizes:
            block = rng.normal(0, 1, size).astype(np.float32) * np.float32(scale)
            block[rng.random(size) < 0.01] = hole
            backend.hear(block)
    assert fit(backend.output)
    assert abs(len(backend.output) - sum(sizes) // HOP * HOP) <= 4 * len(backend.played)


def switched(running: Running, settings: Settings, frames: int = 30) -> tuple[Samples, int]:
    """What is played of a tone while ``settings`` come into force in the middle, and where they did."""
    running.backend.playback_latency = None
    signal = tone(2 * frames * HOP / RATE)
    before = running.say(signal[: frames * HOP])
    running.engine.apply(settings)
    after = running.say(signal[frames * HOP :])
    return np.concatenate([before, after])[4 * HOP :], len(before) - 4 * HOP


@pytest.mark.parametrize("muted", [True, False])
def test_muting_makes_no_click(start: Start, muted: bool) -> None:
    running = start(settings=Settings(muted=not muted))
    played, at = switched(running, Settings(muted=muted))
    silent, loud = (played[at + HOP :], played[:at]) if muted else (played[:at], played[at + HOP :])
    assert not silent.any()
    assert largest_step(played) <= largest_step(loud) + np.abs(loud).max() / HOP


@pytest.mark.parametrize("enabled", [True, False])
def test_switching_the_filter_makes_no_click(start: Start, enabled: bool) -> None:
    running = start(settings=Settings(enabled=not enabled), gain=0.3)
    played, at = switched(running, Settings(enabled=enabled))
    loud = played[:at] if enabled else played[at + 3 * HOP :]
    assert largest_step(played) <= largest_step(loud) * 1.02
    assert np.abs(played[-HOP:]).max() != pytest.approx(np.abs(played[:HOP]).max(), rel=0.2)


def test_a_new_model_fades_in(start: Start, tmp_path: Path) -> None:
    running = start()
    running.backend.playback_latency = None
    signal = tone(0.6)
    before = running.say(signal[: 30 * HOP])
    running.engine.use(Rung(tiny(tmp_path, "other", gain=0.2), "other", "cpu"))
    played = np.concatenate([before, running.say(signal[30 * HOP :])])[4 * HOP :]
    assert running.engine.status.model == "other"
    assert np.abs(played[-5 * HOP :]).max() < 0.3 * np.abs(played[: 5 * HOP]).max()
    assert largest_step(played) <= largest_step(played[: 20 * HOP]) * 1.02


def test_a_new_model_is_taken_while_nobody_listens(start: Start, tmp_path: Path) -> None:
    backend = FakeBackend()
    backend.listeners = ()
    running = start(backend)
    running.await_state(State.IDLE)
    running.engine.use(Rung(tiny(tmp_path, "other"), "other", "cpu"))
    wait_until(lambda: running.engine.status.model == "other", 5, "the other model")


def test_a_model_of_another_spec_is_refused(start: Start, tmp_path: Path) -> None:
    running = start()
    with pytest.raises(ValueError, match="the model short works on frames of"):
        running.engine.use(Rung(Bypass(FrameSpec(hop=240, synthesis_window=480)), "short", "cpu"))
    assert running.engine.status.model == "tiny"


def test_a_model_that_works_ends_the_bypass_of_a_missing_one(start: Start, tmp_path: Path) -> None:
    running = start(denoiser=Bypass(FrameSpec(), fault="no model"))
    running.say(tone(0.1))
    running.engine.use(Rung(tiny(tmp_path), "tiny", "cpu"))
    running.say(tone(0.2))
    assert (running.engine.status.state, running.engine.status.reason) == (State.RUNNING, Fact())


def test_a_microphone_that_was_plugged_in_again_is_opened_again(start: Start) -> None:
    """Its stream may go on without an end and without a sample, as on PipeWire 1.4."""
    backend = FakeBackend()
    start(backend).await_state(State.RUNNING)
    assert backend.starts == 1
    backend.microphones = (replace(HEADSET, index=77), WEBCAM)
    backend.settle()
    assert backend.starts == 2
    assert backend.opened == backend.microphones[0]


def test_a_microphone_that_is_muted_during_a_call_is_told(start: Start) -> None:
    backend = FakeBackend()
    running = start(backend)
    running.await_state(State.RUNNING)
    backend.microphones = (replace(HEADSET, is_muted=True), WEBCAM)
    backend.settle()
    assert [warning.code for warning in running.engine.status.warnings] == [WarningCode.MICROPHONE_MUTED]
    assert backend.starts == 1, "it stays open"
