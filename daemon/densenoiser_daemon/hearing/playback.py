"""Plays one side of the filter as it comes: faded in, at a steady delay, and quiet when it comes back."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Protocol

import numpy as np

from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples

from ..engine.clock_drift import stretch
from .feedback import FeedbackWatch
from .pace import Pace

_FADE_IN_SECONDS = 0.5


class What(StrEnum):
    """What can be asked for."""

    NOTHING = "nothing"
    """The microphone is open, so that there is something to look at. Nothing is played."""
    MICROPHONE = "microphone"
    CLEAN = "clean"
    REMOVED = "removed"
    TAKE = "take"
    """Ten seconds are kept."""
    TAKE_MICROPHONE = "take-microphone"
    TAKE_CLEAN = "take-clean"


class Output(Protocol):
    """Where it is heard; see ``audio.pulse.output.DefaultOutput``. One thread. Errors: BackendError, DeviceError."""

    def follow(self) -> None: ...
    def wait(self, seconds: float) -> None: ...
    def write(self, samples: Samples) -> None: ...
    def close(self) -> None: ...
    @property
    def is_ready(self) -> bool: ...
    @property
    def latency(self) -> float | None: ...
    @property
    def xruns(self) -> int: ...


class LivePlayback:
    """Owned by the thread that plays."""

    def __init__(self, what: What, spec: FrameSpec, output: Output) -> None:
        """``what`` is the microphone, the clean side, or what was removed."""
        self._what = what
        self._hop = spec.hop
        self._fade_in = spec.hop / spec.sample_rate / _FADE_IN_SECONDS
        self._output = output
        self._pace = Pace(spec.sample_rate, spec.hop)
        self._watch = FeedbackWatch(spec.sample_rate)
        self._gain = 0.0
        self._xruns = 0

    @property
    def is_feedback(self) -> bool:
        """What was played came back through the microphone."""
        return self._watch.is_feedback

    def play(self, before: Samples, after: Samples) -> None:
        """Whole frames of both sides, of the same moments. BackendError."""
        if self._output.xruns != self._xruns:
            self._xruns = self._output.xruns
            self._pace.note_underrun()
        sound = self._chosen(before, after)
        for start in range(0, len(sound), self._hop):
            latency = self._output.latency
            if self._pace.is_late(latency):
                continue  # it came in a burst: rather a gap than to be late for ever
            frame = self._faded(sound[start : start + self._hop])
            self._watch.note(before[start : start + self._hop], frame)
            rms = math.sqrt(float(frame @ frame) / self._hop)
            self._output.write(stretch(frame, self._pace.correction(latency, rms)))

    def _chosen(self, before: Samples, after: Samples) -> Samples:
        if self._what is What.MICROPHONE:
            return before
        return after if self._what is What.CLEAN else before - after

    def _faded(self, frame: Samples) -> Samples:
        wanted = min(self._watch.gain, self._gain + self._fade_in)
        ramp = np.linspace(self._gain, wanted, self._hop, dtype=np.float32)
        self._gain = wanted
        return frame * ramp
