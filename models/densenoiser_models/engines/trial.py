"""Tries filters on this machine: how long they delay, what they cost, and whether a network that is added can be used."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from gettext import gettext as _
from pathlib import Path

import numpy as np

from ..denoiser import Denoiser
from ..errors import EngineError, ModelError
from ..model_file import list_models
from . import shelf
from .catalogue import ENGINES, Engine, engines, load, open_denoiser

SLOWEST_FRAME_MS = 7
"""Of the 10 ms that a frame lasts. The rest is for everything else, and for a busier moment."""


def add(
    path: Path, name: str | None = None, rate: int | None = None, licence: Path | None = None
) -> shelf.ShelvedNetwork:
    """Puts a network of another project on the shelf, after a trial. ModelError if it cannot be used: then nothing is kept.

    ``name`` is by default the file's. For ``rate`` see ``StreamingGraph``. ``licence`` is its text, by default the one in
    the file's folder.
    """
    name = shelf.name_for(path, name, {*ENGINES, *list_models(), *shelf.shelved()})
    network = shelf.shelve(path, name, rate, licence or shelf.licence_beside(path))
    try:
        denoiser = open_denoiser(engines()[name])
        network = replace(network, delay_ms=delay_ms(denoiser), frame_ms=frame_ms(denoiser))
        if network.frame_ms > SLOWEST_FRAME_MS:
            raise EngineError(
                _("{name} takes {ms:.1f} ms for a frame of 10 ms; at most {most} are possible on this machine").format(
                    name=name, ms=network.frame_ms, most=SLOWEST_FRAME_MS
                )
            )
        shelf.describe(network)
    except BaseException:
        shelf.remove(name)
        raise
    return network


@dataclass(frozen=True, slots=True)
class Measured:
    """A model or an engine on this machine."""

    name: str
    delay_ms: float
    """From a sample's arrival to its output."""
    core_percent: float
    """Processor time it takes while somebody listens, of one core."""
    licence: str


def measure(names: Iterable[str]) -> list[Measured]:
    """Those of them that can be used, as they are on this machine. Takes about a second for each the first time."""
    found = []
    for name in names:
        with suppress(ModelError):
            found.append(_measured(name))
    return found


@cache
def _measured(name: str) -> Measured:
    chosen = load(name)
    denoiser = open_denoiser(chosen, "cpu")
    licence = chosen.licence if isinstance(chosen, Engine) else str(chosen.card.get("licence", ""))
    return Measured(name, delay_ms(denoiser), 10 * frame_ms(denoiser), licence)


def delay_ms(denoiser: Denoiser) -> float:
    """From a sample's arrival to its output: the time to fill a frame, and the denoiser's own delay."""
    return 1000 * (denoiser.spec.hop + denoiser.latency_samples) / denoiser.spec.sample_rate


def frame_ms(denoiser: Denoiser) -> float:
    """Time a frame takes, the median over a second of noise. ModelError if the denoiser fails."""
    noise = np.random.default_rng(0).standard_normal((100, denoiser.spec.hop)).astype(np.float32) * np.float32(0.05)
    times = []
    for frame in noise:
        start = time.perf_counter()
        denoiser.process(frame)
        times.append(time.perf_counter() - start)
    if denoiser.fault is not None:
        raise EngineError(denoiser.fault)
    return 1000 * float(np.median(times))
