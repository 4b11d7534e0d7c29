"""Lessons: what the pool mixes comes back as sound, the teacher's answers are lined up, and training takes half of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from densenoiser_models.corpus.band_spectra import analyse
from densenoiser_models.corpus.mixer import Batch, Mixer, Recipe
from densenoiser_models.corpus.pool import Pool, build_pool
from densenoiser_models.errors import AudioFileError, ModelError
from densenoiser_models.evaluation.alignment import without_delay
from densenoiser_models.stft import Samples
from densenoiser_models.training.cli import main
from densenoiser_models.training.lessons import LESSON_FRAMES, Lessons, as_audio, open_teacher, teach, write_lessons
from densenoiser_models.training.trainer import Fit, FitConfig

from ...support.recordings import hiss, make_trees


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("taught")
    speech, noise = make_trees(root)
    list(build_pool(root / "pool", [speech], [noise], synthetic_hours=0.004, seed=5, workers=1))
    return root / "pool"


@pytest.fixture(scope="module")
def lessons(pool: Path) -> Path:
    out = pool.parent / "lessons"
    assert list(write_lessons(out, pool, "densenet-tiny", 6, seed=3, workers=1)) == [1, 2, 3, 4, 5, 6]
    return out


def mixture(pool: Path, recipe: Recipe) -> Batch:
    return Mixer(Pool(pool), recipe, 1, 1, LESSON_FRAMES).draw(0)


def test_spectra_become_the_sound_that_has_them() -> None:
    sound = hiss(0, 1.0, 48_000)
    low, high = (torch.from_numpy(part) for part in analyse(sound))
    again_low, again_high = analyse(as_audio(low, high, np.random.default_rng(0)))
    # A frame later: synthesis ends a frame before analysis does.
    error = np.square(again_low[4:] - low.numpy()[3:-1]).sum() / np.square(low.numpy()).sum()
    assert 10 * np.log10(error) < -25
    assert 20 * np.log10(again_high[4:].mean() / high.numpy()[3:-1].mean()) == pytest.approx(0, abs=0.5)


def test_a_mixture_is_taught_what_the_teacher_says(pool: Path) -> None:
    heard: list[Samples] = []

    def halve(noisy: Samples) -> Samples:
        heard.append(noisy)
        return noisy / np.float32(2)

    rng = np.random.default_rng(0)
    noisy_low, noisy_high, taught_low, taught_high = teach(
        mixture(pool, Recipe(noise_only=0.0, clean_only=0.0)), halve, rng
    )
    assert np.abs(heard[0]).max() <= 0.95 + 1e-6
    np.testing.assert_allclose(taught_low, noisy_low / 2, atol=1e-3)
    np.testing.assert_allclose(taught_high, noisy_high / 2, atol=1e-3)


def test_noise_alone_is_taught_to_be_silence_and_speech_alone_itself(pool: Path) -> None:
    def fail(noisy: Samples) -> Samples:
        raise AssertionError("nobody has to ask the teacher")

    rng = np.random.default_rng(0)
    noisy, _, taught, taught_high = teach(mixture(pool, Recipe(noise_only=1.0)), fail, rng)
    assert noisy.any()
    assert not taught.any()
    assert not taught_high.any()
    noisy, _, taught, _ = teach(mixture(pool, Recipe(noise_only=0.0, clean_only=1.0)), fail, rng)
    assert noisy.any()
    np.testing.assert_array_equal(taught, noisy)


def test_a_teachers_delay_is_taken_out(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late:
        @staticmethod
        def enhance(sound: Samples) -> Samples:
            return np.concatenate([np.zeros(1440, np.float32), sound])[: len(sound)]

    monkeypatch.setattr("densenoiser_models.training.lessons.load_system", lambda name: Late)
    sound = hiss(1, 1.0, 48_000)
    np.testing.assert_array_equal(open_teacher("late", Pool(pool))(sound), without_delay(Late.enhance, 1440)(sound))
    np.testing.assert_array_equal(open_teacher("late", Pool(pool))(sound), sound)


def test_lessons_do_not_depend_on_the_number_of_workers(pool: Path, lessons: Path, tmp_path: Path) -> None:
    list(write_lessons(tmp_path, pool, "densenet-tiny", 6, seed=3, workers=2))
    for path in sorted(lessons.iterdir()):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_batches_of_lessons_repeat_and_differ(lessons: Path) -> None:
    one, again = (Lessons(lessons, (-50, -8), 1, 2, 300) for _ in range(2))
    assert torch.equal(one.draw(4).noisy_low, again.draw(4).noisy_low)
    assert not torch.equal(one.draw(4).noisy_low, one.draw(5).noisy_low)
    batch = one.draw(4)
    assert batch.noisy_low.shape == batch.clean_low.shape == (2, 300, 256, 2)
    assert batch.noisy_high.shape == batch.clean_high.shape == batch.judged.shape == (2, 300, 16)
    assert batch.level.shape == (2,)
    assert batch.clean_low.square().mean() < batch.noisy_low.square().mean()


def test_half_of_every_pass_are_lessons(pool: Path, lessons: Path, tmp_path: Path) -> None:
    config = FitConfig("densenet-tiny", str(pool), str(lessons), str(pool), batch=4, passes=1, frames=30)
    batch = Fit(config, tmp_path)._draw()(7)
    assert torch.equal(batch.noisy_low[2:], Lessons(lessons, Recipe().level_db, 0, 2, 30).draw(7).noisy_low)
    assert torch.equal(batch.noisy_low[:2], Mixer(Pool(pool), Recipe(), 0, 2, 30).draw(7).noisy_low)


def test_what_is_missing_is_named(
    pool: Path, lessons: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AudioFileError, match="densenoiser-train teach"):
        Lessons(tmp_path, (-50, -8), 1, 2, 300)
    with pytest.raises(ModelError, match="--frames must not be above"):
        Lessons(lessons, (-50, -8), 1, 2, LESSON_FRAMES + 1)
    with pytest.raises(ModelError, match="--batch must be 2 or more"):
        Fit(FitConfig("densenet-tiny", str(pool), str(lessons), batch=1, passes=1), tmp_path)._draw()
    assert main(["teach", "--pool", str(pool), "--teacher", "nobody", "--out", str(tmp_path / "x")]) == 1
    assert "nobody" in capsys.readouterr().err


def test_the_command_writes_lessons(pool: Path, tmp_path: Path) -> None:
    arguments = ["--teacher", "densenet-tiny", "--hours", "0.003", "--workers", "1", "--out", str(tmp_path)]
    assert main(["teach", "--pool", str(pool), *arguments]) == 0
    assert Lessons(tmp_path, (-50, -8), 1, 1, 300).draw(0).noisy_low.any()
