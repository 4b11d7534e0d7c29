"""What a recording says about itself, and what else is in a film, is kept; what gets lost is named."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from tests.support.command_module import run_command_module

from densenoiser_models.files import enhance
from densenoiser_models.model_file import ModelFile

flac: Any = importlib.import_module("mutagen.flac")
id3: Any = importlib.import_module("mutagen.id3")
mp3: Any = importlib.import_module("mutagen.mp3")
RATE = 48_000
AUDIO = (0.1 * np.random.default_rng(1).standard_normal(2 * RATE)).astype(np.float32)
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
def half(make_model: Callable[..., ModelFile]) -> str:
    """A model that halves everything, whatever it is."""
    return str(make_model("half", gain=0.5, memory=1.0).path)


def ffmpeg(*words: str | Path) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, words)], check=True)


def probe(path: Path) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-show_chapters", "-of", "json", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def sound_of(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-map", "a:0", "-f", "f32le", "-ac", "1", "-"],
        check=True,
        capture_output=True,
    ).stdout
    return np.frombuffer(raw, np.float32)


@pytest.mark.parametrize("suffix", ["m4a", "mp4", "mkv", "mov", "webm"])
def test_a_film_keeps_its_picture_and_words_and_has_the_filtered_sound(half: str, tmp_path: Path, suffix: str) -> None:
    sound, film, result = tmp_path / "a.wav", tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    sf.write(sound, AUDIO, RATE)
    picture = [] if suffix == "m4a" else ["-f", "lavfi", "-i", "testsrc=d=2:s=64x48:r=10"]
    codec = ["-c:a", "libopus"] if suffix == "webm" else ["-c:a", "aac", "-b:a", "96k"]
    ffmpeg(*picture, "-i", sound, "-metadata", "title=A talk", *codec, film)
    assert run_command_module(enhance, [str(film), "-o", str(result), "--model", half]) == 0
    before, after = probe(film), probe(result)
    assert [s["codec_name"] for s in after["streams"]] == [s["codec_name"] for s in before["streams"]]
    tags = {key.lower(): value for key, value in after["format"]["tags"].items()}
    assert tags["title"] == "A talk"
    original, filtered = sound_of(film), sound_of(result)
    assert abs(len(filtered) - len(original)) < RATE // 10
    ratio = np.std(filtered[RATE // 2 : RATE]) / np.std(original[RATE // 2 : RATE])
    assert 0.45 < ratio < 0.55


def test_a_film_into_a_sound_file(half: str, tmp_path: Path) -> None:
    sound, film = tmp_path / "a.wav", tmp_path / "a.m4a"
    sf.write(sound, AUDIO, RATE)
    ffmpeg("-i", sound, film)
    assert run_command_module(enhance, [str(film), "-o", str(tmp_path / "b.flac"), "--model", half]) == 0
    assert sf.info(tmp_path / "b.flac").format == "FLAC"


def test_a_film_without_sound_is_an_error(half: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "a.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=1:s=64x48:r=10", film)
    assert run_command_module(enhance, [str(film), "-o", str(tmp_path / "b.mp4"), "--model", half]) == 1
    assert f"cannot read {film}" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".mp4") == ["a.mp4"]


def tagged_flac(folder: Path) -> Path:
    path = folder / "a.flac"
    sf.write(path, AUDIO, RATE)
    file = flac.FLAC(path)
    file["title"], file["composer"] = "Утро", "Anna"
    picture = flac.Picture()
    picture.data, picture.mime, picture.type = PICTURE, "image/png", 3
    file.add_picture(picture)
    file.save()
    return path


def tagged_mp3(folder: Path) -> Path:
    path = folder / "a.mp3"
    sf.write(path, AUDIO, RATE)
    file = mp3.MP3(path)
    if file.tags is None:
        file.add_tags()
    file.tags.add(id3.TIT2(encoding=3, text="Утро"))
    file.tags.add(id3.TCOM(encoding=3, text="Anna"))
    file.tags.add(id3.APIC(encoding=3, mime="image/png", type=3, data=PICTURE))
    file.tags.add(id3.CHAP(element_id="one", start_time=0, end_time=1000))
    file.save()
    return path


def test_tags_and_cover_of_flac_are_kept(half: str, tmp_path: Path) -> None:
    path, result = tagged_flac(tmp_path), tmp_path / "b.flac"
    assert run_command_module(enhance, [str(path), "-o", str(result), "--model", half]) == 0
    kept = flac.FLAC(result)
    assert (kept["title"], kept["composer"]) == (["Утро"], ["Anna"])
    assert [picture.data for picture in kept.pictures] == [PICTURE]


def test_tags_cover_and_chapters_of_mp3_are_kept(half: str, tmp_path: Path) -> None:
    path, result = tagged_mp3(tmp_path), tmp_path / "b.mp3"
    assert run_command_module(enhance, [str(path), "-o", str(result), "--model", half]) == 0
    kept = mp3.MP3(result).tags
    assert (str(kept["TIT2"]), str(kept["TCOM"])) == ("Утро", "Anna")
    assert [frame.data for frame in kept.getall("APIC")] == [PICTURE]
    assert len(kept.getall("CHAP")) == 1


@pytest.mark.parametrize(("make", "lost"), [(tagged_flac, "cover"), (tagged_mp3, "cover, chapters")])
def test_without_mutagen_what_gets_lost_is_named(
    half: str,
    tmp_path: Path,
    make: Callable[[Path], Path],
    lost: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = make(tmp_path)
    monkeypatch.setitem(sys.modules, "mutagen", None)
    assert run_command_module(enhance, [str(path), "-o", str(tmp_path / f"b{path.suffix}"), "--model", half]) == 0
    assert f"not kept: {lost}; for that: pip install 'densenoiser[tags]'" in capsys.readouterr().err
    with sf.SoundFile(tmp_path / f"b{path.suffix}") as kept:
        assert kept.title == "Утро", "what libsndfile knows is kept all the same"


def test_what_another_format_cannot_hold_is_named(
    half: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tagged_mp3(tmp_path)
    assert run_command_module(enhance, [str(path), "-o", str(tmp_path / "b.flac"), "--model", half]) == 0
    assert "not kept: cover" in capsys.readouterr().err
