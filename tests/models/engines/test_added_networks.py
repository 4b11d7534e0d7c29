"""Other projects' networks that a user adds. The graphs are made here: those that are published are not tested with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.streaming_graph import write_streaming_graph

from densenoiser_models.denoiser import Denoiser
from densenoiser_models.engines import add, engines, load, open_denoiser, shelf
from densenoiser_models.errors import ModelError
from densenoiser_models.stft import Samples

HOP = 480


@pytest.fixture(autouse=True)
def own_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def through(denoiser: Denoiser, audio: Samples) -> Samples:
    return np.concatenate([denoiser.process(frame).copy() for frame in audio.reshape(-1, HOP)])


def low_noise(frames: int = 60) -> Samples:
    """Below 6 kHz, which every rate of the networks carries."""
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, frames * HOP)
    spectrum = np.fft.rfft(noise)
    spectrum[len(spectrum) // 4 :] = 0.0
    return np.fft.irfft(spectrum).astype(np.float32)


@pytest.mark.parametrize(("bins", "rate"), [(481, None), (161, None), (81, 8000)])
@pytest.mark.parametrize("delay", [0, 4])
def test_it_is_added_chosen_by_name_and_heard_at_its_own_delay(
    tmp_path: Path, bins: int, rate: int | None, delay: int
) -> None:
    network = add(write_streaming_graph(tmp_path / "Net_2.onnx", bins=bins, delay=delay), rate=rate)
    assert network.name == "net_2"
    assert network.delay_ms == pytest.approx(20 + 10 * delay, abs=0.2)
    assert network.frame_ms > 0
    assert "net_2" in engines()
    denoiser = open_denoiser(load("net_2"))
    assert denoiser.latency_samples == HOP * (1 + delay)
    audio = low_noise() if rate is None else np.sin(0.05 * np.arange(60 * HOP)).astype(np.float32)
    heard = through(denoiser, audio)
    lag = HOP * (1 + delay)
    np.testing.assert_allclose(heard[lag:][8 * HOP :], 0.5 * audio[:-lag][8 * HOP :], atol=0.02)
    assert denoiser.fault is None


@pytest.mark.parametrize(
    ("options", "rate", "words"),
    [
        ({"bins": 241}, None, "241 bins.*--rate"),
        ({"bins": 481}, 16_000, "481 bins.*16000 Hz has 161"),
        ({"gain": float("nan")}, None, "not finite"),
        ({"gain": 0.0}, None, "no voice"),
        ({"multiplied": 900}, None, "ms for a frame of 10 ms"),
        ({"output_bins": 161}, None, "outputs have the shapes"),
        ({"metadata": {}}, None, "metadata lack 'state_size'"),
        ({"metadata": {"state_size": "many"}}, None, "how its state begins"),
    ],
)
def test_one_that_cannot_be_used_is_refused_with_the_reason_and_leaves_nothing(
    tmp_path: Path, options: dict[str, object], rate: int | None, words: str
) -> None:
    path = write_streaming_graph(tmp_path / "net.onnx", **options)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=words):
        add(path, rate=rate)
    assert not list(shelf.folder().iterdir())


def test_a_truncated_file_and_one_that_is_no_model_are_refused(tmp_path: Path) -> None:
    whole = write_streaming_graph(tmp_path / "net.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.onnx").write_text("a licence, perhaps")
    for name in ("cut", "text"):
        with pytest.raises(ModelError, match=f"{name} cannot be used"):
            add(tmp_path / f"{name}.onnx")
    with pytest.raises(ModelError, match=r"cannot copy .*absent\.onnx"):
        add(tmp_path / "absent.onnx")
    assert not engines().keys() & {"cut", "text", "absent"}


def test_names_are_checked(tmp_path: Path) -> None:
    path = write_streaming_graph(tmp_path / "Мой фильтр.onnx")
    with pytest.raises(ModelError, match="--name"):
        add(path)
    for taken in ("densenet-small", "webrtc"):
        with pytest.raises(ModelError, match="already"):
            add(path, name=taken)
    add(path, name="mine")
    with pytest.raises(ModelError, match="already"):
        add(path, name="mine")


def test_its_licence_is_kept_beside_it_and_goes_with_it(tmp_path: Path) -> None:
    path = write_streaming_graph(tmp_path / "net.onnx")
    (tmp_path / "LICENSE").write_text("Apache License")
    add(path)
    assert (shelf.folder() / "net.licence.txt").read_text() == "Apache License"
    shelf.remove("net")
    assert not list(shelf.folder().iterdir())
    with pytest.raises(ModelError):
        load("net")


def test_a_file_that_was_replaced_after_it_was_added_is_refused(tmp_path: Path) -> None:
    add(write_streaming_graph(tmp_path / "net.onnx"))
    write_streaming_graph(shelf.folder() / "net.onnx", gain=0.9)
    with pytest.raises(ModelError, match="not the file that was added"):
        open_denoiser(load("net"))
    (shelf.folder() / "net.json").write_text("{")
    assert "net" not in engines()
