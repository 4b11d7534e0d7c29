"""From a captured frame to one fit to be heard: denoiser, switches, faults, levels."""

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

from ..status import Levels
from .fallback_ladder import Ladder, Rung

log = logging.getLogger(__name__)

_FAULT_RETRY_SECONDS = 5.0
_PROBATION_SECONDS = 1.0
_SWAP_FRAMES = 6
"""Until a new denoiser's past is filled: the transform's length and some."""
_SILENT_ENERGY = 1e-20
"""Sum of squares of a frame below -200 dBFS: made exact silence, so that no filter computes with denormal numbers."""
_CLIPPED_LEVEL = 0.999
_CLIPPED_SAMPLES = 4
"""So many samples of a frame at full scale are a waveform cut off; a voice that just reaches it touches it once or twice."""


class FrameFilter:
    """The denoiser in use and everything that changes what is heard of it, always within one frame and without a click.

    Owned by the worker, but for ``use`` and ``use_lighter``. ``model`` and ``provider`` name the denoiser in use.
    """

    def __init__(
        self, denoiser: Denoiser, model: str, provider: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.ladder = Ladder(Rung(denoiser, model, provider))
        self.clipped_frames = 0
        """Frames so far that the microphone delivered cut off at full scale."""
        self.fault: str | None = None
        """Why frames pass through unfiltered, from the fault until the model has worked again for a while."""
        self._clock = clock
        self._rung = self.ladder.rung
        self._denoiser = denoiser
        self._wishes: deque[tuple[Rung | None, Rung | None]] = deque()
        self._incoming: Rung | None = None
        self._swap_frames = 0
        self._fault_since = 0.0
        self._output = np.zeros(denoiser.spec.hop, np.float32)
        self._ramp = np.arange(1, denoiser.spec.hop + 1, dtype=np.float32) / denoiser.spec.hop
        self._gain = 1.0
        self._energy_in = self._energy_out = 0.0
        self._level_frames = 0
        if denoiser.fault is not None:
            self._announce(denoiser.fault)

    @property
    def spec(self) -> FrameSpec:
        """Rate, hop and transform, the same for every denoiser that is used."""
        return self._denoiser.spec

    @property
    def model(self) -> str:
        """Name of the model in use; empty while none runs."""
        return self._rung.model

    @property
    def provider(self) -> str:
        """Where it runs; empty while none does."""
        return self._rung.provider

    def use(self, chosen: Rung, lighter: Rung | None = None) -> None:
        """Change over to another denoiser, with a cross-fade, and step down to ``lighter`` while it is too slow.

        From any thread. ValueError if a spec is another.
        """
        self._check(chosen)
        if lighter is not None:
            self._check(lighter)
        self._wishes.append((chosen, lighter))

    def use_lighter(self, lighter: Rung) -> None:
        """Step down to ``lighter`` while the denoiser in use is too slow. From any thread. ValueError if its spec is another."""
        self._check(lighter)
        self._wishes.append((None, lighter))

    def process(self, frame: Samples, strength_db: float, muted: bool) -> tuple[Samples, float]:
        """One frame to a finite one within [-1, 1], valid until the next call, and its energy. Mends ``frame`` in place."""
        energy = float(frame @ frame)
        if not math.isfinite(energy):
            np.nan_to_num(frame, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
            np.clip(frame, -1.0, 1.0, out=frame)
            energy = float(frame @ frame)
        if energy < _SILENT_ENERGY:
            frame[:] = 0.0
        elif energy > _CLIPPED_SAMPLES * _CLIPPED_LEVEL**2:
            self.clipped_frames += int(np.count_nonzero(np.abs(frame) >= _CLIPPED_LEVEL) >= _CLIPPED_SAMPLES)
        self._energy_in += energy
        if strength_db != self._denoiser.strength_db:
            self._denoiser.strength_db = strength_db
        np.copyto(self._output, self._denoiser.process(frame))
        if self._wishes or self._rung is not self.ladder.rung:
            self._swap(frame)
        if self._denoiser.fault is not None or self.fault is not None:
            self._watch_fault()
        gain = 0.0 if muted else 1.0
        if gain != self._gain:
            self._output *= self._gain + (gain - self._gain) * self._ramp
            self._gain = gain
        elif muted:
            self._output[:] = 0.0
        np.clip(self._output, -1.0, 1.0, out=self._output)
        energy = float(self._output @ self._output)
        self._energy_out += energy
        self._level_frames += 1
        return self._output, energy

    def settle(self) -> None:
        """While nobody listens: change over to the incoming denoiser at once."""
        self._grant_wishes()
        if self._rung is not self.ladder.rung:
            self._adopt(self.ladder.rung)

    def reset(self) -> None:
        """Forget all past audio: the next frame begins a new stream."""
        self.settle()
        self._denoiser.reset()
        self.fault = self._denoiser.fault

    def take_levels(self) -> Levels:
        """Levels since the last call."""
        samples = max(1, self._level_frames) * self.spec.hop
        before, after = _dbfs(self._energy_in / samples), _dbfs(self._energy_out / samples)
        self._energy_in = self._energy_out = 0.0
        self._level_frames = 0
        return Levels(before, after, before - after if math.isfinite(before) and math.isfinite(after) else 0.0)

    def _swap(self, frame: Samples) -> None:
        """Run the incoming denoiser beside the old one until its past is filled, then cross-fade within one frame."""
        self._grant_wishes()
        rung = self.ladder.rung
        if rung is self._rung:
            return
        incoming = rung.denoiser
        if rung is not self._incoming:
            self._incoming, self._swap_frames = rung, 0
            incoming.reset()
        incoming.strength_db = self._denoiser.strength_db
        clean = incoming.process(frame)
        self._swap_frames += 1
        if self._swap_frames >= _SWAP_FRAMES:
            self._output += self._ramp * (clean - self._output)
            self._adopt(rung)

    def _adopt(self, rung: Rung) -> None:
        self._incoming = None
        self._rung, self._denoiser = rung, rung.denoiser
        self.fault = None

    def _grant_wishes(self) -> None:
        while self._wishes:
            chosen, lighter = self._wishes.popleft()
            if chosen is not None:
                self.ladder = Ladder(chosen, lighter)
            elif lighter is not None:
                self.ladder.insert(lighter)

    def _check(self, rung: Rung) -> None:
        if rung.denoiser.spec != self.spec:
            raise ValueError(f"this model works on frames of {rung.denoiser.spec}, the running one on {self.spec}")

    def _watch_fault(self) -> None:
        """Say a fault of the model once, give it another chance now and then, and say when it has kept well."""
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


def _dbfs(power: float) -> float:
    return 10.0 * math.log10(power) if power > 0.0 else -math.inf
