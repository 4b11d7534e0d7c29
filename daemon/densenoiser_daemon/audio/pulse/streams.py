"""Record and playback streams of libpulse, on a connection that pulsectl made.

pulsectl binds modules, lists and events, but no streams that are fit for audio. This module adds them, by the
documentation of ``pulse/stream.h``. One thread owns a connection and all its streams.
"""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from enum import IntEnum, IntFlag
from typing import ClassVar

import numpy as np
import pulsectl

from densenoiser_models.stft import Samples

from ...errors import BackendError, DeviceError, DeviceGoneError
from ...i18n import _
from ..channel_choice import Block

_BYTES = 4  # of a float32 sample
_FLOAT32_NATIVE = 5 if np.little_endian else 6
NO_INDEX = 2**32 - 1
"""libpulse's PA_INVALID_INDEX: no such object, and in buffer attributes "as the server likes"."""


class _Flags(IntFlag):
    START_CORKED = 0x0001
    NO_REMAP_CHANNELS = 0x0010
    DONT_MOVE = 0x0200
    ADJUST_LATENCY = 0x2000


# DONT_MOVE: else the server would move our capture onto our own output when somebody makes that the default source.
_COMMON_FLAGS = _Flags.ADJUST_LATENCY | _Flags.DONT_MOVE
_TIMING_SECONDS = 0.1


_GONE = (5, 12)
"""libpulse's PA_ERR_NOENTITY and PA_ERR_KILLED."""


class _State(IntEnum):
    UNCONNECTED = 0
    CREATING = 1
    READY = 2
    FAILED = 3
    TERMINATED = 4


class _SampleSpec(ctypes.Structure):
    _fields_: ClassVar = [("format", c_int), ("rate", c_uint32), ("channels", c_uint8)]


class _ChannelMap(ctypes.Structure):
    _fields_: ClassVar = [("channels", c_uint8), ("map", c_int * 32)]


class _BufferAttr(ctypes.Structure):
    _fields_: ClassVar = [(name, c_uint32) for name in ("maxlength", "tlength", "prebuf", "minreq", "fragsize")]


_NotifyCallback = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
_SuccessCallback = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_void_p)
_FREE_CALLBACK = c_void_p

_SIGNATURES = {
    "pa_context_errno": (c_int, [c_void_p]),
    "pa_mainloop_dispatch": (c_int, [c_void_p]),
    "pa_mainloop_poll": (c_int, [c_void_p]),
    "pa_mainloop_prepare": (c_int, [c_void_p, c_int]),
    "pa_mainloop_wakeup": (None, [c_void_p]),
    "pa_operation_unref": (None, [c_void_p]),
    "pa_stream_connect_playback": (c_int, [c_void_p, c_char_p, POINTER(_BufferAttr), c_int, c_void_p, c_void_p]),
    "pa_stream_connect_record": (c_int, [c_void_p, c_char_p, POINTER(_BufferAttr), c_int]),
    "pa_stream_cork": (c_void_p, [c_void_p, c_int, c_void_p, c_void_p]),
    "pa_stream_disconnect": (c_int, [c_void_p]),
    "pa_stream_drop": (c_int, [c_void_p]),
    "pa_stream_flush": (c_void_p, [c_void_p, c_void_p, c_void_p]),
    "pa_stream_get_device_name": (c_char_p, [c_void_p]),
    "pa_stream_get_index": (c_uint32, [c_void_p]),
    "pa_stream_get_latency": (c_int, [c_void_p, POINTER(c_uint64), POINTER(c_int)]),
    "pa_stream_get_state": (c_int, [c_void_p]),
    "pa_stream_new": (c_void_p, [c_void_p, c_char_p, POINTER(_SampleSpec), POINTER(_ChannelMap)]),
    "pa_stream_peek": (c_int, [c_void_p, POINTER(c_void_p), POINTER(c_size_t)]),
    "pa_stream_readable_size": (c_size_t, [c_void_p]),
    "pa_stream_set_overflow_callback": (None, [c_void_p, _NotifyCallback, c_void_p]),
    "pa_stream_set_underflow_callback": (None, [c_void_p, _NotifyCallback, c_void_p]),
    "pa_stream_unref": (None, [c_void_p]),
    "pa_stream_update_timing_info": (c_void_p, [c_void_p, _SuccessCallback, c_void_p]),
    "pa_stream_write": (c_int, [c_void_p, c_void_p, c_size_t, _FREE_CALLBACK, c_int64, c_int]),
    "pa_strerror": (c_char_p, [c_int]),
}


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL("libpulse.so.0")
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_pa = _load()


def _pointer(handle: object) -> c_void_p:
    return ctypes.cast(handle, c_void_p)  # type: ignore[arg-type]


class MainLoop:
    """pulsectl's own main loop, run one wake-up at a time, so that audio and events share one thread."""

    def __init__(self, connection: pulsectl.Pulse) -> None:
        self._connection = connection
        self._loop = _pointer(connection._loop)

    def iterate(self, timeout: float | None) -> bool:
        """Sleep until libpulse has something to do or ``timeout`` s have passed, and do it; False if there was nothing to do.

        BackendError if the connection broke.
        """
        done = self.turn(timeout)
        if done >= 0 and self._connection.connected:
            return done > 0
        raise BackendError(_("the connection to the sound server is lost"))

    def turn(self, timeout: float | None) -> int:
        """``iterate`` for a connection that need not be there yet; negative if the loop broke."""
        microseconds = -1 if timeout is None else max(0, int(timeout * 1e6))
        if _pa.pa_mainloop_prepare(self._loop, microseconds) >= 0 and _pa.pa_mainloop_poll(self._loop) >= 0:
            return int(_pa.pa_mainloop_dispatch(self._loop))
        return -1

    def wake(self) -> None:
        """End ``iterate`` early. From any thread."""
        _pa.pa_mainloop_wakeup(self._loop)


MONO = (0,)
"""The channel map of one channel (PA_CHANNEL_POSITION_MONO)."""


class _Stream:
    """What both directions share. Float32."""

    _direction: ClassVar[int]
    """Which way passing samples move the latency: +1 if they add to it (playback), -1 if they take from it (record)."""

    def __init__(self, connection: pulsectl.Pulse, name: str, rate: int, channel_map: Sequence[int] = MONO) -> None:
        self._rate = rate
        self._context = _pointer(connection._ctx)
        spec = _SampleSpec(_FLOAT32_NATIVE, rate, len(channel_map))
        positions = _ChannelMap(len(channel_map), (c_int * 32)(*channel_map))
        self._stream = c_void_p(
            _pa.pa_stream_new(self._context, name.encode(), ctypes.byref(spec), ctypes.byref(positions))
        )
        if not self._stream:
            raise BackendError(_("the sound server refused the stream {name!r}").format(name=name), self._error())
        self.xruns = 0
        self._on_xrun = _NotifyCallback(self._count_xrun)
        self._usec, self._negative = c_uint64(), c_int()
        self._on_timing = _SuccessCallback(self._take_timing)
        self._timing_asked = 0.0
        self._measured: tuple[float, float] | None = None
        self._passed = 0
        """Samples written to or read from it so far."""

    def _count_xrun(self, stream: int, userdata: int) -> None:
        self.xruns += 1

    def _error(self) -> str:
        text = _pa.pa_strerror(_pa.pa_context_errno(self._context))
        return str(text.decode(errors="replace"))

    @property
    def is_ready(self) -> bool:
        """The server has accepted it."""
        return bool(_pa.pa_stream_get_state(self._stream) == _State.READY)

    @property
    def fault(self) -> DeviceError | None:
        """Why it ended by itself, or None while it lives. DeviceGoneError: what it records or plays into is not there."""
        if _pa.pa_stream_get_state(self._stream) not in (_State.FAILED, _State.TERMINATED):
            return None
        if _pa.pa_context_errno(self._context) in _GONE:
            return DeviceGoneError(_("the device is gone"), self._error())
        return DeviceError(_("the sound server refuses the device"), self._error())

    @property
    def index(self) -> int:
        """The server's index of it."""
        return int(_pa.pa_stream_get_index(self._stream))

    @property
    def latency(self) -> float | None:
        """Playback: time until a sample written now is played; record: age of the next sample. s, or None if unknown yet.

        libpulse's own interpolation is seconds off after a stream starts. So the server is asked every 100 ms. Between its
        answers the clock and the samples that passed extend the last one.
        """
        now = time.monotonic()
        if now - self._timing_asked >= _TIMING_SECONDS and self.is_ready:
            self._timing_asked = now
            self._release(_pa.pa_stream_update_timing_info(self._stream, self._on_timing, None))
        if self._measured is None:
            return None
        moment, offset = self._measured
        return offset + self._direction * (self._passed / self._rate - (now - moment))

    def _take_timing(self, stream: int, success: int, userdata: int) -> None:
        if (
            success
            and _pa.pa_stream_get_latency(self._stream, ctypes.byref(self._usec), ctypes.byref(self._negative)) >= 0
        ):
            seconds = math.copysign(self._usec.value * 1e-6, -1.0 if self._negative.value else 1.0)
            self._measured = time.monotonic(), seconds - self._direction * self._passed / self._rate

    def _release(self, operation: int | None) -> None:
        if operation:
            _pa.pa_operation_unref(operation)

    @property
    def is_pending(self) -> bool:
        """The server has not answered yet. A stream that is closed before that stays open on the server for ever."""
        return bool(_pa.pa_stream_get_state(self._stream) == _State.CREATING)

    def close(self) -> None:
        """Disconnect; not while it is pending. Safe after the server has gone, once."""
        _pa.pa_stream_set_underflow_callback(self._stream, _NotifyCallback(), None)
        _pa.pa_stream_set_overflow_callback(self._stream, _NotifyCallback(), None)
        if _pa.pa_stream_get_state(self._stream) in (_State.CREATING, _State.READY):
            _pa.pa_stream_disconnect(self._stream)
        _pa.pa_stream_unref(self._stream)


class RecordStream(_Stream):
    """Samples from one source, in fragments of about ``fragment`` samples."""

    _direction = -1

    def __init__(
        self,
        connection: pulsectl.Pulse,
        source: str,
        rate: int,
        fragment: int,
        channel_map: Sequence[int] = MONO,
        name: str = "microphone",
    ) -> None:
        """``channel_map`` is the source's own, to get its channels as they are, or MONO for what the server makes of them.

        DeviceError if the server refuses at once.
        """
        super().__init__(connection, name, rate, channel_map)
        self._channels = len(channel_map)
        self._source = source.encode()
        _pa.pa_stream_set_overflow_callback(self._stream, self._on_xrun, None)
        attributes = _BufferAttr(NO_INDEX, NO_INDEX, NO_INDEX, NO_INDEX, fragment * self._channels * _BYTES)
        flags = _COMMON_FLAGS | (_Flags.NO_REMAP_CHANNELS if self._channels > 1 else 0)
        if _pa.pa_stream_connect_record(self._stream, source.encode(), ctypes.byref(attributes), int(flags)) < 0:
            error = self._error()
            self.close()
            raise DeviceError(_("cannot record from {microphone}").format(microphone=source), error)
        self._block = np.zeros((rate, self._channels), np.float32)
        self._data, self._size = c_void_p(), c_size_t()

    @property
    def _is_elsewhere(self) -> bool:
        """The server records from another source: PipeWire from 1.4 on takes the default one if ours has just gone."""
        return self.is_ready and (_pa.pa_stream_get_device_name(self._stream) or self._source) != self._source

    @property
    def fault(self) -> DeviceError | None:
        """As for every stream; a source that is not the one asked for is a fault too."""
        fault = super().fault
        if fault is None and self._is_elsewhere:
            return DeviceGoneError(_("the device is gone"), "the server gave another source")
        return fault

    @property
    def readable(self) -> bool:
        """A block is there to read."""
        return _pa.pa_stream_readable_size(self._stream) not in (0, 2**64 - 1)

    def read(self) -> Block | None:
        """The next block, shape (samples, channels), valid until the next call, or None if none is there.

        A hole in the stream reads as zeros. What comes from a source that was not asked for is not given out.
        """
        if not self.readable or self._is_elsewhere:
            return None
        if (
            _pa.pa_stream_peek(self._stream, ctypes.byref(self._data), ctypes.byref(self._size)) < 0
            or not self._size.value
        ):
            return None
        count = min(self._size.value // (_BYTES * self._channels), len(self._block))
        block = self._block[:count]
        if self._data.value:
            ctypes.memmove(block.ctypes.data, self._data.value, block.nbytes)
        else:
            block[:] = 0.0
        _pa.pa_stream_drop(self._stream)
        self._passed += count
        return block


class PlaybackStream(_Stream):
    """Samples to one sink. Starts corked; plays once ``target`` samples are queued, and again so after an underrun."""

    _direction = 1

    def __init__(
        self, connection: pulsectl.Pulse, sink: str, rate: int, target: int, name: str = "clean speech"
    ) -> None:
        super().__init__(connection, name, rate)
        self._sink = sink
        _pa.pa_stream_set_underflow_callback(self._stream, self._on_xrun, None)
        # A large minreq: the microphone sets the pace, so the server need not ask for samples.
        attributes = _BufferAttr(NO_INDEX, target * _BYTES, target * _BYTES, target // 2 * _BYTES, NO_INDEX)
        flags = int(_COMMON_FLAGS | _Flags.START_CORKED)
        if _pa.pa_stream_connect_playback(self._stream, sink.encode(), ctypes.byref(attributes), flags, None, None) < 0:
            error = self._error()
            self.close()
            raise BackendError(_("cannot play to {sink}").format(sink=self._sink), error)

    def cork(self, corked: bool) -> None:
        """Pause (and throw the queue away) or resume."""
        self._release(_pa.pa_stream_cork(self._stream, int(corked), None, None))
        if corked:
            self._release(_pa.pa_stream_flush(self._stream, None, None))
        self._measured = None

    @property
    def latency(self) -> float | None:
        """As for every stream; once the queue has run empty the server waits for more, so it never falls below zero."""
        seconds = super().latency
        if seconds is not None and seconds < 0.0:
            self._measured = time.monotonic(), -self._passed / self._rate
            return 0.0
        return seconds

    def write(self, samples: Samples) -> None:
        """Queue a copy of ``samples``, shape (any,), C-contiguous float32."""
        if not self.is_ready:
            return
        if _pa.pa_stream_write(self._stream, samples.ctypes.data, len(samples) * _BYTES, None, 0, 0) < 0:
            raise BackendError(_("cannot play to {sink}").format(sink=self._sink), self._error())
        self._passed += len(samples)

    def play_silence(self, loop: MainLoop, seconds: float) -> None:
        """Play ``seconds`` of silence, and return when it is over."""
        silence = np.zeros(self._rate // 100, np.float32)
        next_at = time.monotonic()
        for _block in range(round(seconds * 100)):
            self.write(silence)
            next_at += 0.01
            while (left := next_at - time.monotonic()) > 0.0:
                loop.iterate(left)
