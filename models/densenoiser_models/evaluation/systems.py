"""Loads the systems that the evaluation compares, our models and the peers. Each is optional."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata

from ..engines import load, open_denoiser
from ..errors import ModelError
from ..frame import FrameSpec
from ..model_file import ModelFile
from .framewise import FramewiseSystem, Process
from .peers import PEERS, Enhance


class MissingSystemError(Exception):
    """A system's package is missing. The message says how to get it."""


@dataclass(frozen=True, slots=True)
class System:
    """A loaded system. ``version`` changes when its output may change, so stored scores are valid for one version."""

    name: str
    version: str
    enhance: Enhance


def load_system(name: str) -> System:
    """Loads a peer by its name in ``PEERS``, else what the daemon would take by that name: a model or an engine.

    MissingSystemError if the peer cannot be loaded, ModelError if the model cannot.
    """
    if name in PEERS:
        package, load_peer = PEERS[name]
        try:
            return System(name, metadata.version(package) if package else "1", load_peer())
        except (ImportError, OSError) as error:
            raise MissingSystemError(f"{name}: pip install --no-deps {package} ({error})") from error
    chosen = load(name)

    @contextmanager
    def start() -> Iterator[Process]:
        denoiser = open_denoiser(chosen, "cpu")
        yield denoiser.process
        if denoiser.fault is not None:  # otherwise the noise that passed through would be scored
            raise ModelError(denoiser.fault)

    spec = chosen.spec if isinstance(chosen, ModelFile) else FrameSpec()
    return System(chosen.name, chosen.version, FramewiseSystem(spec.hop, start, spec.sample_rate))
