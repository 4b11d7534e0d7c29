"""The pool: spectra as the stream sees them, levels and limits measured, mixtures repeatable."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from densenoiser_models.bands import BAND_BINS, LOW_BINS, SPEC
from densenoiser_models.corpus.band_spectra import analyse, power
from densenoiser_models.corpus.mixer import KNOCK_FRAMES, OTHERS, Mixer, Mixture
from densenoiser_models.corpus.pool import POOL_LEVEL_DB, Pool, build_pool
from densenoiser_models.corpus.recordings import gate_pauses, read_mono
from densenoiser_models.corpus.room_response import recorded_room, reverberate
from densenoiser_models.corpus.voice_channel import through_codec, through_line
from densenoiser_models.errors import AudioFileError, ModelError
from densenoiser_models.signal.speech_activity import active_level
from densenoiser_models.stft import Analysis
from densenoiser_models.training.cli import main

from ...support.recordings import hiss, make_trees, voice, write


@pytest.fixture(scope="module")
def pool_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pool")
    speech, noise = make_trees(root)
    write(noise / "silent.wav", np.zeros(48_000, np.float32), 48_000)
    list(build_pool(root / "pool", [speech], [noise], synthetic_hours=0.004, seed=5, workers=1))
    return root / "pool"


def test_whole_signals_and_streams_have_the_same_spectra() -> None:
    sound = hiss(0, 0.5, SPEC.sample_rate)
    low, high = analyse(sound)
    analysis = Analysis(SPEC)
    for i, frame in enumerate(sound.reshape(-1, SPEC.hop)):
        spectrum = analysis.process(frame)
        np.testing.assert_allclose(low[i].view(np.complex64)[:, 0], spectrum[1 : 1 + LOW_BINS], atol=1e-5)
        bands = np.abs(spectrum[1 + LOW_BINS :]).reshape(-1, BAND_BINS)
        np.testing.assert_allclose(high[i], np.sqrt(np.mean(bands**2, axis=1)), atol=1e-5)


def test_a_pool_holds_every_usable_recording(pool_folder: Path) -> None:
    pool = Pool(pool_folder)
    assert len(pool.speech.lengths) == len(pool.room_speech.lengths) == 4
    assert len(pool.noise.lengths) == 3  # two recordings and 14 s of machine noise
    assert "silent" in (pool_folder / "left_out.csv").read_text(encoding="utf-8")


def test_everything_in_a_pool_has_its_level(pool_folder: Path) -> None:
    pool = Pool(pool_folder)
    expected = 10 ** (POOL_LEVEL_DB / 10) * SPEC.fft_size**2 / 4
    for part in (pool.speech, pool.noise):
        for start, length in zip(part.starts, part.lengths, strict=True):
            cut = slice(start + 3, start + length)
            level = power(part.low[cut].astype(np.float32), part.high[cut].astype(np.float32))
            active = level[level >= np.percentile(level, 95) * 10**-2.5]
            # Frames overlap, so those at the edge of a word count with it: 1.5 dB.
            assert 10 * np.log10(active.mean() / expected) == pytest.approx(0, abs=1.5)


def test_a_recordings_own_band_limit_is_found(pool_folder: Path) -> None:
    pool = Pool(pool_folder)
    covered = [int(pool.speech.covered[start]) for start in pool.speech.starts]
    assert covered[:3] == [0, 0, 0]  # 16 kHz
    assert covered[3] >= 14  # 48 kHz


def test_pools_do_not_depend_on_the_number_of_workers(pool_folder: Path, tmp_path: Path) -> None:
    root = pool_folder.parent
    list(build_pool(tmp_path, [root / "speech"], [root / "noise"], synthetic_hours=0.004, seed=5, workers=2))
    for path in sorted(pool_folder.iterdir()):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


@pytest.mark.parametrize("damage", [lambda f: (f / "pool.json").unlink(), lambda f: (f / "noise.low").unlink()])
def test_a_damaged_pool_is_an_error_that_says_so(
    pool_folder: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    for path in pool_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damage(tmp_path)
    with pytest.raises(AudioFileError, match=str(tmp_path)):
        Pool(tmp_path)


def test_hissing_pauses_are_turned_down_and_speech_is_not() -> None:
    rate = SPEC.sample_rate
    speech = voice(1, 4.0, rate)
    words = np.repeat((np.arange(8) % 2 == 0).astype(np.float32), rate // 2)
    hissing = speech * words + 0.05 * hiss(2, 4.0, rate)
    gated = gate_pauses(hissing)
    pause = slice(int(1.72 * rate), int(1.8 * rate))
    assert 20 * np.log10(np.std(gated[pause]) / np.std(hissing[pause])) == pytest.approx(-20, abs=1)
    assert active_level(gated) == pytest.approx(active_level(hissing), rel=0.01)


PLAIN = Mixture(
    noise_only=0, clean_only=0, room=0, babble=0, equaliser=0, low_pass=0, knock=0, gated=0, reversed=0, shifted=0
)


def test_a_number_decides_a_batch(pool_folder: Path) -> None:
    mixers = [Mixer(Pool(pool_folder), Mixture(), seed=2, batch=3, frames=80) for _ in range(2)]
    mixers[1].draw(0)
    one, two, other = mixers[0].draw(7), mixers[1].draw(7), mixers[0].draw(8)
    for name in one.__dataclass_fields__:
        assert torch.equal(getattr(one, name), getattr(two, name))
    assert not torch.equal(one.noisy_low, other.noisy_low)


def test_mixtures_are_what_the_plan_says(pool_folder: Path) -> None:
    plain = replace(PLAIN, snr_db=(5, 5))
    silence = Mixer(Pool(pool_folder), replace(plain, noise_only=1.0), 0, 4, 80).draw(0)
    assert silence.clean_low.abs().max() == 0
    assert silence.noisy_low.square().mean((1, 2, 3)).min() > 0
    clean = Mixer(Pool(pool_folder), replace(plain, clean_only=1.0), 0, 4, 80).draw(0)
    assert torch.equal(clean.noisy_low, clean.clean_low)
    mixed = Mixer(Pool(pool_folder), plain, 0, 8, 200).draw(0)
    noise = mixed.noisy_low - mixed.clean_low
    speech_power = mixed.clean_low.square().sum((2, 3)) + BAND_BINS * mixed.clean_high.square().sum(2)
    noise_high = mixed.noisy_high.square() - mixed.clean_high.square()
    noise_power = noise.square().sum((2, 3)) + BAND_BINS * noise_high.sum(2)
    for s, n in zip(speech_power, noise_power, strict=True):
        active = s[s >= s.mean() / 10].mean()
        assert 10 * torch.log10(active / n[n >= n.mean() / 10].mean()).item() == pytest.approx(5, abs=0.1)


def test_a_knock_comes_with_the_onset_of_a_word(pool_folder: Path) -> None:
    batch = Mixer(Pool(pool_folder), replace(PLAIN, snr_db=(200, 200), knock=1.0), 0, 8, 150).draw(0)
    knock = (batch.noisy_low - batch.clean_low).square().sum((2, 3))
    speech = batch.clean_low.square().sum((2, 3))
    heard = [i for i in range(8) if knock[i].max() > 1e-3 * speech[i].max()]
    assert len(heard) >= 6  # a crop may have no onset
    for i in heard:
        loud = torch.nonzero(knock[i] > 1e-6 * knock[i].max()).flatten()
        assert len(loud) <= KNOCK_FRAMES
        around = speech[i, max(int(loud[0]) - 3, 0) : int(loud[-1]) + 3]
        assert around.max() > 0.1 * speech[i].mean()


def noise_of(pool_folder: Path, **changes: Any) -> torch.Tensor:
    """Low bins of one noise alone, (frames, 256, 2), with something done to it."""
    plan = replace(PLAIN, noise_only=1.0, **changes)
    return Mixer(Pool(pool_folder), plan, 3, 1, 150).draw(0).noisy_low[0]


def test_a_gated_noise_goes_on_and_off(pool_folder: Path) -> None:
    plain, gated = (noise_of(pool_folder, gated=odds).square().sum((1, 2)) for odds in (0.0, 1.0))
    assert (plain > 0).all()
    silent = gated < 1e-9 * gated.max()
    assert 0 < int(silent.sum()) < len(gated)


def test_a_shifted_noise_is_moved_along_frequency(pool_folder: Path) -> None:
    plain, shifted = (noise_of(pool_folder, shifted=odds).square().sum((0, 2)) for odds in (0.0, 1.0))
    (empty,) = torch.nonzero(shifted == 0, as_tuple=True)
    assert 4 <= len(empty) <= 32
    bins = len(empty) if empty[0] == 0 else -len(empty)
    moved = torch.roll(plain, bins)[shifted > 0]
    assert torch.corrcoef(torch.stack([moved.log(), shifted[shifted > 0].log()]))[0, 1] > 0.99


def test_a_reversed_noise_runs_backwards(pool_folder: Path) -> None:
    plain, backwards = (noise_of(pool_folder, reversed=odds).square().sum((1, 2)) for odds in (0.0, 1.0))
    torch.testing.assert_close(backwards / backwards.sum(), plain.flip(0) / plain.sum())


def test_odds_go_by_the_names_of_groups(pool_folder: Path) -> None:
    def drawn(**noises: float) -> torch.Tensor:
        plan = replace(PLAIN, noise_only=1.0, noises=noises)
        return Mixer(Pool(pool_folder), plan, 3, 6, 60).draw(0).noisy_low

    assert torch.equal(drawn(machine_noise=1.0), drawn(machine_noise=0.2))  # no other has any
    assert not torch.equal(drawn(machine_noise=1.0), drawn(DEMAND=1.0))
    assert torch.equal(drawn(DEMAND=1.0), drawn(**{"noise/DEMAND": 1.0}))
    assert not torch.equal(drawn(DEMAND=1.0), drawn(**{OTHERS: 1.0}))
    with pytest.raises(ModelError, match="noise/DEMAND"):
        drawn(rain=1.0)


def test_a_manifest_names_the_kinds_of_noises(pool_folder: Path, tmp_path: Path) -> None:
    speech, noise = make_trees(tmp_path)
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,noise_class\nnoise/DEMAND/DKITCHEN/ch01.wav,household\nspeech/a.flac,\n")
    list(
        build_pool(tmp_path / "pool", [speech], [noise], 0.004, seed=5, workers=1, manifest=manifest, made_hours=0.004)
    )
    expected = {"household", "noise/ESC-50", "machine_noise", "procedural"}
    assert set(Pool(tmp_path / "pool").noise.groups) == expected
    manifest.write_text("file,kind\n1,2\n")
    with pytest.raises(AudioFileError, match=r"manifest\.csv"):
        list(build_pool(tmp_path / "pool", [speech], [noise], 0.0, seed=5, workers=1, manifest=manifest))


def test_recorded_rooms_are_heard(tmp_path: Path) -> None:
    speech, noise = make_trees(tmp_path)
    echo = np.zeros(24_000, np.float32)
    echo[[1000, 1000 + 9600]] = 1.0, 0.5  # an echo after 200 ms
    write(tmp_path / "rooms/echo.wav", echo, 48_000)
    rooms = [tmp_path / "rooms"]
    sources = ["--speech", str(speech), "--noise", str(noise), "--rooms", *map(str, rooms)]
    options = ["--synthetic-hours", "0", "--seed", "5", "--workers", "1"]
    assert main(["pool", *sources, *options, "--out", str(tmp_path / "pool")]) == 0
    index = json.loads((tmp_path / "pool/pool.json").read_text(encoding="utf-8"))
    assert len(index["files"]["room_speech"]) == 4
    response = recorded_room(tmp_path / "rooms/echo.wav")
    dry = np.zeros(48_000, np.float32)
    dry[4800] = 1.0
    wet = reverberate(dry, response)
    assert len(wet) == len(dry)
    peaks = np.flatnonzero(np.abs(wet) > 0.4)
    assert peaks[-1] - peaks[0] == pytest.approx(9600, abs=4)
    list(build_pool(tmp_path / "simulated", [speech], [noise], 0.0, seed=5, workers=1))
    simulated = Pool(tmp_path / "simulated").room_speech
    assert not np.array_equal(Pool(tmp_path / "pool").room_speech.low, simulated.low)
    with pytest.raises(AudioFileError, match="no room response"):
        recorded_room(write(tmp_path / "zeros.wav", np.zeros(4800, np.float32), 48_000))
    assert np.argmax(np.abs(recorded_room(tmp_path / "rooms/echo.wav"))) == 24


def test_a_line_keeps_every_sample_in_its_place() -> None:
    sound = voice(3, 2.0, 48_000)
    coded = through_codec(sound, 0.9)
    assert coded.shape == sound.shape
    error = np.mean((coded[4800:-4800] - sound[4800:-4800]) ** 2) / np.mean(sound[4800:-4800] ** 2)
    assert error < 0.1  # 480 samples off, it would be 2
    outcomes = [through_line(np.random.default_rng(seed), sound) for seed in range(40)]
    untouched = [np.array_equal(x, sound) for x in outcomes]
    assert 25 <= sum(untouched) < 40
    assert any(np.abs(x).max() < 0.9 * np.abs(sound).max() for x in outcomes)


def test_any_rate_and_channel_count_is_read(tmp_path: Path) -> None:
    stereo = np.stack([hiss(0, 1.0, 22_050), hiss(1, 1.0, 22_050)], axis=1)
    assert read_mono(write(tmp_path / "a.wav", stereo, 22_050)).shape == (48_000,)
