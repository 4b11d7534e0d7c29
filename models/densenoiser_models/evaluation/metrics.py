"""Computes the scores of one recording: published metrics from their own packages, and what users complain of.

All audio is mono float32 at 48 kHz, shape (samples,), in [-1, 1], already lined up. Levels are in dB. A score is NaN if
the recording has nothing to measure, such as no pause, no onset, or nothing above 8 kHz.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import soxr

from ..signal.level import level_db
from ..signal.si_sdr import si_sdr
from ..signal.speech_activity import RATE, SpeechActivity
from ..stft import Samples

NARROW_RATE = 16_000
"""The sample rate at which PESQ, STOI, SI-SDR and DNSMOS are computed, Hz."""
DNSMOS_SECONDS = 9.01
DNSMOS_HOP_SECONDS = 4.5
ONSET_SECONDS = 0.030
HIGH_BAND_HZ = (8_000.0, 20_000.0)
FULL_BAND_FLOOR_DB = -50.0
"""A clip is full-band if its speech's level in the high band is less than this below its whole level."""

Score = dict[str, float]
Metric = Callable[[Samples, Samples, Samples], Score]
"""Takes (clean, noisy, output) and returns named figures."""


class MissingMetricError(Exception):
    """A metric's package or weights are missing. The message says how to get them."""


def onset_loss_db(clean: Samples, output: Samples, activity: SpeechActivity) -> float:
    """How much the first 30 ms of words are attenuated, dB, median over the words. 0 is no loss.

    The output is projected on the clean word, so that noise left over does not count as speech.
    """
    losses = []
    for onset in activity.onsets:
        word = slice(onset, onset + round(ONSET_SECONDS * RATE))
        energy = np.dot(clean[word], clean[word])
        if len(clean[word]) and energy > 0:
            kept = max(float(np.dot(output[word], clean[word]) / energy), 1e-3)
            losses.append(-20 * math.log10(kept))
    return float(np.median(losses)) if losses else math.nan


def musical_noise(noisy: Samples, output: Samples, activity: SpeechActivity) -> float:
    """The log ratio of the power spectrum's kurtosis in pauses, output to input. 0 is none; above 0.5 it is audible.

    Isolated peaks raise the kurtosis (Uemura et al., "Automatic optimization scheme of spectral subtraction based on
    musical noise assessment via higher-order statistics", IWAENC 2008). The kurtosis is the mean over single bins.
    """
    frame, hop = 1536, 768
    window = np.hanning(frame)
    starts = [s for s in range(0, len(noisy) - frame, hop) if activity.pauses[s : s + frame].all()]
    if len(starts) < 12:
        return math.nan
    kurtoses = []
    for audio in (noisy, output):
        frames = np.stack([audio[s : s + frame] * window for s in starts])
        power = np.abs(np.fft.rfft(frames, axis=1)[:, 4:256]) ** 2
        second, fourth = np.mean(power**2, axis=0), np.mean(power**4, axis=0)
        heard = second > 1e-24
        if not heard.any():
            return math.nan
        kurtoses.append(np.mean(fourth[heard] / second[heard] ** 2))
    return math.log(kurtoses[1] / kurtoses[0])


def high_band(audio: Samples) -> Samples:
    """The part of ``audio`` between 8 and 20 kHz."""
    spectrum = np.fft.rfft(audio)
    frequencies = np.fft.rfftfreq(len(audio), 1 / RATE)
    spectrum[(frequencies < HIGH_BAND_HZ[0]) | (frequencies > HIGH_BAND_HZ[1])] = 0
    return np.asarray(np.fft.irfft(spectrum, len(audio)), np.float32)


def is_full_band(clean: Samples) -> bool:
    """Whether the speech has content above 8 kHz worth keeping."""
    active = SpeechActivity.of(clean).active
    return bool(active.any()) and level_db(high_band(clean)[active]) > level_db(clean[active]) + FULL_BAND_FLOOR_DB


def intrusive(clean: Samples, _: Samples, output: Samples) -> Score:
    """PESQ-WB, STOI, ESTOI and SI-SDR against the clean recording, at 16 kHz."""
    pesq, pystoi = _package("pesq", "pesq"), _package("pystoi", "pystoi")
    reference, degraded = _narrow(clean), _narrow(output)
    pesq_wb = math.nan
    if reference.any() and degraded.any():
        with contextlib.suppress(pesq.PesqError):  # no speech found in one of the two
            pesq_wb = float(pesq.pesq(NARROW_RATE, reference, degraded, "wb"))
    return {
        "PESQ": pesq_wb,
        "STOI": float(pystoi.stoi(reference, degraded, NARROW_RATE)),
        "ESTOI": float(pystoi.stoi(reference, degraded, NARROW_RATE, extended=True)),
        "SI-SDR": si_sdr(reference, degraded),
    }


def dnsmos(_: Samples, __: Samples, output: Samples) -> Score:
    """DNSMOS P.835: predicted ratings of speech, background and overall, 1 to 5 (Reddy et al., ICASSP 2022).

    It rates as the speechmos package does, pieces of 9.01 s at 16 kHz, with shorter recordings repeated. But it rates
    every 4.5 s instead of every second, because each rating takes a core half a second.
    """
    session, correct = _dnsmos_model()
    audio = np.clip(_narrow(output), -1.0, 1.0)
    length = int(DNSMOS_SECONDS * NARROW_RATE)
    while 0 < len(audio) < length:
        audio = np.append(audio, audio)
    starts = range(0, len(audio) - length + 1, int(DNSMOS_HOP_SECONDS * NARROW_RATE))
    raw = np.mean([session.run(None, {"input_1": audio[None, s : s + length]})[0][0] for s in starts], axis=0)
    return dict(zip(("SIG", "BAK", "OVRL"), map(float, correct(*raw, False)), strict=True))


def nisqa(weights: Path) -> Metric:
    """A metric with NISQA v2's five ratings, from the file ``weights`` (Mittag et al., Interspeech 2021).

    The weights are for non-commercial use and are not shipped. MissingMetricError if they or a package are missing.
    """
    implementation = _package("torchmetrics.functional.audio.nisqa", "torchmetrics")
    torch = _package("torch", "torch")
    _package("librosa", "librosa")
    if not weights.is_file():
        raise MissingMetricError(f"NISQA: no weights at {weights}")
    checkpoint = torch.load(weights, map_location="cpu", weights_only=True)
    network = implementation._NISQADIM(checkpoint["args"])
    network.load_state_dict(checkpoint["model_state_dict"])
    # torchmetrics' own loader reads only a path in the home folder, and downloads the weights if they are missing.
    implementation._load_nisqa_model = lambda: (network, checkpoint["args"])
    names = ("NISQA", "NISQA noisiness", "NISQA discontinuity", "NISQA coloration", "NISQA loudness")

    def rate(_: Samples, __: Samples, output: Samples) -> Score:
        rated = implementation.non_intrusive_speech_quality_assessment(torch.from_numpy(output), RATE)
        return dict(zip(names, rated.tolist(), strict=True))

    return rate


def complaints(clean: Samples, noisy: Samples, output: Samples) -> Score:
    """Measures lost word onsets, noise left in pauses, and musical noise."""
    activity = SpeechActivity.of(clean)
    pauses = activity.pauses
    return {
        "onset loss dB": onset_loss_db(clean, output, activity),
        "pause residual dB": level_db(output[pauses]) - level_db(noisy[pauses]) if pauses.any() else math.nan,
        "musical noise": musical_noise(noisy, output, activity),
    }


def safety(clean: Samples, noisy: Samples, enhance: Callable[[Samples], Samples]) -> Score:
    """Measures what a system does to clean speech and to noise alone, dB. The output of ``enhance`` must be lined up.

    The scores are the level change of clean speech near -26 dBFS and at -45 dBFS, the loss at its word onsets, the level
    change of its 8-20 kHz band if it has one, and that of the pair's noise alone after the first half second.
    """
    active = SpeechActivity.of(clean).active
    if not active.any():
        return {}
    speech = clean * np.float32(10 ** ((-26.0 - level_db(clean[active])) / 20))
    speech *= np.float32(min(1.0, 0.99 / np.max(np.abs(speech))))
    quiet = speech * np.float32(10 ** ((-45.0 - level_db(speech[active])) / 20))
    kept, kept_quiet = enhance(speech), enhance(quiet)
    scores = {
        "clean level dB": level_db(kept[active]) - level_db(speech[active]),
        "quiet level dB": level_db(kept_quiet[active]) - level_db(quiet[active]),
        "clean onset loss dB": onset_loss_db(speech, kept, SpeechActivity.of(speech)),
    }
    if is_full_band(speech):
        # Only during speech, because removing the hiss in the pauses is right.
        scores["high band dB"] = level_db(high_band(kept)[active]) - level_db(high_band(speech)[active])
    noise = noisy - clean
    settled = slice(RATE // 2, None)
    if level_db(noise[settled]) > -80.0:
        scores["noise only dB"] = level_db(enhance(noise)[settled]) - level_db(noise[settled])
    return scores


def available(nisqa_weights: Path | None) -> tuple[Mapping[str, Metric], list[str]]:
    """The metrics that can be computed on this machine, and a line for each that cannot."""
    makers: dict[str, Callable[[], Metric]] = {
        "intrusive": _checked(intrusive, "pesq", "pystoi"),
        "dnsmos": _checked(dnsmos, "speechmos.dnsmos"),
        "complaints": lambda: complaints,
    }
    missing = []
    if nisqa_weights is None:
        missing.append("NISQA: give its weights with --nisqa-weights (nisqa.tar of the NISQA project, non-commercial)")
    else:
        makers["nisqa"] = lambda: nisqa(nisqa_weights)
    found = {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except MissingMetricError as error:
            missing.append(str(error))
    return found, missing


def _checked(metric: Metric, *packages: str) -> Callable[[], Metric]:
    def make() -> Metric:
        for package in packages:
            _package(package, package.partition(".")[0])
        return metric

    return make


def _package(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingMetricError(
            f"{package} is missing ({error}): pip install {package}, or densenoiser[eval]"
        ) from error


def _narrow(audio: Samples) -> Samples:
    narrow: Samples = soxr.resample(audio, RATE, NARROW_RATE, "VHQ")
    return narrow


@cache
def _dnsmos_model() -> tuple[ort.InferenceSession, Callable[..., tuple[float, float, float]]]:
    """The speechmos package's graph and its correction of the ratings.

    The graph runs on one thread, because its default number of threads slows other processes down.
    """
    module = _package("speechmos.dnsmos", "speechmos")
    path = Path(module.__file__).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session, partial(module.DNSMOS.get_polyfit_val, None)
