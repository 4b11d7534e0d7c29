"""WebRTC's noise suppression, the lightest of all (package pywebrtc-audio)."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ..stft import Samples

_LEVEL = 2
"""Of 0 to 3: "high", what browsers use."""


class WebRtc:
    """A ``Filter``."""

    def __init__(self) -> None:
        """ImportError or OSError if the package is missing, damaged, or for another platform."""
        package: Any = importlib.import_module("pywebrtc_audio")
        self._suppressor: Any = package.NoiseSuppressor(sample_rate=48_000, num_channels=1, level=_LEVEL)

    def process(self, frame: Samples) -> Samples:
        return np.asarray(self._suppressor.process(frame), np.float32)

    def reset(self) -> None:
        self._suppressor.reset()
