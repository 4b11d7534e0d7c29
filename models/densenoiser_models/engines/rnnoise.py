"""RNNoise 0.2 by its C library (of the package pyrnnoise, which is not imported)."""

from __future__ import annotations

import ctypes

import numpy as np

from ..stft import Samples
from .package_file import package_file

_HOP = 480
_SCALE = np.float32(32767.0)
"""It works on floats in the range of 16-bit samples."""
_FLOATS = ctypes.POINTER(ctypes.c_float)


class RnNoise:
    """A ``Filter``."""

    def __init__(self) -> None:
        """ImportError or OSError if the package is missing, damaged, or for another platform."""
        self._library = library = ctypes.CDLL(str(package_file("pyrnnoise", "librnnoise.so")))
        library.rnnoise_create.restype = ctypes.c_void_p
        library.rnnoise_create.argtypes = [ctypes.c_void_p]
        library.rnnoise_process_frame.restype = ctypes.c_float
        library.rnnoise_process_frame.argtypes = [ctypes.c_void_p, _FLOATS, _FLOATS]
        library.rnnoise_init.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        library.rnnoise_destroy.argtypes = [ctypes.c_void_p]
        self._state: int | None = library.rnnoise_create(None)
        if not self._state or library.rnnoise_get_frame_size() != _HOP:
            raise OSError("RNNoise did not load its model, or works on other frames")
        self._frame = np.zeros(_HOP, np.float32)
        self._pointer = self._frame.ctypes.data_as(_FLOATS)

    def process(self, frame: Samples) -> Samples:
        np.multiply(frame, _SCALE, out=self._frame)
        self._library.rnnoise_process_frame(self._state, self._pointer, self._pointer)
        return np.divide(self._frame, _SCALE, out=self._frame)

    def reset(self) -> None:
        self._library.rnnoise_init(self._state, None)

    def __del__(self) -> None:
        state, self._state = getattr(self, "_state", None), None
        if state:
            self._library.rnnoise_destroy(state)
