"""Runs a mono LADSPA plug-in block by block. RNNoise 0.1 is available only in this form.

The structures are those of ladspa.h 1.1 (Furse, Westerfeld and others).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..stft import Samples
from .framewise import Process

PORT_INPUT, PORT_CONTROL = 0x1, 0x4


class _RangeHint(ctypes.Structure):
    _fields_: ClassVar = [("hints", ctypes.c_int), ("lower", ctypes.c_float), ("upper", ctypes.c_float)]


_Handle = ctypes.c_void_p


class _Descriptor(ctypes.Structure):
    pass


_Floats = ctypes.POINTER(ctypes.c_float)
_Step = ctypes.CFUNCTYPE(None, _Handle)
_Run = ctypes.CFUNCTYPE(None, _Handle, ctypes.c_ulong)
_Descriptor._fields_ = [
    ("unique_id", ctypes.c_ulong),
    ("label", ctypes.c_char_p),
    ("properties", ctypes.c_int),
    ("name", ctypes.c_char_p),
    ("maker", ctypes.c_char_p),
    ("copyright", ctypes.c_char_p),
    ("port_count", ctypes.c_ulong),
    ("ports", ctypes.POINTER(ctypes.c_int)),
    ("port_names", ctypes.POINTER(ctypes.c_char_p)),
    ("port_hints", ctypes.POINTER(_RangeHint)),
    ("implementation", ctypes.c_void_p),
    ("instantiate", ctypes.CFUNCTYPE(_Handle, ctypes.POINTER(_Descriptor), ctypes.c_ulong)),
    ("connect_port", ctypes.CFUNCTYPE(None, _Handle, ctypes.c_ulong, _Floats)),
    ("activate", _Step),
    ("run", _Run),
    ("run_adding", _Run),
    ("set_run_adding_gain", ctypes.CFUNCTYPE(None, _Handle, ctypes.c_float)),
    ("deactivate", _Step),
    ("cleanup", _Step),
]


class LadspaMono:
    """One plug-in of a library, found by its label. All its controls are at 0."""

    def __init__(self, library: Path, label: str) -> None:
        """OSError if the library cannot be loaded or holds no such plug-in."""
        self._library = ctypes.CDLL(str(library))
        describe = self._library.ladspa_descriptor
        describe.restype = ctypes.POINTER(_Descriptor)
        describe.argtypes = [ctypes.c_ulong]
        index = 0
        while found := describe(index):
            if found.contents.label.decode() == label:
                self._descriptor = found
                return
            index += 1
        raise OSError(f"{library} holds no plug-in {label!r}")

    @contextmanager
    def start(self, sample_rate: int, block: int) -> Iterator[Process]:
        """Opens a fresh instance that takes blocks of ``block`` samples."""
        plugin = self._descriptor.contents
        handle = plugin.instantiate(self._descriptor, sample_rate)
        into, out_of, control = (np.zeros(size, np.float32) for size in (block, block, 1))
        for port in range(plugin.port_count):
            kind = plugin.ports[port]
            buffer = control if kind & PORT_CONTROL else into if kind & PORT_INPUT else out_of
            plugin.connect_port(handle, port, buffer.ctypes.data_as(_Floats))
        if plugin.activate:
            plugin.activate(handle)

        def process(samples: Samples) -> Samples:
            into[:] = samples
            plugin.run(handle, block)
            return out_of

        try:
            yield process
        finally:
            if plugin.deactivate:
                plugin.deactivate(handle)
            plugin.cleanup(handle)
