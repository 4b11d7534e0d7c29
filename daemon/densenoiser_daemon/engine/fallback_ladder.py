"""Decides what filters while the machine is too slow or a model fails: the chosen model, a lighter one, or none."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass

from densenoiser_models.denoiser import Bypass, Denoiser

from ..status import Fact, ReasonCode

log = logging.getLogger(__name__)

TRIP_FRAMES = 10
WINDOW_FRAMES = 100
"""This many late frames within this many frames mean a step down. A single stall, seen once in 15 s, does not."""
QUIET_FRAMES = 1000
"""This many frames in a row in time, 10 s of sound, mean a step up."""
MOST_QUIET_FRAMES = 32 * QUIET_FRAMES
"""A step up that did not last doubles the quiet time needed before the next one, up to this limit of five minutes."""
_GRACE_FRAMES = 10
"""Right after a step both denoisers run for 6 frames. These frames count for neither."""


@dataclass(frozen=True, slots=True, eq=False)
class Rung:
    """A denoiser, the name of its model and its provider. Both names are empty where no model runs."""

    denoiser: Denoiser
    model: str
    provider: str


class FallbackLadder:
    """Counts late frames and names the rung to use. Owned by the worker."""

    def __init__(self, chosen: Rung, lighter: Rung | None = None) -> None:
        """Below ``chosen`` comes ``lighter``, if there is one, and then the bypass.

        A chosen denoiser at fault from the start has nothing below it, since it passes frames through already.
        """
        self.rung = chosen
        self.reason = Fact()
        """Why the rung is not the chosen one; empty while it is."""
        self._chosen = chosen
        self._quiet = QUIET_FRAMES
        self._late: deque[int] = deque(maxlen=TRIP_FRAMES)
        self._frames = self._in_time = 0
        self._stepped_at = -_GRACE_FRAMES
        self._came_up = False
        denoiser = chosen.denoiser
        bypass = Bypass(denoiser.spec, latency_samples=denoiser.latency_samples)
        below = [] if denoiser.fault is not None else [Rung(bypass, "", "")]
        self._rungs = [chosen, *below]
        if lighter is not None:
            self.insert(lighter)

    @property
    def is_bypass(self) -> bool:
        """Whether no model is to run because of the load."""
        return self.rung is self._rungs[-1] and self.rung is not self._chosen

    def insert(self, lighter: Rung) -> None:
        """Put a lighter model between the chosen one and the bypass. Once, if there is something below the chosen one."""
        if len(self._rungs) == 2:
            self._rungs.insert(1, lighter)

    def note(self, late: bool) -> None:
        """One frame was filtered; ``late`` if that took longer than the frame lasts."""
        self._frames += 1
        since = self._frames - self._stepped_at
        if since <= _GRACE_FRAMES:
            return
        self._in_time = 0 if late else self._in_time + 1
        at = self._rungs.index(self.rung)
        if late:
            self._late.append(self._frames)
            is_often = len(self._late) == TRIP_FRAMES and self._frames - self._late[0] < WINDOW_FRAMES
            if is_often and at + 1 < len(self._rungs):
                if self._came_up:
                    self._quiet = min(2 * self._quiet, MOST_QUIET_FRAMES)
                self._step(at + 1)
                log.warning("the machine is too slow now; filtering with %s", self.rung.model or "no model")
        elif at and self._in_time >= self._quiet:
            self._step(at - 1)
            log.info("frames are in time again; filtering with %s", self.rung.model or "no model")
        elif self._came_up and since >= MOST_QUIET_FRAMES:
            self._came_up, self._quiet = False, QUIET_FRAMES  # this time it lasted

    def fail(self, error: str) -> bool:
        """The denoiser of the rung has failed. Steps down if there is a model below; whether there is one.

        It is tried again after as long as one that was too slow.
        """
        at = self._rungs.index(self.rung)
        below = next((i for i, rung in enumerate(self._rungs) if i > at and rung.model), None)
        if below is None:
            return False
        if self._came_up:
            self._quiet = min(2 * self._quiet, MOST_QUIET_FRAMES)
        failed = self.rung.model
        self._step(below)
        self.reason = Fact(ReasonCode.MODEL_REPLACED, {"chosen": failed, "lighter": self.rung.model, "error": error})
        log.error("%s; filtering with %s", error, self.rung.model)
        return True

    def _step(self, to: int) -> None:
        self._came_up = to < self._rungs.index(self.rung)
        self.rung = self._rungs[to]
        self._stepped_at = self._frames
        self._in_time = 0
        self._late.clear()
        if self.rung is self._chosen:
            self.reason = Fact()
        elif self.is_bypass:
            self.reason = Fact(ReasonCode.TOO_SLOW_FOR_ANY_MODEL)
        else:
            details = {"chosen": self._chosen.model, "lighter": self.rung.model}
            self.reason = Fact(ReasonCode.TOO_SLOW, details)
