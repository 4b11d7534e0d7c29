"""Fixed pairs: levels as listed, the same for the same seed, and no recording that spoils the set."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from densenoiser_models.errors import AudioFileError
from densenoiser_models.evaluation.pair_maker import PairPlan, Sources, write_pairs
from densenoiser_models.signal.speech_activity import active_level
from densenoiser_models.training.cli import main

from ...support.recordings import hiss, make_trees, voice, write

PLAN = PairPlan(pairs=6, seconds=2.0, seed=3)


def test_the_snr_and_level_listed_are_those_on_disk(tmp_path: Path) -> None:
    speech, noise = make_trees(tmp_path)
    pairs = list(write_pairs(tmp_path / "out", Sources([speech]), Sources([noise]), PLAN))
    assert len(pairs) == 6
    for pair in pairs:
        clean, rate = sf.read(tmp_path / "out/clean" / pair.name, dtype="float32")
        noisy, _ = sf.read(tmp_path / "out/noisy" / pair.name, dtype="float32")
        assert rate == 48_000
        assert clean.shape == noisy.shape == (96_000,)
        level = 20 * np.log10(active_level(clean))
        noise_level = 10 * np.log10(np.mean((noisy - clean) ** 2))
        assert level == pytest.approx(pair.speech_level_db, abs=0.05)
        assert level - noise_level == pytest.approx(pair.snr_db, abs=0.1)
        assert -5 <= pair.snr_db <= 15


def test_a_seed_decides_every_sample(tmp_path: Path) -> None:
    speech, noise = make_trees(tmp_path)
    for out in ("one", "two"):
        list(write_pairs(tmp_path / out, Sources([speech]), Sources([noise]), PLAN))
    for path in sorted((tmp_path / "one").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_unusable_recordings_are_listed_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    speech, noise = make_trees(tmp_path)
    write(noise / "silent.wav", np.zeros(48_000, np.float32), 48_000)
    write(noise / "short.wav", hiss(1, 0.1, 48_000), 48_000)
    write(noise / "clipped.wav", np.clip(20 * hiss(1, 1.0, 48_000), -1, 1), 48_000)
    (noise / "broken.flac").write_bytes(b"fLaC and nothing more")
    arguments = ["--speech", str(speech), "--noise", str(noise), "--out", str(tmp_path / "out")]
    assert main(["mix", *arguments, "--pairs", "12", "--seconds", "2"]) == 0
    said = capsys.readouterr().out
    for name in ("silent", "short", "clipped", "broken"):
        assert f"{name}." in said
    with (tmp_path / "out/pairs.csv").open(encoding="utf-8") as stream:
        kinds = {row["noise_kind"] for row in csv.DictReader(stream)}
    assert kinds >= {"DEMAND/DKITCHEN", "ESC-50/audio"}


def test_a_folder_without_audio_is_an_error_that_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    speech, _ = make_trees(tmp_path)
    (tmp_path / "empty").mkdir()
    arguments = ["--speech", str(speech), "--noise", str(tmp_path / "empty"), "--out", str(tmp_path / "out")]
    assert main(["mix", *arguments]) == 1
    assert f"{tmp_path}/empty" in capsys.readouterr().err


def test_an_existing_set_is_not_overwritten(tmp_path: Path) -> None:
    speech, noise = make_trees(tmp_path)
    list(write_pairs(tmp_path / "out", Sources([speech]), Sources([noise]), PLAN))
    with pytest.raises(AudioFileError, match="already holds"):
        list(write_pairs(tmp_path / "out", Sources([speech]), Sources([noise]), PLAN))


def test_short_speech_is_continued_from_its_own_folder(tmp_path: Path) -> None:
    for i in range(2):
        write(tmp_path / "speech/a" / f"{i}.wav", voice(i, 1.0, 16_000), 16_000)
        write(tmp_path / "speech/b" / f"{i}.wav", voice(9 + i, 1.0, 16_000), 16_000)
    taken = Sources([tmp_path / "speech"]).take(1, 3 * 48_000, joined=True)
    assert taken is not None
    sound, names = taken
    assert len(sound) >= 3 * 48_000
    assert all(name.startswith("a/") for name in names.split("+"))
