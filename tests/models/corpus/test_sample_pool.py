"""The pool of samples, and mixtures made of it on a device: the same contract as the pool of spectra."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from densenoiser_models.bands import BAND_BINS, SPEC
from densenoiser_models.corpus.band_spectra import analyse
from densenoiser_models.corpus.mixer import Mixture
from densenoiser_models.corpus.sample_mixer import PAST, SampleMixer
from densenoiser_models.corpus.sample_pool import SamplePool, build_sample_pool, is_sample_pool
from densenoiser_models.errors import AudioFileError
from densenoiser_models.training.cli import main
from densenoiser_models.training.recipe import Recipe
from densenoiser_models.training.trainer import Run, Trainer

from ...support.recordings import make_trees

PLAIN = Mixture(
    noise_only=0, clean_only=0, room=0, babble=0, equaliser=0, low_pass=0, knock=0, gated=0, reversed=0, shifted=0
)
FRAMES = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("samples")
    speech, noise = make_trees(root)
    sources = [
        "--speech",
        str(speech),
        "--noise",
        str(noise),
        "--synthetic-hours",
        "0.004",
        "--made-hours",
        "0.004",
        "--noise-speeds",
        "0",
    ]
    assert main(["pool", "--samples", *sources, "--seed", "5", "--workers", "2", "--out", str(root / "pool")]) == 0
    return root / "pool"


def mixer(folder: Path, crops: int = 4, **changes: Any) -> SampleMixer:
    plan = replace(PLAIN, **changes)
    return SampleMixer(SamplePool(folder), plan, 3, crops, FRAMES, torch.device("cpu"))


def test_it_holds_voices_twice_noises_once_and_rooms(folder: Path) -> None:
    pool = SamplePool(folder)
    assert is_sample_pool(folder)
    assert len(pool.speech.lengths) == 2 * 4
    assert set(pool.noise.groups) == {"noise/DEMAND", "noise/ESC-50", "machine_noise", "procedural"}
    assert len(pool.rooms) >= 200
    np.testing.assert_allclose(np.linalg.norm(pool.rooms.astype(float), axis=1), 1.0, rtol=1e-2)
    first = pool.speech.samples[: pool.speech.lengths[0] * SPEC.hop].astype(np.float32)
    assert 20 * np.log10(np.sqrt(np.mean(first[np.abs(first) > 1e-3] ** 2))) == pytest.approx(-25, abs=3)


def test_it_does_not_depend_on_the_number_of_workers(folder: Path, tmp_path: Path) -> None:
    root = folder.parent
    options = {"synthetic_hours": 0.004, "made_hours": 0.004, "seed": 5, "workers": 1}
    list(build_sample_pool(tmp_path, [root / "speech"], [root / "noise"], **options))  # type: ignore[arg-type]
    for path in sorted(folder.iterdir()):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_a_number_decides_a_batch(folder: Path) -> None:
    one, two = (
        SampleMixer(SamplePool(folder), Mixture(), 3, 4, FRAMES, torch.device("cpu")) for _ in range(2)
    )  # fmt: skip
    two.draw(0)
    batches = one.draw(7), two.draw(7), one.draw(8)
    for name in batches[0].__dataclass_fields__:
        assert torch.equal(getattr(batches[0], name), getattr(batches[1], name))
        assert torch.isfinite(getattr(batches[2], name)).all()
    assert not torch.equal(batches[0].noisy_low, batches[2].noisy_low)


def test_spectra_are_those_of_the_stream(folder: Path) -> None:
    sound = torch.randn(1, PAST + FRAMES * SPEC.hop)
    low, high = mixer(folder)._spectra(sound)
    expected_low, expected_high = analyse(sound[0].numpy()[PAST % SPEC.hop :])
    skipped = PAST // SPEC.hop
    later = slice(skipped + 1, None)  # the first frame sees samples from before the stream
    np.testing.assert_allclose(low[0, 1:], expected_low[later], atol=1e-3)
    np.testing.assert_allclose(high[0, 1:], expected_high[later], atol=1e-3)


def test_mixtures_are_what_the_plan_says(folder: Path) -> None:
    silence = mixer(folder, noise_only=1.0).draw(0)
    assert silence.clean_low.abs().max() == 0
    assert silence.noisy_low.square().mean((1, 2, 3)).min() > 0
    assert silence.judged.min() == 1
    clean = mixer(folder, clean_only=1.0).draw(0)
    assert torch.equal(clean.noisy_low, clean.clean_low)
    mixed = mixer(folder, crops=6, snr_db=(5.0, 5.0), noises={"DEMAND": 1.0}).draw(0)  # it hisses steadily
    noise = mixed.noisy_low - mixed.clean_low
    speech_power = mixed.clean_low.square().sum((2, 3)) + BAND_BINS * mixed.clean_high.square().sum(2)
    noise_high = (mixed.noisy_high.square() - mixed.clean_high.square()).clamp(min=0)
    noise_power = noise.square().sum((2, 3)) + BAND_BINS * noise_high.sum(2)
    for s, n in zip(speech_power, noise_power, strict=True):
        active = s[s >= s.mean() / 10].mean()
        assert 10 * torch.log10(active / n[n >= n.mean() / 10].mean()).item() == pytest.approx(5, abs=1.5)


@pytest.mark.parametrize("event", ["room", "babble", "equaliser", "low_pass", "knock", "gated", "reversed", "shifted"])
def test_each_event_changes_what_is_heard(folder: Path, event: str) -> None:
    without, with_it = (mixer(folder, 4, **{event: odds}).draw(2).noisy_low for odds in (0.0, 1.0))
    assert torch.isfinite(with_it).all()
    assert not torch.allclose(without, with_it)


@pytest.mark.slow
def test_a_network_trains_on_it(folder: Path, tmp_path: Path) -> None:
    recipe = Recipe("densenet-tiny", crops=4, frames=FRAMES)
    trainer = Trainer(recipe, Run(folder, folder, steps=2, validate_every=2, validation_batches=1), tmp_path)
    trainer.train(lambda _row: None)
    assert trainer.step == 2
    assert trainer.validate(trainer._held_out()) > 0


def test_another_pool_is_an_error_that_says_so(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="no finished pool"):
        SamplePool(tmp_path)
    (tmp_path / "pool.json").write_text('{"format": 2}')
    assert not is_sample_pool(tmp_path)
    with pytest.raises(AudioFileError, match="pool --samples"):
        SamplePool(tmp_path)
