"""From a captured frame to one fit to be heard: denoiser, switches, faults, levels."""

from __future__ import annotations

import logging
import math
import time

import numpy as np

from densenoiser_models.denoiser import Denoiser
from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples

from .status import Levels

log = logging.getLogger(__name__)

_FAULT_RETRY_SECONDS = 5.0
_PROBATION_SECONDS = 1.0
_SWAP_FRAMES = 6
"""Until a new denoiser's past is filled: the transform's length and some."""


class FrameFilter:
    """The denoiser in use and everything that changes what is heard of it, always within one frame and without a click.

    Owned by the worker, but for ``use``. ``model`` and ``provider`` name the denoiser in use.
    """

    def __init__(self, denoiser: Denoiser, model: str, provider: str) -> None:
        self.model = model
        self.provider = provider
        self.fault: str | None = None
        """Why frames pass through unfiltered, from the fault until the model has worked again for a while."""
        self._denoiser = denoiser
        self._incoming: tuple[Denoiser, str, str] | None = None
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

    def use(self, denoiser: Denoiser, model: str, provider: str) -> None:
        """Change over to another denoiser, with a cross-fade. From any thread. ValueError if its spec is another."""
        if denoiser.spec != self.spec:
            raise ValueError(f"this model works on frames of {denoiser.spec}, the running one on {self.spec}")
        self._incoming = denoiser, model, provider

    def process(self, frame: Samples, strength_db: float, muted: bool) -> tuple[Samples, float]:
        """One frame to a finite one within [-1, 1], valid until the next call, and its energy. Mends ``frame`` in place."""
        energy = float(frame @ frame)
        if not math.isfinite(energy):
            np.nan_to_num(frame, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
            np.clip(frame, -1.0, 1.0, out=frame)
            energy = float(frame @ frame)
        self._energy_in += energy
        if strength_db != self._denoiser.strength_db:
            self._denoiser.strength_db = strength_db
        np.copyto(self._output, self._denoiser.process(frame))
        if self._incoming is not None:
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
        if self._incoming is not None:
            self._adopt(*self._incoming)

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
        assert self._incoming is not None
        incoming, model, provider = self._incoming
        incoming.strength_db = self._denoiser.strength_db
        clean = incoming.process(frame)
        self._swap_frames += 1
        if self._swap_frames >= _SWAP_FRAMES:
            self._output += self._ramp * (clean - self._output)
            self._adopt(incoming, model, provider)

    def _adopt(self, denoiser: Denoiser, model: str, provider: str) -> None:
        if self._incoming is not None and self._incoming[0] is denoiser:  # else a yet newer one came meanwhile
            self._incoming = None
        self._swap_frames = 0
        self._denoiser, self.model, self.provider = denoiser, model, provider
        self.fault = None

    def _watch_fault(self) -> None:
        """Say a fault of the model once, give it another chance now and then, and say when it has kept well."""
        fault, now = self._denoiser.fault, time.monotonic()
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
        self.fault, self._fault_since = fault, time.monotonic()
        retry = f"trying again every {_FAULT_RETRY_SECONDS:.0f} s"
        log.error("%s; passing the microphone through unfiltered, %s", fault, retry)


def _dbfs(power: float) -> float:
    return 10.0 * math.log10(power) if power > 0.0 else -math.inf
