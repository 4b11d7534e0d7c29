"""Some seconds of the microphone and of what programs hear, kept in memory to compare them by ear and by figures."""

from __future__ import annotations

import io
import math

import numpy as np
import numpy.typing as npt
import soundfile

from densenoiser_models.stft import Samples

from ..engine.band_levels import WINDOW, BandLevels

_COLUMNS_A_SECOND = 20
_SPEECH_RANGE_DB = 25.0
"""Frames this much below the loudest of the filtered side, or less, are speech."""
_PAUSE_RANGE_DB = 35.0
_FRAMES_A_SECOND = 50
_FEWEST_FRAMES = 10


class Take:
    """Both sides of the filter, of the same moments. Nothing changes it."""

    def __init__(self, microphone: Samples, clean: Samples, rate: int) -> None:
        """Before and after the filter, shape (samples,), at ``rate`` Hz."""
        self.microphone, self.clean, self.rate = microphone, clean, rate
        levels = BandLevels(rate)
        self.spectra = _columns(microphone, levels, rate), _columns(clean, levels, rate)
        """Levels in bands of both, 48 bytes a column, 20 columns a second."""
        self.noise_down_db, self.voice_changed_db = _figures(_powers(microphone, rate), _powers(clean, rate))
        """By how much the pauses are quieter, and the voice louder (quieter: negative), the noise's share taken off, dB.
        NaN if there was no pause, or nobody spoke."""

    @property
    def sides(self) -> tuple[Samples, Samples]:
        """Before and after."""
        return self.microphone, self.clean

    def wav(self) -> tuple[bytes, bytes]:
        """Both as WAV files, 24 bit."""
        microphone, clean = (_wav(side, self.rate) for side in self.sides)
        return microphone, clean


def _wav(side: Samples, rate: int) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, side, rate, subtype="PCM_24", format="WAV")
    return stream.getvalue()


def _columns(side: Samples, levels: BandLevels, rate: int) -> bytes:
    step = rate // _COLUMNS_A_SECOND
    padded = np.concatenate([np.zeros(WINDOW, np.float32), side])
    moments = [padded[end : end + WINDOW] for end in range(step, len(side) + 1, step)]
    return b"".join(levels.of(*moments)) if moments else b""


def _powers(side: Samples, rate: int) -> npt.NDArray[np.float64]:
    """Mean squares of frames, shape (frames,)."""
    length = rate // _FRAMES_A_SECOND
    whole = len(side) // length * length
    return np.asarray(np.mean(side[:whole].astype(np.float64).reshape(-1, length) ** 2, axis=1) + 1e-12)


def _figures(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> tuple[float, float]:
    """By what the noise fell and the voice changed, dB. The filtered side tells speech from pauses."""
    if len(after) < _FEWEST_FRAMES:
        return math.nan, math.nan
    loudest = np.percentile(after, 95)
    speech = after > loudest * 10 ** (-_SPEECH_RANGE_DB / 10)
    pauses = after < loudest * 10 ** (-_PAUSE_RANGE_DB / 10)
    is_noise_alone = loudest < np.percentile(before, 95) * 10 ** (-_SPEECH_RANGE_DB / 10)
    if is_noise_alone:
        speech, pauses = np.zeros_like(speech), np.ones_like(pauses)
    noise_down = voice_changed = math.nan
    noise_before = noise_after = 0.0
    if np.count_nonzero(pauses) >= _FEWEST_FRAMES:
        noise_before, noise_after = float(np.mean(before[pauses])), float(np.mean(after[pauses]))
        noise_down = 10 * math.log10(noise_before / noise_after)
    if np.count_nonzero(speech) >= _FEWEST_FRAMES:
        voice_before = float(np.mean(before[speech])) - noise_before
        voice_after = float(np.mean(after[speech])) - noise_after
        if voice_before > 0.0 and voice_after > 0.0:
            voice_changed = 10 * math.log10(voice_after / voice_before)
    return noise_down, voice_changed
