"""Other people's filters as denoisers: each takes frames of 10 ms at 48 kHz, runs from its own package, and is optional.

They are chosen by name, as models are. ``load`` and ``open_denoiser`` serve both.
"""

from .catalogue import ENGINES, Engine, engines, is_installed, load, open_denoiser
from .engine_denoiser import EngineDenoiser, Filter
from .filter_process import FilterProcess
from .trial import Measured, add, measure

__all__ = [
    "ENGINES",
    "Engine",
    "EngineDenoiser",
    "Filter",
    "FilterProcess",
    "Measured",
    "add",
    "engines",
    "is_installed",
    "load",
    "measure",
    "open_denoiser",
]
