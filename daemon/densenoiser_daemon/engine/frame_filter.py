"""Turns a captured frame into the one applications hear: denoise, cross-fade, mute, survive faults, measure levels."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from densenoiser_models.denoiser import Denoiser
from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples

from ..i18n import _
from ..status import Fact, ReasonCode
from .fallback_ladder import FallbackLadder, Rung
from .frame_tap import FrameTap
from .level_meter import LevelMeter

log = logging.getLogger(__name__)

_FAULT_RETRY_SECONDS = 5.0
_PROBATION_SECONDS = 1.0
_SWAP_FRAMES = 6
"""How long a new denoiser runs beside the old one, until its past is filled: a little over the transform's length."""
_SILENT_ENERGY = 1e-20
"""A frame below this sum of squares (-200 dBFS) becomes exact silence, so that no filter computes with denormals."""


class FrameFilter:
    """The denoiser in use, and everything that changes what is heard of it. Each change takes one frame and makes no click.

    Owned by the audio thread, except ``use`` and ``use_lighter``.
    """

    def __init__(
        self, denoiser: Denoiser, model: str, provider: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``model`` and ``provider`` name the denoiser. ``clock`` counts seconds from anywhere."""
        self.meter = LevelMeter(denoiser.spec.hop)
        self.tap = FrameTap(denoiser.spec)
        self.fault: str | None = None
        """Why frames pass through unfiltered, from the fault until the model has worked again for a while."""
        self._clock = clock
        self._ladder = FallbackLadder(Rung(denoiser, model, provider))
        self._rung = self._ladder.rung
        self._denoiser = denoiser
        self._requests: deque[tuple[Rung | None, Rung | None]] = deque()
        self._incoming: Rung | None = None
        self._swap_frames = 0
        self._fault_since = 0.0
        self._is_hushed = False
        """A model has failed and another is on its way: until then nothing is heard."""
        self._output = np.zeros(denoiser.spec.hop, np.float32)
        self._ramp = np.arange(1, denoiser.spec.hop + 1, dtype=np.float32) / denoiser.spec.hop
        self._gain = 1.0
        if denoiser.fault is not None:
            self._announce(denoiser.fault)

    @property
    def spec(self) -> FrameSpec:
        """Rate and hop, the same for every denoiser that is used, and the transform of this one."""
        return self._denoiser.spec

    @property
    def latency_seconds(self) -> float:
        """Delay from a sample's arrival to its output, s: the time to fill a frame, and the delay of the denoiser in use."""
        return (self.spec.hop + self._denoiser.latency_samples) / self.spec.sample_rate

    @property
    def model(self) -> str:
        """Name of the model in use; empty while none runs."""
        return self._rung.model

    @property
    def provider(self) -> str:
        """Where the model runs; empty while none does."""
        return self._rung.provider

    @property
    def is_bypassed(self) -> bool:
        """Whether frames pass through unfiltered, because of a fault or because the machine is too slow."""
        return self.fault is not None or self._ladder.is_bypass

    @property
    def reason(self) -> Fact:
        """Why the chosen model does not run; empty while it does."""
        return Fact(ReasonCode.MODEL_FAILED, {"error": self.fault}) if self.fault is not None else self._ladder.reason

    def use(self, chosen: Rung, lighter: Rung | None = None) -> None:
        """Change over to another denoiser with a cross-fade. Step down to ``lighter`` while the machine is too slow for it.

        From any thread. ValueError if the frames of one of them differ from the ones in use.
        """
        self._check(chosen)
        if lighter is not None:
            self._check(lighter)
        self._requests.append((chosen, lighter))

    def use_lighter(self, lighter: Rung) -> None:
        """Step down to ``lighter`` while the machine is too slow for the denoiser in use. Thread and error as ``use``."""
        self._check(lighter)
        self._requests.append((None, lighter))

    def process(self, frame: Samples, strength_db: float, muted: bool) -> tuple[Samples, float]:
        """Filter one frame, shape (hop,), float32; NaN and infinity in it are mended in place.

        Returns the frame to hear, finite and within [-1, 1], valid until the next call, and its energy (sum of squares).
        """
        energy = float(frame @ frame)
        if not math.isfinite(energy):
            np.nan_to_num(frame, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
            np.clip(frame, -1.0, 1.0, out=frame)
            energy = float(frame @ frame)
        if energy < _SILENT_ENERGY:
            frame[:] = 0.0
        self.meter.note_captured(frame, energy)
        if strength_db != self._denoiser.strength_db:
            self._denoiser.strength_db = strength_db
        np.copyto(self._output, self._denoiser.process(frame))
        if self._denoiser.fault is not None and self.fault is None and self._rung is self._ladder.rung:
            self._is_hushed = self._ladder.fail(self._denoiser.fault)
        if self._is_hushed:
            self._output[:] = 0.0
        if self._requests or self._rung is not self._ladder.rung:
            self._swap(frame)
        if not self._is_hushed and (self._denoiser.fault is not None or self.fault is not None):
            self._watch_fault()
        gain = 0.0 if muted else 1.0
        if gain != self._gain:
            self._output *= self._gain + (gain - self._gain) * self._ramp
            self._gain = gain
        elif muted:
            self._output[:] = 0.0
        np.clip(self._output, -1.0, 1.0, out=self._output)
        energy = float(self._output @ self._output)
        self.meter.note_heard(energy)
        self.tap.note(frame, self._output, self._denoiser.latency_samples)
        return self._output, energy

    def note_cost(self, seconds: float) -> bool:
        """The last frame took this long from capture to queue. Whether that was late: longer than a hop."""
        is_late = seconds > self.spec.hop_seconds
        self._ladder.note(is_late)
        return is_late

    def settle(self) -> None:
        """While nobody listens: change over to the incoming denoiser at once."""
        self._take_requests()
        if self._rung is not self._ladder.rung:
            self._adopt(self._ladder.rung)

    def reset(self) -> None:
        """Forget all past audio: the next frame begins a new stream."""
        self.settle()
        self._denoiser.reset()
        self.fault = self._denoiser.fault

    def _swap(self, frame: Samples) -> None:
        """Run the incoming denoiser beside the old one until its past is filled, then cross-fade within one frame."""
        self._take_requests()
        rung = self._ladder.rung
        if rung is self._rung:
            return
        incoming = rung.denoiser
        if rung is not self._incoming:
            self._incoming, self._swap_frames = rung, 0
            incoming.reset()
        incoming.strength_db = self._denoiser.strength_db
        clean = incoming.process(frame)
        if incoming.fault is not None and self._ladder.fail(incoming.fault):
            self._incoming = None
            return
        self._swap_frames += 1
        if self._swap_frames >= _SWAP_FRAMES:
            self._output += self._ramp * (clean - self._output)
            self._adopt(rung)

    def _adopt(self, rung: Rung) -> None:
        self._incoming, self._is_hushed = None, False
        self._rung, self._denoiser = rung, rung.denoiser
        self.fault = None

    def _take_requests(self) -> None:
        while self._requests:
            chosen, lighter = self._requests.popleft()
            if chosen is not None:
                self._ladder = FallbackLadder(chosen, lighter)
            elif lighter is not None:
                self._ladder.insert(lighter)

    def _check(self, rung: Rung) -> None:
        if rung.denoiser.spec.frames != self.spec.frames:
            fault = _("the model {model} works on frames of {spec}, this daemon on {frame}")
            raise ValueError(fault.format(model=rung.model, spec=rung.denoiser.spec, frame=self.spec))

    def _watch_fault(self) -> None:
        """Log a fault of the model once, try the model again now and then, and log when it has worked for a while."""
        fault, now = self._denoiser.fault, self._clock()
        if fault is not None:
            if self.fault is None:
                self._announce(fault)
            elif now - self._fault_since > _FAULT_RETRY_SECONDS:
                self._fault_since = now
                self._denoiser.recover()
        elif now - self._fault_since > _PROBATION_SECONDS:
            self.fault = None
            log.info("the model works again")

    def _announce(self, fault: str) -> None:
        self.fault, self._fault_since = fault, self._clock()
        retry = f"trying again every {_FAULT_RETRY_SECONDS:.0f} s"
        log.error("%s; passing the microphone through unfiltered, %s", fault, retry)
