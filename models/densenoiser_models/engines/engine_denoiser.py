"""A filter of another project behind the Denoiser contract: delay, strength, faults and silence as for our own models."""

from __future__ import annotations

import math
from gettext import gettext as _
from typing import Protocol

import numpy as np

from ..errors import EngineError
from ..frame import FrameSpec
from ..signal.lag import whole_lag
from ..stft import Samples
from ..strength import FULL_STRENGTH, mask_floor

_LONGEST_DELAY = 4800
_TRIAL_SECONDS = 1.0
WANDERING = 48
"""How much the delay may differ between two trials, samples. It is 1 ms."""
_FAINTEST = 1e-4
"""The trial's voice, which is no real one, leaves some filters 50 dB fainter. One that is 80 dB fainter did not get through."""


class Filter(Protocol):
    """What an engine has to do. Owned by one thread at a time."""

    def process(self, frame: Samples) -> Samples:
        """Filters one frame of 10 ms at 48 kHz, shape (480,), float32. The result is valid until the next call."""
        ...

    def reset(self) -> None:
        """Forgets past audio as far as it could be heard. May take longer than a frame: it is called between streams."""
        ...


class EngineDenoiser:
    """Denoiser on a ``Filter``. What is left of the input at less than full strength is delayed as the filter delays."""

    def __init__(
        self, filter: Filter, name: str, strength_db: float = FULL_STRENGTH, latency_samples: int | None = None
    ) -> None:
        """``filter`` is fresh. Without ``latency_samples`` its delay is measured; EngineError if it cannot be."""
        self.name = name
        self._filter = filter
        self._spec = FrameSpec()
        if latency_samples is None:
            latency_samples = measure_latency(filter, self._spec)
            filter.reset()
        self._latency = latency_samples
        self._past = np.zeros(self._latency + self._spec.hop, np.float32)
        """The newest samples: its first hop is what a plain delay would give now."""
        self._output = np.zeros(self._spec.hop, np.float32)
        self._is_fresh = True
        self._fault: str | None = None
        self.strength_db = strength_db

    @property
    def spec(self) -> FrameSpec:
        return self._spec

    @property
    def latency_samples(self) -> int:
        return self._latency

    @property
    def fault(self) -> str | None:
        return self._fault

    @property
    def strength_db(self) -> float:
        return self._strength_db

    @strength_db.setter
    def strength_db(self, value: float) -> None:
        self._floor = np.float32(mask_floor(value))
        self._strength_db = value

    def process(self, frame: Samples) -> Samples:
        hop = self._spec.hop
        self._past[:-hop] = self._past[hop:]
        self._past[-hop:] = frame
        dry = self._past[:hop]
        self._output[:] = dry
        if self._fault is not None:
            return self._output
        if self._floor >= 1.0:
            self._fault = self._freshen()  # its past would be out of date when it runs again
            return self._output
        self._is_fresh = False
        try:
            clean = self._filter.process(frame)
        except Exception as error:  # engines raise what they like; this is their boundary
            self._fault = self._failure(error)
            return self._output
        if not math.isfinite(float(clean @ clean)):
            self._fault = _("the output of {name} is not finite").format(name=self.name)
            return self._output
        np.multiply(clean, np.float32(1.0) - self._floor, out=self._output)
        if self._floor > 0.0:
            self._output += self._floor * dry
        return self._output

    def recover(self) -> None:
        self._fault = self._freshen()

    def reset(self) -> None:
        self._past[:] = 0.0
        self.recover()

    def _freshen(self) -> str | None:
        """Reset the filter if it has run since the last time, or has failed. Why it cannot be, or None."""
        if not self._is_fresh or self._fault is not None:
            try:
                self._filter.reset()
            except Exception as error:  # as in process
                return self._failure(error)
            self._is_fresh = True
        return None

    def _failure(self, error: Exception) -> str:
        return _("{name} failed: {error}").format(name=self.name, error=error)


def measure_latency(filter: Filter, spec: FrameSpec) -> int:
    """Delay of the output stream behind the input stream, samples, by two trials on a voice-like signal.

    EngineError if they disagree by more than 1 ms, or if no voice comes out.
    """
    found = []
    for pitch in (110.0, 190.0):
        voice = voice_like(pitch, spec)
        silence = np.zeros(_LONGEST_DELAY // spec.hop * spec.hop, np.float32)
        frames = np.concatenate([voice, silence]).reshape(-1, spec.hop)
        heard = np.concatenate([filter.process(frame).copy() for frame in frames])
        if not np.isfinite(heard).all():
            raise EngineError(_("its output is not finite"))
        if np.linalg.norm(heard) < _FAINTEST * np.linalg.norm(voice):
            raise EngineError(_("it lets no voice through"))
        found.append(whole_lag(voice, heard, _LONGEST_DELAY))
    if abs(found[0] - found[1]) > WANDERING:
        raise EngineError(
            _("its delay wanders between {first} and {second} samples").format(first=found[0], second=found[1])
        )
    return found[1]


def voice_like(pitch: float, spec: FrameSpec) -> Samples:
    """Harmonics of a gliding pitch (Hz) under the resonances of an open vowel, in syllables; whole frames, -20 dBFS."""
    count = round(_TRIAL_SECONDS * spec.sample_rate) // spec.hop * spec.hop
    times = np.arange(count) / spec.sample_rate
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.15 * np.sin(2 * np.pi * 1.3 * times))) / spec.sample_rate
    sound = np.zeros(count)
    for harmonic in range(1, 40):
        frequency = harmonic * pitch
        level = sum(np.exp(-(((frequency - centre) / width) ** 2)) for centre, width in _FORMANTS) + 0.02
        sound += level * np.sin(harmonic * phase)
    sound *= np.sin(2 * np.pi * 2.0 * times) ** 2
    return np.asarray(0.1 * sound / np.sqrt(np.mean(sound**2)), np.float32)


_FORMANTS = ((700.0, 130.0), (1220.0, 150.0), (2600.0, 250.0))
"""Centre and width of an open vowel's resonances, Hz (Peterson and Barney, "Control methods used in a study of the
vowels", 1952)."""
