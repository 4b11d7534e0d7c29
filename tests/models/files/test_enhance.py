"""Files through the engine: any rate, channels and format; lined up to the sample; bad ones told, none half-written."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from numpy.typing import NDArray
from tests.support.command_module import run_command_module

from densenoiser_models.denoiser import Bypass, OnnxDenoiser
from densenoiser_models.errors import ModelError
from densenoiser_models.files import enhance
from densenoiser_models.files.aligned_stream import AlignedStream
from densenoiser_models.frame import FrameSpec
from densenoiser_models.model_file import ModelFile

MakeModel = Callable[..., ModelFile]
Audio = NDArray[np.float32]


def tone(rate: int, channels: int = 1, seconds: float = 1.3) -> Audio:
    """A different chord in each channel, below 3 kHz so that every rate holds it; shape (samples, channels)."""
    time_ = np.arange(round(rate * seconds)) / rate
    chords = [sum(np.sin(2 * np.pi * f * (1 + 0.3 * c) * time_) for f in (220, 517, 1303)) for c in range(channels)]
    # Faded in and out: a tone that starts at once has content beyond any rate.
    fade = np.minimum(1, np.minimum(time_, time_[::-1]) / 0.05)
    return np.asarray(0.1 * np.stack(chords, axis=1) * fade[:, None], np.float32)


def write(path: Path, audio: Audio, rate: int, subtype: str | None = None) -> Path:
    sf.write(path, audio, rate, subtype=subtype, format="OGG" if path.suffix == ".opus" else None)
    return path


@pytest.fixture
def half(make_model: MakeModel) -> str:
    """A model that halves everything, whatever it is."""
    return str(make_model("half", gain=0.5, memory=1.0).path)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_rate_and_channel_lines_up_sample_by_sample(half: str, tmp_path: Path, rate: int, channels: int) -> None:
    audio = tone(rate, channels)
    source, target = write(tmp_path / "in.wav", audio, rate, "FLOAT"), tmp_path / "out.wav"
    assert run_command_module(enhance, [str(source), "-o", str(target), "--model", half]) == 0
    output, output_rate = sf.read(target, dtype="float32", always_2d=True)
    assert output_rate == rate
    assert output.shape == audio.shape
    np.testing.assert_allclose(output, 0.5 * audio, atol=1e-3 if rate < 16_000 else 2e-4)


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_16", 1e-4),
        ("a.wav", "PCM_24", 1e-5),
        ("a.wav", "PCM_U8", 1e-2),
        ("a.wav", "DOUBLE", 1e-5),
        ("a.flac", "PCM_24", 1e-5),
        ("a.aiff", "PCM_16", 1e-4),
        ("a.w64", "FLOAT", 1e-5),
        ("a.caf", "PCM_16", 1e-4),
        ("a.ogg", "VORBIS", 8e-3),
        ("a.opus", "OPUS", 8e-3),
        ("a.mp3", "MPEG_LAYER_III", 8e-3),
        ("ч а.wav", "PCM_16", 1e-4),
    ],
)
def test_format_and_subtype_are_kept(half: str, tmp_path: Path, name: str, subtype: str, tolerance: float) -> None:
    audio = tone(48_000, 2)
    source, folder = write(tmp_path / name, audio, 48_000, subtype), tmp_path / "out"
    folder.mkdir()
    assert run_command_module(enhance, [str(source), "-o", str(folder), "--model", half]) == 0
    before, after = sf.info(source), sf.info(folder / name)
    assert (after.format, after.subtype, after.samplerate, after.channels, after.frames) == (
        before.format,
        before.subtype,
        before.samplerate,
        before.channels,
        before.frames,
    )
    decoded, _ = sf.read(source, dtype="float32")
    output, _ = sf.read(folder / name, dtype="float32")
    assert np.sqrt(np.mean((output - 0.5 * decoded) ** 2)) < tolerance


def test_the_outputs_name_chooses_the_format(half: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", tone(48_000), 48_000, "PCM_24")
    for name, expected in (
        ("out.flac", ("FLAC", "PCM_24")),
        ("out.ogg", ("OGG", "VORBIS")),
        ("out.opus", ("OGG", "OPUS")),
    ):
        assert run_command_module(enhance, [str(source), "-o", str(tmp_path / name), "--model", half]) == 0
        info = sf.info(tmp_path / name)
        assert (info.format, info.subtype) == expected


@pytest.mark.parametrize("frames", [0, 1, 479, 480, 481, 48_000])
@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_short_files_keep_their_length(half: str, tmp_path: Path, frames: int, rate: int) -> None:
    source = write(tmp_path / "in.wav", np.full((frames, 1), 0.1, np.float32), rate)
    assert run_command_module(enhance, [str(source), "-o", str(tmp_path / "out.wav"), "--model", half]) == 0
    assert sf.info(tmp_path / "out.wav").frames == frames


def test_strength_zero_gives_the_file_back(half: str, tmp_path: Path) -> None:
    audio = tone(48_000)
    source = write(tmp_path / "in.wav", audio, 48_000, "FLOAT")
    assert (
        run_command_module(enhance, [str(source), "-o", str(tmp_path / "out.wav"), "--model", half, "--strength", "0"])
        == 0
    )
    np.testing.assert_allclose(sf.read(tmp_path / "out.wav", dtype="float32", always_2d=True)[0], audio, atol=1e-6)


def test_a_file_is_the_microphones_engine_frame_for_frame(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(gain=0.7, memory=0.95)
    audio = tone(48_000)[: 480 * 100]
    source = write(tmp_path / "in.wav", audio, 48_000, "FLOAT")
    assert run_command_module(enhance, [str(source), "-o", str(tmp_path / "out.wav"), "--model", str(model.path)]) == 0
    denoiser = OnnxDenoiser(model, "cpu")
    live = np.concatenate([denoiser.process(frame).copy() for frame in audio[:, 0].reshape(-1, 480)])
    filed, _ = sf.read(tmp_path / "out.wav", dtype="float32")
    np.testing.assert_array_equal(filed[:-480], live[480:])


def test_blocks_of_any_size_give_the_same_stream() -> None:
    audio = tone(44_100, 2)
    whole = AlignedStream([Bypass(FrameSpec()), Bypass(FrameSpec())], 44_100)
    expected = np.concatenate([whole.process(audio), whole.finish()])
    pieces = AlignedStream([Bypass(FrameSpec()), Bypass(FrameSpec())], 44_100)
    cuts = np.cumsum(np.random.default_rng(2).integers(1, 3000, 40))
    output = np.concatenate([*(pieces.process(part) for part in np.split(audio, cuts)), pieces.finish()])
    np.testing.assert_allclose(output, expected, atol=1e-6)


def test_many_files_in_parallel_go_on_past_bad_ones(
    half: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [write(tmp_path / f"good{i}.wav", tone(16_000), 16_000) for i in range(3)]
    text = tmp_path / "text.wav"
    text.write_text("this is no audio")
    broken = write(tmp_path / "nan.wav", np.full((100, 1), np.nan, np.float32), 48_000, "FLOAT")
    missing, folder = tmp_path / "missing.wav", tmp_path / "folder.wav"
    folder.mkdir()
    inputs = [text, good[0], missing, good[1], broken, folder, good[2]]
    out = tmp_path / "out"
    assert run_command_module(enhance, [*map(str, inputs), "-o", str(out), "--model", half, "--jobs", "2"]) == 1
    assert sorted(path.name for path in out.iterdir()) == ["good0.wav", "good1.wav", "good2.wav"]
    said = capsys.readouterr()
    assert "3 of 7 files enhanced" in said.out
    for complaint in ("text.wav", "missing.wav: no such file", "not numbers", "folder.wav: it is a folder", "4 failed"):
        assert complaint in said.err
    for path in good:
        expected = 0.5 * sf.read(path)[0]
        np.testing.assert_allclose(sf.read(out / path.name)[0], expected, atol=3e-4)


def test_existing_files_are_kept_unless_forced(half: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "in.wav", tone(48_000), 48_000)
    target = tmp_path / "out.wav"
    target.write_bytes(b"precious")
    assert run_command_module(enhance, [str(source), "-o", str(target), "--model", half]) == 1
    assert target.read_bytes() == b"precious"
    assert "exists; --force overwrites it" in capsys.readouterr().err
    assert run_command_module(enhance, [str(source), "-o", str(target), "--model", half, "--force"]) == 0
    assert sf.info(target).frames == sf.info(source).frames
    assert sorted(path.name for path in tmp_path.glob("*.wav")) == ["in.wav", "out.wav"]
    assert not list(tmp_path.glob(".*"))


def test_a_file_may_replace_itself(half: str, tmp_path: Path) -> None:
    audio = tone(48_000)
    source = write(tmp_path / "in.wav", audio, 48_000, "FLOAT")
    assert run_command_module(enhance, [str(source), "-o", str(tmp_path), "--model", half]) == 1
    assert run_command_module(enhance, [str(source), "-o", str(tmp_path), "--model", half, "--force"]) == 0
    np.testing.assert_allclose(sf.read(source, always_2d=True)[0], 0.5 * audio, atol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "output", "complaint"),
    [
        (["in.wav"], "no/folder/out.wav", "there is no folder"),
        (["in.wav"], "out.docx", "not a format that can be written"),
        (["in.wav", "b/in.wav"], "out", "both become"),
        (["in.wav", "in2.wav"], "in.wav", "cannot make the folder"),
    ],
)
def test_outputs_that_cannot_be(
    half: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], inputs: list[str], output: str, complaint: str
) -> None:
    (tmp_path / "b").mkdir()
    for name in ("in.wav", "in2.wav", "b/in.wav"):
        write(tmp_path / name, tone(16_000, seconds=0.1), 16_000)
    paths = [str(tmp_path / name) for name in inputs]
    assert run_command_module(enhance, [*paths, "-o", str(tmp_path / output), "--model", half]) == 1
    assert complaint in capsys.readouterr().err


def test_unknown_model_is_told_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "in.wav", tone(16_000), 16_000)
    assert run_command_module(enhance, [str(source), "-o", str(tmp_path / "out.wav"), "--model", "no-such-model"]) == 1
    assert "no model named 'no-such-model'" in capsys.readouterr().err
    assert not (tmp_path / "out.wav").exists()


def test_a_model_that_fails_half_way_leaves_nothing(
    make_model: MakeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_model(nan_above=20.0)
    audio = tone(48_000) * np.linspace(0, 1, 62_400, dtype=np.float32)[:, None]
    source = write(tmp_path / "in.wav", audio, 48_000)
    assert run_command_module(enhance, [str(source), "-o", str(tmp_path / "out.wav"), "--model", str(model.path)]) == 1
    assert "in.wav: the model's output is not finite" in capsys.readouterr().err
    assert not list(tmp_path.glob("*out*"))
    assert not list(tmp_path.glob(".*"))
    stream = AlignedStream([OnnxDenoiser(model, "cpu")], 48_000)
    with pytest.raises(ModelError, match="not finite"):
        stream.process(tone(48_000) * 10)


def test_a_truncated_file_is_enhanced_as_far_as_it_goes_or_told(half: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.flac", tone(48_000), 48_000)
    source.write_bytes(source.read_bytes()[:20_000])
    code = run_command_module(enhance, [str(source), "-o", str(tmp_path / "out.flac"), "--model", half])
    assert code == (0 if (tmp_path / "out.flac").exists() else 1)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("bad", [["--strength", "-3"], ["--strength", "loud"], ["--jobs", "0"], ["--provider", "tpu"]])
def test_wrong_options_are_usage_errors(tmp_path: Path, bad: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run_command_module(enhance, [str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav"), *bad])
    assert stop.value.code == 2


def test_every_option_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_command_module(enhance, ["--help"])
    assert "--strength DB" in capsys.readouterr().out
    parser = argparse.ArgumentParser()
    from densenoiser_models.files.enhance import add_arguments  # noqa: PLC0415

    add_arguments(parser)
    assert all(action.help for action in parser._actions)


def start_two_long_jobs(model: str, tmp_path: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """The command at work on two files of four minutes, at least one of them begun, and its output folder."""
    sources = [write(tmp_path / f"long{i}.wav", np.zeros((48_000 * 240, 1), np.float32), 48_000) for i in range(2)]
    out = tmp_path / "out"
    command = [sys.executable, "-m", "densenoiser_daemon.command.cli", "enhance", *map(str, sources), "-o", str(out)]
    process = subprocess.Popen(
        [*command, "--model", model, "--jobs", "2"], start_new_session=True, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not (out.is_dir() and any(out.iterdir())):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process, out


@pytest.mark.slow
def test_an_interrupt_leaves_no_partial_file(half: str, tmp_path: Path) -> None:
    process, out = start_two_long_jobs(half, tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted: 0 of 2" in said
    assert not list(out.iterdir())


@pytest.mark.slow
def test_a_killed_worker_leaves_no_partial_file(half: str, tmp_path: Path) -> None:
    process, out = start_two_long_jobs(half, tmp_path)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"was killed" in said
    assert not list(out.iterdir())
