"""The evaluation's own metrics on signals whose answer is known, and the packages' on the ends of their scales."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from densenoiser_models.evaluation import metrics
from densenoiser_models.evaluation.metrics import (
    available,
    complaints,
    dnsmos,
    high_band,
    intrusive,
    is_full_band,
    musical_noise,
    onset_loss_db,
    safety,
)
from densenoiser_models.signal.level import level_db
from densenoiser_models.signal.si_sdr import si_sdr
from densenoiser_models.signal.speech_activity import RATE, STEP, SpeechActivity
from densenoiser_models.stft import Samples

GAIN_6_DB = 10 ** (-6 / 20)


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> Samples:
    samples = level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return np.asarray(samples, np.float32)


def words(count: int = 6, seed: int = 0) -> Samples:
    """Half-second voiced words with half-second silences before each, the first at 0.5 s; harmonics of a gliding pitch."""
    rng = np.random.default_rng(seed)
    length = RATE // 2
    parts = []
    for _ in range(count):
        pitch = np.linspace(rng.uniform(100, 160), rng.uniform(100, 160), length)
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        voice = sum(np.sin(k * phase + rng.uniform(0, 6)) / k for k in range(1, 25))
        envelope = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.01 * RATE))
        parts += [np.zeros(length), 0.1 * voice * envelope]
    return np.asarray(np.concatenate(parts), np.float32)


def test_activity_finds_words_pauses_and_onsets() -> None:
    activity = SpeechActivity.of(words(4))
    np.testing.assert_allclose(activity.onsets, [RATE // 2 * (2 * i + 1) for i in range(4)], atol=2 * STEP)
    assert activity.active.mean() == pytest.approx(0.5, abs=0.05)
    assert not (activity.active & activity.pauses).any()
    assert activity.pauses.mean() > 0.3
    assert not activity.pauses[RATE // 2 : RATE].any()


def test_hiss_in_the_recording_is_no_pause() -> None:
    speech = words(4)
    hissing = speech + noise(4, level=float(np.std(speech)) * 10 ** (-24 / 20))
    assert not SpeechActivity.of(hissing).pauses.any()


@pytest.mark.parametrize("samples", [0, 1, STEP, 3 * STEP])
def test_activity_of_nearly_nothing(samples: int) -> None:
    activity = SpeechActivity.of(np.zeros(samples, np.float32))
    assert len(activity.active) == len(activity.pauses) == samples
    assert not activity.active.any()
    assert not len(activity.onsets)


def test_level_is_mean_power() -> None:
    assert level_db(np.full(100, 0.1, np.float32)) == pytest.approx(-20.0, abs=1e-4)
    assert level_db(np.zeros(100, np.float32)) == -200.0
    assert level_db(np.zeros(0, np.float32)) == -200.0


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 30.0])
def test_si_sdr_of_orthogonal_noise_is_the_snr_at_any_scale(snr_db: float) -> None:
    time = np.arange(RATE) / RATE
    reference = np.sin(2 * np.pi * 100 * time).astype(np.float32)
    disturbance = np.sin(2 * np.pi * 300 * time).astype(np.float32) * np.float32(10 ** (-snr_db / 20))
    for scale in (0.01, 1.0, -3.0):
        assert si_sdr(reference, np.float32(scale) * (reference + disturbance)) == pytest.approx(snr_db, abs=0.01)


def test_onset_loss_sees_a_gate_that_opens_late() -> None:
    clean = words()
    activity = SpeechActivity.of(clean)
    assert onset_loss_db(clean, clean, activity) == pytest.approx(0.0, abs=1e-6)
    ducked = clean.copy()
    for onset in activity.onsets:
        ducked[onset : onset + round(0.05 * RATE)] *= np.float32(GAIN_6_DB)
    assert onset_loss_db(clean, ducked, activity) == pytest.approx(6.0, abs=0.01)
    gated = clean.copy()
    for onset in activity.onsets:
        gated[onset : onset + round(0.05 * RATE)] = 0.0
    assert onset_loss_db(clean, gated, activity) == pytest.approx(60.0)
    assert math.isnan(onset_loss_db(clean[:0], clean[:0], SpeechActivity.of(clean[:0])))


def test_onset_loss_is_not_hidden_by_noise_left_over() -> None:
    clean = words(12)
    ducked = clean * np.float32(GAIN_6_DB) + noise(12, level=0.01)
    assert onset_loss_db(clean, ducked, SpeechActivity.of(clean)) == pytest.approx(6.0, abs=0.5)


def test_musical_noise_is_zero_for_a_level_change_and_high_for_isolated_peaks() -> None:
    clean = words(12)
    noisy = clean + noise(12, level=0.02)
    activity = SpeechActivity.of(clean)
    assert musical_noise(noisy, noisy * np.float32(0.1), activity) == pytest.approx(0.0, abs=1e-3)
    rng = np.random.default_rng(3)
    frames = noisy[: len(noisy) // 1024 * 1024].reshape(-1, 1024)
    spectrum = np.fft.rfft(frames, axis=1) * (rng.random((len(frames), 513)) < 0.05)
    twinkling = np.zeros_like(noisy)
    twinkling[: frames.size] = np.fft.irfft(spectrum, axis=1).ravel()
    assert musical_noise(noisy, twinkling, activity) > 1.0


def test_complaints_give_the_pause_residual_in_db() -> None:
    clean = words()
    noisy = clean + noise(6, level=0.02)
    scores = complaints(clean, noisy, clean + noise(6, level=0.02) * np.float32(0.1))
    assert scores["pause residual dB"] == pytest.approx(-20.0, abs=0.1)
    assert math.isnan(complaints(noise(3), noise(3), noise(3))["pause residual dB"])


def test_full_band_is_what_reaches_above_8_khz() -> None:
    low, wide = words(), words() + noise(6, level=0.01)
    assert not is_full_band(low)
    assert is_full_band(wide)
    assert not is_full_band(low[:0])
    tone = np.sin(2 * np.pi * np.arange(RATE) * 12_000 / RATE).astype(np.float32)
    np.testing.assert_allclose(high_band(tone), tone, atol=1e-3)
    assert level_db(high_band(np.sin(2 * np.pi * np.arange(RATE) * 1000 / RATE).astype(np.float32))) < -60


def test_safety_measures_a_systems_gain_on_clean_quiet_and_noise() -> None:
    clean = words() + noise(6, level=1e-4)
    noisy = clean + noise(6, seed=1, level=0.05)
    levels = []

    def ducks_quiet_ones(audio: Samples) -> Samples:
        levels.append(level_db(audio))
        return audio * np.float32(GAIN_6_DB if level_db(audio) < -40 else 1.0)

    scores = safety(clean, noisy, ducks_quiet_ones)
    assert scores["clean level dB"] == pytest.approx(0.0, abs=1e-3)
    assert scores["quiet level dB"] == pytest.approx(-6.0, abs=1e-2)
    assert scores["clean onset loss dB"] == pytest.approx(0.0, abs=1e-3)
    assert scores["noise only dB"] == pytest.approx(0.0, abs=1e-3)
    active_share_db = 10 * math.log10(SpeechActivity.of(clean).active.mean())
    assert levels[0] == pytest.approx(-26.0 + active_share_db, abs=0.2)
    assert levels[1] == pytest.approx(-45.0 + active_share_db, abs=0.2)


def test_safety_sees_the_top_band_go() -> None:
    clean = words() + noise(6, level=0.01)

    def low_pass(audio: Samples) -> Samples:
        return audio - high_band(audio) * np.float32(1 - GAIN_6_DB)

    assert safety(clean, clean, low_pass)["high band dB"] == pytest.approx(-6.0, abs=0.1)
    assert "high band dB" not in safety(words(), words(), low_pass)
    assert "noise only dB" not in safety(clean, clean, low_pass)


def test_silence_has_nothing_to_score() -> None:
    silence = np.zeros(RATE, np.float32)
    assert safety(silence, silence, lambda audio: audio) == {}


def test_intrusive_scores_are_perfect_for_the_reference_and_fall_with_noise() -> None:
    pytest.importorskip("pesq", reason="pesq (extra eval) is not installed")
    pytest.importorskip("pystoi", reason="pystoi (extra eval) is not installed")
    clean = words(8)
    perfect = intrusive(clean, clean, clean)
    assert perfect["PESQ"] == pytest.approx(4.64, abs=0.01)
    assert perfect["STOI"] == pytest.approx(1.0, abs=1e-3)
    assert perfect["SI-SDR"] > 60
    worse = intrusive(clean, clean, clean + noise(8, level=0.05))
    assert worse["PESQ"] < perfect["PESQ"] - 1
    assert worse["STOI"] < perfect["STOI"]
    assert worse["ESTOI"] < perfect["ESTOI"]


def test_pesq_of_silence_is_nan_not_an_error() -> None:
    pytest.importorskip("pesq", reason="pesq (extra eval) is not installed")
    silence = np.zeros(2 * RATE, np.float32)
    assert math.isnan(intrusive(words(2), silence, silence)["PESQ"])


@pytest.mark.slow
def test_dnsmos_is_near_the_packages_own_figure() -> None:
    package = pytest.importorskip("speechmos.dnsmos", reason="speechmos (extra eval) is not installed")
    audio = words(10) + noise(10, level=0.01)
    ours = dnsmos(audio, audio, audio)
    theirs = package.run(np.clip(metrics._narrow(audio), -1, 1), 16_000)
    for name, key in (("SIG", "sig_mos"), ("BAK", "bak_mos"), ("OVRL", "ovrl_mos")):
        assert ours[name] == pytest.approx(float(theirs[key]), abs=0.1)


def test_what_is_missing_is_named_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, missing = available(tmp_path / "no-such-weights.tar")
    assert "complaints" in found
    assert "nisqa" not in found
    assert "NISQA" in missing[-1] or "torchmetrics" in missing[-1]
    monkeypatch.setitem(__import__("sys").modules, "pesq", None)
    found, missing = available(None)
    assert "intrusive" not in found
    assert any("pip install pesq" in line for line in missing)
    assert any("--nisqa-weights" in line for line in missing)
