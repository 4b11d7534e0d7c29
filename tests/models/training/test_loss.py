"""What training judges: the sound after synthesis, not the mask of one frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import soxr
import torch
from torch import Tensor

from densenoiser_models.corpus.band_spectra import analyse
from densenoiser_models.corpus.mixer import Batch
from densenoiser_models.training.loss import LossWeights, heard, spectral_loss

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
    best = spectral_loss(clean, *constant(1.0), LossWeights())
    assert best < spectral_loss(mixture, *constant(1.0), LossWeights())
    assert (
        best < spectral_loss(clean, *constant(0.5), LossWeights()) < spectral_loss(clean, *constant(0.0), LossWeights())
    )


def test_errors_that_the_overlap_takes_away_cost_less_than_lasting_ones() -> None:
    mixture = batch()
    lasting, gains = constant(1.2)
    passing = lasting.clone()
    passing[:, 1::2, :, 0] = 0.8
    assert spectral_loss(mixture, passing, gains, LossWeights()) < spectral_loss(mixture, lasting, gains, LossWeights())


def test_each_part_counts_as_its_weight_says() -> None:
    mixture, (mask, gains) = batch(), constant(0.7)
    none = LossWeights(0.0, 0.0, 0.0, 0.0, 0.0)
    parts = {name: replace(none, **{name: 1.0}) for name in ("magnitude", "complex", "waveform", "high")}
    costs = {name: spectral_loss(mixture, mask, gains, weights) for name, weights in parts.items()}
    assert all(cost > 0 for cost in costs.values())
    weights = LossWeights(0.1, 0.2, 0.3, 0.4, 0.0)
    expected = 0.1 * costs["magnitude"] + 0.2 * costs["complex"] + 0.3 * costs["waveform"] + 0.4 * costs["high"]
    torch.testing.assert_close(spectral_loss(mixture, mask, gains, weights), expected)


def test_what_is_lost_above_8_khz_counts_more_than_what_is_left() -> None:
    clean, (mask, _) = without_noise(batch()), constant(1.0)
    fair = LossWeights(lost_high=0.0)
    for gain, grows in (0.5, True), (2.0, False):
        gains = torch.full((1, FRAMES, 16), gain)
        more = spectral_loss(clean, mask, gains, LossWeights()) - spectral_loss(clean, mask, gains, fair)
        assert (more > 1e-4) == grows


def test_its_slope_is_finite_in_silence() -> None:
    mixture = batch()
    low, high = torch.zeros_like(mixture.noisy_low), torch.zeros_like(mixture.noisy_high)
    silence = Batch(low, high, low, high, mixture.level, mixture.judged)
    mask, gains = (part.requires_grad_() for part in constant(1.0))
    spectral_loss(silence, mask, gains, LossWeights()).backward()
    for part in (mask, gains):
        assert part.grad is not None
        assert torch.isfinite(part.grad).all()
