"""The demo end to end on PulseAudio: it leaves what it promises, and its figures are those of the sound."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.support.tiny_model import write_tiny_model

from densenoiser_daemon.measurement import demo
from densenoiser_daemon.measurement.demo import load_recording, run_demo
from densenoiser_daemon.measurement.recorder import RATE


def test_the_recording_is_short_loud_enough_and_not_clipped() -> None:
    speech, noise = load_recording()
    assert speech.shape == noise.shape
    assert 3 * RATE < len(speech) < 30 * RATE
    assert 0.05 < np.abs(speech + noise).max() < 1.0


@pytest.mark.server
def test_it_leaves_sound_and_picture_and_prints_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    speech, noise = load_recording()
    monkeypatch.setattr(
        demo, "load_recording", lambda: (speech[: 6 * RATE], noise[: 6 * RATE])
    )  # the first 6 s will do
    model = write_tiny_model(tmp_path, gain=0.1)
    assert run_demo(tmp_path / "out", "pulseaudio", str(model), None) == 0
    before, after = (soundfile.read(tmp_path / "out" / name, dtype="float32") for name in ("before.wav", "after.wav"))
    assert before[1] == after[1] == RATE
    assert before[0].shape == after[0].shape
    assert 0.0 < np.abs(after[0]).max() < 0.3 * np.abs(before[0]).max(), "the model turns everything down by 20 dB"
    assert (tmp_path / "out" / "spectrograms.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    for figure in ("noise reduction", "speech level change", "added latency", "xruns", "CPU of the daemon"):
        assert figure in printed
    assert f"paplay {tmp_path}/out/before.wav && paplay {tmp_path}/out/after.wav" in printed
    assert "densenoiser install-user" in printed


def test_without_matplotlib_it_still_has_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = np.zeros(RATE, np.float32)
    outcome = demo.DemoResult(silence, silence, -40.0, -60.0, 0.0, 1.0, 10.0, (), 0, 0.07)
    monkeypatch.setattr(demo, "available_kinds", lambda: ("pulseaudio",))
    monkeypatch.setattr(demo, "measure", lambda kind, model, strength: outcome)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run_demo(tmp_path / "out", None, None, None) == 0
    printed = capsys.readouterr().out
    assert "noise reduction" in printed
    assert "pip install 'densenoiser[demo]'" in printed
    assert not (tmp_path / "out" / "spectrograms.png").exists()
