"""The backend for PulseAudio and PipeWire (through pipewire-pulse): one connection, one main loop, one thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pulsectl
from pulsectl._pulsectl import LibPulse

from densenoiser_models.stft import Samples

from ...errors import BackendError, DeviceError
from ...i18n import _
from .. import microphone_choice
from ..backend import QUEUE_SECONDS, Microphone
from .connection import Connection
from .server_view import ServerView
from .streams import MainLoop, PlaybackStream, RecordStream
from .virtual_microphone import SINK_NAME, VirtualMicrophone

log = logging.getLogger(__name__)

READY_SECONDS = 3.0
CUSHION_SECONDS = 0.010
"""Silence queued before the first frame, and again after an underrun.

PipeWire plays whatever is there. Without this cushion the next frame comes too late as well, and one break becomes several.
"""
_PIPEWIRE_QUEUE_SECONDS = 0.004
"""With 8 ms, as elsewhere, the whole added latency is 48 ms; with 4 ms it is about 40."""
_FIRST_CONNECT_SECONDS, _CONNECT_SECONDS = 5.0, 0.7
"""A server may have to be started first. A restarted server answers within 50 ms, or never, if we connected before WirePlumber
did.
"""
_PULSE_ERRORS = (pulsectl.PulseError, pulsectl.PulseDisconnected, LibPulse.CallError)


class PulseBackend:
    """AudioBackend on libpulse."""

    def __init__(self, rate: int, fragment: int) -> None:
        """``rate`` in Hz; ``fragment`` is how many samples to ask the server to deliver at a time."""
        self._rate = rate
        self._fragment = fragment
        self._cushion = np.zeros(round(CUSHION_SECONDS * rate), np.float32)
        self._is_silent = True
        self._underruns_seen = 0
        self._pulse: pulsectl.Pulse | None = None
        self._loop: MainLoop | None = None
        self._view: ServerView | None = None
        self._virtual: VirtualMicrophone | None = None
        self._record: RecordStream | None = None
        self._ending: list[RecordStream] = []
        self._playback: PlaybackStream | None = None
        self._remembered: str | None = None
        self._closed_xruns = 0
        self._woken = False
        self._has_failed = False

    def browse(self, patience: float = _FIRST_CONNECT_SECONDS) -> None:
        self._pulse = pulse = Connection("DenseNoiser", connect=False)
        with self._failures():
            pulse.reach(patience)
            self._view = ServerView(pulse)

    def connect(self) -> None:
        if self._pulse is None:
            self.browse(_CONNECT_SECONDS)
        pulse, view = self._pulse, self._view
        assert pulse is not None
        assert view is not None
        with self._failures():
            self._loop = MainLoop(pulse)
            self._virtual = VirtualMicrophone(pulse, self._rate)
            view.follow(self._virtual)
            self._playback = PlaybackStream(pulse, SINK_NAME, self._rate, len(self._cushion) + self._fragment)
            self._await_playback()
            view.refresh(self._playback.index)

    def close(self) -> None:
        pulse, self._pulse = self._pulse, None
        if pulse is None:
            return
        with suppress(BackendError, *_PULSE_ERRORS):
            self.stop()
        for record in self._ending:  # the connection takes along what is pending
            record.close()
        self._ending.clear()
        if self._playback is not None:
            self._closed_xruns += self._playback.xruns
            self._playback.close()
            self._playback = None
        if self._virtual is not None and pulse.connected and not self._has_failed:
            with suppress(*_PULSE_ERRORS):
                self._virtual.remove()
        self._virtual, self._loop = None, None
        pulse.close()

    @property
    def server(self) -> str:
        return self._view.server if self._view is not None else ""

    @property
    def queue_seconds(self) -> float:
        return _PIPEWIRE_QUEUE_SECONDS if "PipeWire" in self.server else QUEUE_SECONDS

    @property
    def microphones(self) -> tuple[Microphone, ...]:
        return self._view.microphones if self._view is not None else ()

    @property
    def listeners(self) -> tuple[str, ...]:
        return self._view.listeners if self._view is not None else ()

    def choose(self, wanted: str) -> Microphone | None:
        microphone = microphone_choice.choose(wanted, self.microphones, self._remembered)
        if microphone is not None:
            self._remembered = microphone.name
        return microphone

    def start(self, microphone: Microphone) -> None:
        assert self._pulse is not None
        assert self._playback is not None
        self._is_silent = True
        self._playback.cork(False)
        self._record = RecordStream(self._pulse, microphone.name, self._rate, self._fragment)

    def stop(self) -> None:
        record, self._record = self._record, None
        if record is not None:
            self._closed_xruns += record.xruns
            self._ending.append(record)
            self._end_streams()
        if self._playback is not None:
            self._playback.cork(True)

    @property
    def capture_fault(self) -> DeviceError | None:
        return self._record.fault if self._record is not None else None

    def wait(self, timeout: float | None) -> None:
        view = self._view
        assert self._loop is not None
        assert view is not None
        with self._failures():
            # Most wake-ups are the server asking for samples or telling the time, which the engine need not know.
            while not view.is_stale and not self._woken and self._loop.iterate(_sooner(timeout, view)):
                if self._record is not None and (self._record.readable or self._record.fault is not None):
                    return
                self._raise_if_playback_ended()
                if self._ending:
                    self._end_streams()
            self._woken = False
            view.refresh(self._playback.index if self._playback is not None else None)
            if view.seconds_until_renewal() == 0.0:
                view.renew(with_another_layout=True)

    def wake(self) -> None:
        self._woken = True
        loop = self._loop
        if loop is not None:
            loop.wake()

    def read(self) -> Samples | None:
        return self._record.read() if self._record is not None else None

    def write(self, samples: Samples) -> None:
        assert self._playback is not None
        if self._has_run_dry(self._playback) or self._is_silent:
            self._is_silent = False
            self._playback.write(self._cushion)
        try:
            self._playback.write(samples)
        except BackendError:
            self._has_failed = True
            raise

    def _has_run_dry(self, playback: PlaybackStream) -> bool:
        """The queue ran empty since the last call, and next to nothing has come into it since."""
        seen, self._underruns_seen = self._underruns_seen, playback.xruns
        latency = playback.latency
        return playback.xruns != seen and latency is not None and latency < CUSHION_SECONDS / 2

    @property
    def capture_latency(self) -> float:
        return (self._record.latency if self._record is not None else None) or 0.0

    @property
    def playback_latency(self) -> float | None:
        return self._playback.latency if self._playback is not None else None

    @property
    def device_latency(self) -> float:
        return 0.0

    @property
    def xruns(self) -> int:
        return self._closed_xruns + sum(s.xruns for s in (self._record, self._playback) if s is not None)

    def _end_streams(self) -> None:
        """Close what was stopped, as far as the server has answered."""
        for record in [record for record in self._ending if not record.is_pending]:
            self._ending.remove(record)
            record.close()

    def _await_playback(self) -> None:
        """Until the playback stream is ready, it cannot be uncorked. BackendError if the server does not link it."""
        assert self._loop is not None
        assert self._playback is not None
        deadline = time.monotonic() + READY_SECONDS
        while not self._playback.is_ready:
            self._raise_if_playback_ended()
            if time.monotonic() > deadline:
                if self._virtual is not None and self._view is not None and self._virtual.is_cut_off():
                    self._view.renew()
                raise BackendError(_("the sound server does not start the stream to the virtual microphone"))
            self._loop.iterate(0.1)

    def _raise_if_playback_ended(self) -> None:
        if self._playback is not None and self._playback.fault is not None:
            raise BackendError(_("the virtual microphone is gone"), self._playback.fault.system_words)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn pulsectl's errors into BackendError. After one, ``close`` leaves the virtual microphone to the next backend."""
        try:
            yield
        except BackendError:
            self._has_failed = True
            raise
        except _PULSE_ERRORS as error:
            self._has_failed = True
            raise BackendError(_("no sound server answers; start PipeWire or PulseAudio"), str(error)) from error


def _sooner(timeout: float | None, view: ServerView) -> float | None:
    """``timeout``, or the time until a virtual microphone that is cut off must be made anew, if that comes first, s."""
    times = [seconds for seconds in (timeout, view.seconds_until_renewal()) if seconds is not None]
    return min(times, default=None)
