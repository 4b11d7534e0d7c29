"""Files that are not as they should be: each gets its own error or warning, and the others are enhanced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from tests.support.command_module import run_command_module
from tests.support.waiting import wait_until

from densenoiser_models.files import enhance
from densenoiser_models.model_file import ModelFile

RATE = 16_000
AUDIO = (0.1 * np.sin(np.arange(RATE) / 7)).astype(np.float32)


@pytest.fixture
def half(make_model: Callable[..., ModelFile]) -> str:
    """A model that halves everything, whatever it is."""
    return str(make_model("half", gain=0.5, memory=1.0).path)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.wav"
    sf.write(path, AUDIO, RATE)
    return path


def command(half: str, *words: str | Path | bytes) -> list[str | bytes]:
    return [
        sys.executable,
        "-m",
        "densenoiser_daemon.command.cli",
        "enhance",
        "--model",
        half,
        *map(os.fsencode, words),
    ]


def enhanced(half: str, *words: str | Path | bytes, **options: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as names reach it that are no text."""
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command(half, *words),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"LANGUAGE": "C"},
        **options,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def raw_name(folder: Path) -> Path:
    path = folder / os.fsdecode(b"\xff\xfebad.wav")
    path.write_text("no sound")
    return path


def fifo(folder: Path) -> Path:
    path = folder / "pipe.wav"
    os.mkfifo(path)
    threading.Thread(target=lambda: path.write_bytes(b"no sound"), daemon=True).start()
    return path


def device(folder: Path) -> Path:
    return Path("/dev/zero")


def folder_of_that_name(folder: Path) -> Path:
    path = folder / "a.wav"
    path.mkdir()
    return path


def dangling(folder: Path) -> Path:
    path = folder / "link.wav"
    path.symlink_to("nowhere")
    return path


def too_long(folder: Path) -> Path:
    return folder / ("я" * 130 + ".wav")


@pytest.mark.parametrize("make", [raw_name, fifo, device, folder_of_that_name, dangling, too_long])
def test_one_bad_file_leaves_the_others_alone(
    half: str, good: Path, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    bad = make(tmp_path)
    done = enhanced(half, bad, good, "-o", tmp_path / "clean")
    assert done.returncode == 1
    assert "1 of 2 files enhanced" in done.stdout
    assert "1 failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert names(tmp_path / "clean") == ["good.wav"]


@pytest.mark.parametrize("length", [242, 255])
def test_a_name_as_long_as_names_can_be(half: str, tmp_path: Path, length: int) -> None:
    path = tmp_path / ("a" * (length - 4) + ".wav")
    sf.write(path, AUDIO, RATE)
    assert run_command_module(enhance, [str(path), "-o", f"{tmp_path / 'clean'}/", "--model", half]) == 0
    assert names(tmp_path / "clean") == [path.name]


def test_a_name_that_is_no_text_is_enhanced(half: str, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.wav")
    sf.write(os.fsencode(path), AUDIO, RATE)
    done = enhanced(half, path, "-o", os.fsencode(tmp_path / "clean") + b"/")
    assert done.returncode == 0, done.stderr
    assert names(tmp_path / "clean") == [os.fsdecode(b"\xff.wav")]


def test_a_slash_makes_a_folder(half: str, good: Path, tmp_path: Path) -> None:
    for _time in range(2):
        assert run_command_module(enhance, [str(good), "-o", f"{tmp_path}/clean/", "--model", half, "--force"]) == 0
    assert names(tmp_path / "clean") == ["good.wav"]


def test_a_target_that_cannot_be_written_is_its_own_error(half: str, good: Path, tmp_path: Path) -> None:
    """A folder lies where one result should go."""
    (tmp_path / "clean" / "good.wav").mkdir(parents=True)
    other = tmp_path / "other.wav"
    sf.write(other, AUDIO, RATE)
    done = enhanced(half, good, other, "-o", tmp_path / "clean", "--force")
    assert done.returncode == 1
    assert "1 of 2 files enhanced" in done.stdout
    assert "no regular file" in done.stderr
    assert (names(tmp_path / "clean")) == ["good.wav", "other.wav"]


def test_force_replaces_regular_files_alone_and_keeps_their_permissions(half: str, good: Path, tmp_path: Path) -> None:
    good.chmod(0o600)
    assert run_command_module(enhance, [str(good), "-o", str(good), "--model", half, "--force"]) == 0
    assert good.stat().st_mode & 0o777 == 0o600
    link = tmp_path / "link.wav"
    link.symlink_to(good.name)
    before = good.read_bytes()
    assert run_command_module(enhance, [str(link), "-o", str(link), "--model", half, "--force"]) == 0
    assert link.is_symlink(), "a link stays a link"
    assert good.read_bytes() != before, "what it leads to is the result"
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    for target in (str(pipe), "/dev/null"):
        assert run_command_module(enhance, [str(good), "-o", target, "--model", half, "--force"]) == 1
    assert pipe.is_fifo()
    assert Path("/dev/null").is_char_device()


def test_a_new_file_has_the_permissions_of_its_source(half: str, good: Path, tmp_path: Path) -> None:
    good.chmod(0o640)
    assert run_command_module(enhance, [str(good), "-o", str(tmp_path / "out.wav"), "--model", half]) == 0
    assert (tmp_path / "out.wav").stat().st_mode & 0o777 == 0o640


def test_what_comes_through_a_pipe(half: str, good: Path, tmp_path: Path) -> None:
    """As ``enhance <(command) -o out.wav`` has it."""
    reading, writing = os.pipe()
    feeder = subprocess.Popen(["cat", str(good)], stdout=writing)
    os.close(writing)
    done = enhanced(half, f"/dev/fd/{reading}", "-o", tmp_path / "out.wav", pass_fds=(reading,))
    feeder.wait()
    os.close(reading)
    assert done.returncode == 0, done.stderr
    assert sf.info(tmp_path / "out.wav").frames == RATE


def unfinished(data: bytes) -> bytes:
    """A WAV file whose recorder crashed before it wrote the lengths."""
    return data[:4] + bytes(4) + data[8:40] + bytes(4) + data[44:]


def half_of(data: bytes) -> bytes:
    return data[: 44 + RATE]


@pytest.mark.parametrize(
    ("damage", "frames", "word"), [(unfinished, RATE, "never finished"), (half_of, RATE // 2, "too early")]
)
def test_a_broken_recording_is_used_as_far_as_it_goes(
    half: str, good: Path, tmp_path: Path, damage: Callable[[bytes], bytes], frames: int, word: str
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(damage(good.read_bytes()))
    done = enhanced(half, broken, "-o", tmp_path / "out.wav")
    assert done.returncode == 0, done.stderr
    assert word in done.stderr
    output, _rate = sf.read(tmp_path / "out.wav", dtype="float32")
    assert len(output) == frames
    np.testing.assert_allclose(output[:-9], 0.5 * AUDIO[: frames - 9], atol=2e-3)


def test_a_flac_file_cut_in_half(half: str, tmp_path: Path) -> None:
    noise = (0.1 * np.random.default_rng(1).standard_normal(8 * RATE)).astype(np.float32)
    path = tmp_path / "a.flac"
    sf.write(path, noise, RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = enhanced(half, path, "-o", tmp_path / "out.flac")
    assert done.returncode == 0, done.stderr
    assert "too early" in done.stderr
    assert 3 * RATE < sf.info(tmp_path / "out.flac").frames < 5 * RATE


def test_texts_are_kept(half: str, tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    with sf.SoundFile(path, "w", RATE, 1) as file:
        file.title, file.artist, file.comment = "Утро", "Anna", "a note"
        file.write(AUDIO)
    assert run_command_module(enhance, [str(path), "-o", str(tmp_path / "b.flac"), "--model", half]) == 0
    with sf.SoundFile(tmp_path / "b.flac") as result:
        assert (result.title, result.artist, result.comment) == ("Утро", "Anna", "a note")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp3", {"compression_level": 0.7, "bitrate_mode": "CONSTANT"}),
        ("a.mp3", {"compression_level": 0.1, "bitrate_mode": "CONSTANT"}),
        ("a.opus", {"compression_level": 0.95}),
        ("a.opus", {"compression_level": 0.5}),
        ("a.ogg", {"compression_level": 0.9}),
        ("a.ogg", {"compression_level": 0.2}),
    ],
)
def test_a_lossy_file_keeps_its_class_of_bit_rate(
    half: str, tmp_path: Path, name: str, options: dict[str, object]
) -> None:
    noise = (0.1 * np.random.default_rng(1).standard_normal(4 * 48_000)).astype(np.float32)
    path, result = tmp_path / name, tmp_path / f"b{name}"
    form = {"format": "OGG", "subtype": "OPUS"} if name.endswith("opus") else {}
    sf.write(path, noise, 48_000, **form, **options)
    assert run_command_module(enhance, [str(path), "-o", str(result), "--model", half]) == 0
    assert 0.7 < result.stat().st_size / path.stat().st_size < 1.4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("files", [1, 3])
def test_a_signal_leaves_nothing_and_nobody_behind(half: str, tmp_path: Path, number: int, files: int) -> None:
    sources = []
    for index in range(files):
        sources.append(tmp_path / f"{index}.wav")
        sf.write(sources[-1], np.tile(AUDIO, 1200), RATE)
    target = tmp_path / "clean"
    process = subprocess.Popen(
        command(half, *sources, "-o", f"{target}/"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(target.glob(".*.partial")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert list(target.iterdir()) == []

    def is_over() -> bool:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_until(is_over, 10, "no worker goes on")


def test_a_film_without_ffmpeg_names_the_way_out(
    half: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "talk.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert run_command_module(enhance, [str(path), "-o", str(tmp_path / "out.wav"), "--model", half]) == 1
    assert "install the program ffmpeg" in capsys.readouterr().err
