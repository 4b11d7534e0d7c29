"""What training judges: the sound after synthesis, not the mask of one frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soxr
import torch
from torch import Tensor

from densenoiser_models.corpus.band_spectra import analyse
from densenoiser_models.corpus.mixer import Batch
from densenoiser_models.training import loss
from densenoiser_models.training.loss import heard, spectral_loss

from ...support.recordings import hiss, voice

FRAMES = 200


def batch(seed: int = 0) -> Batch:
    """A voice and hiss 10 dB below it."""
    speech = voice(seed, 2.0, 48_000)
    noise = hiss(seed, 2.0, 48_000)
    noise *= 0.3 * np.sqrt(np.mean(speech**2) / np.mean(noise**2))
    (low, high), (clean_low, clean_high) = (
        [torch.from_numpy(part)[None] for part in analyse(sound)] for sound in (speech + noise, speech)
    )
    return Batch(low, high, clean_low, clean_high, torch.ones(1), torch.ones(1, FRAMES, 16))


def without_noise(mixture: Batch) -> Batch:
    return replace(mixture, noisy_low=mixture.clean_low, noisy_high=mixture.clean_high)


def constant(gain: float) -> tuple[Tensor, Tensor]:
    mask = torch.zeros(1, FRAMES, 256, 2)
    mask[..., 0] = gain
    return mask, torch.full((1, FRAMES, 16), gain)


def test_what_is_heard_is_the_signal_up_to_8_khz() -> None:
    sound = soxr.resample(soxr.resample(hiss(1, 1.0, 48_000), 48_000, 14_000), 14_000, 48_000).astype(np.float32)
    low, _ = analyse(sound)
    found = heard(torch.from_numpy(low)[None])[0].numpy()
    expected = soxr.resample(sound, 48_000, 16_000)
    late = 160  # the second of the two frames that a sample needs
    assert np.corrcoef(found[1000:14_000], expected[1000 - late : 14_000 - late])[0, 1] > 0.998


def test_the_clean_signal_is_the_best_and_noise_and_silence_are_worse() -> None:
    mixture = batch()
    clean = without_noise(mixture)
    best = spectral_loss(clean, *constant(1.0))
    assert best < spectral_loss(mixture, *constant(1.0))
    assert best < spectral_loss(clean, *constant(0.5)) < spectral_loss(clean, *constant(0.0))


def test_errors_that_the_overlap_takes_away_cost_less_than_lasting_ones() -> None:
    mixture = batch()
    lasting, gains = constant(1.2)
    passing = lasting.clone()
    passing[:, 1::2, :, 0] = 0.8
    assert spectral_loss(mixture, passing, gains) < spectral_loss(mixture, lasting, gains)


def test_a_gain_that_trembles_pays_for_it_and_one_that_changes_once_hardly(monkeypatch: pytest.MonkeyPatch) -> None:
    low, high = (torch.from_numpy(part)[None] for part in analyse(hiss(0, 2.0, 48_000)))
    hissing = Batch(low, high, low, high, torch.ones(1), torch.ones(1, FRAMES, 16))
    once, gains = constant(0.7)
    once[:, FRAMES // 2 :, :, 0] = 1.3
    trembling, _ = constant(0.7)
    for start in range(0, FRAMES, 8):  # four frames of each gain, so that the overlap does not take it away
        trembling[:, start : start + 4, :, 0] = 1.3
    costs = [spectral_loss(hissing, mask, gains) for mask in (trembling, once)]
    monkeypatch.setattr(loss, "UNSTEADY", 0.0)
    extra = [cost - spectral_loss(hissing, mask, gains) for cost, mask in zip(costs, (trembling, once), strict=True)]
    assert extra[0] > 5 * extra[1] > 0


def test_its_slope_is_finite_in_silence() -> None:
    mixture = batch()
    low, high = torch.zeros_like(mixture.noisy_low), torch.zeros_like(mixture.noisy_high)
    silence = Batch(low, high, low, high, mixture.level, mixture.judged)
    mask, gains = (part.requires_grad_() for part in constant(1.0))
    spectral_loss(silence, mask, gains).backward()
    for part in (mask, gains):
        assert part.grad is not None
        assert torch.isfinite(part.grad).all()
