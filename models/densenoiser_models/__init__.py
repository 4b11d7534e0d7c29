"""The noise filter itself: frames, models and denoisers. It knows no sound server and no D-Bus.

The names in ``__all__`` are the public Python interface (docs/python-api.md). They are loaded on first use (PEP 562), so
that importing the package costs nothing.
"""

import importlib
import os

# Importing ONNX Runtime 1.32 starts a thread that sends usage data to its maker, on Linux too. This variable prevents it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"

_HOMES = {
    "AudioFileError": "errors",
    "Bypass": "denoiser",
    "Enhanced": "files.jobs",
    "FrameSpec": "frame",
    "Job": "files.jobs",
    "ModelError": "errors",
    "OnnxDenoiser": "denoiser",
    "enhance_file": "files.jobs",
    "load_model": "model_file",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
