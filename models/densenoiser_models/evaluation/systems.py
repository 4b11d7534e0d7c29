"""Loads the systems that the evaluation compares, our models and the peers. Each is optional."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata

from ..denoiser import OnnxDenoiser
from ..errors import ModelError
from ..model_file import load_model
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
    """Loads a peer by its name in ``PEERS``, else one of our models by name or path.

    MissingSystemError if the peer cannot be loaded, ModelError if the model cannot.
    """
    if name in PEERS:
        package, load = PEERS[name]
        try:
            return System(name, metadata.version(package) if package else "1", load())
        except (ImportError, OSError) as error:
            raise MissingSystemError(f"{name}: pip install --no-deps {package} ({error})") from error
    model = load_model(name)

    @contextmanager
    def start() -> Iterator[Process]:
        denoiser = OnnxDenoiser(model, "cpu")
        yield denoiser.process
        if denoiser.fault is not None:  # otherwise the noise that passed through would be scored
            raise ModelError(denoiser.fault)

    return System(model.name, model.sha256, FramewiseSystem(model.spec.hop, start, model.spec.sample_rate))
