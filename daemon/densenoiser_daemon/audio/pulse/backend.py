"""The backend for PulseAudio and PipeWire (through pipewire-pulse): one connection, one main loop, one thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import numpy as np
import pulsectl
from pulsectl._pulsectl import LibPulse

from densenoiser_models.stft import Samples

from ...errors import BackendError, DeviceError
from ...i18n import _
from ...status import Fact
from .. import microphone_choice
from ..backend import QUEUE_SECONDS, Channels, Headset, Microphone
from .capture import Capture
from .connection import Connection
from .server_view import Memory, ServerView
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
_SILENCE_SECONDS = 0.080
"""How long silence is played after the last listener left: the queue, and two blocks of PipeWire's usual 21 ms."""
_FIRST_CONNECT_SECONDS, _CONNECT_SECONDS = 5.0, 0.7
"""A server may have to be started first. A restarted server answers within 50 ms, or never, if we connected before WirePlumber
did.
"""
_PULSE_ERRORS = (pulsectl.PulseError, pulsectl.PulseDisconnected, LibPulse.CallError)


class PulseBackend:
    """AudioBackend on libpulse."""

    def __init__(self, rate: int, fragment: int, memory: Memory | None = None) -> None:
        """``rate`` in Hz; ``fragment`` is how many samples to ask the server to deliver at a time.

        ``memory`` is what earlier backends of the same server knew.
        """
        self._rate = rate
        self._fragment = fragment
        self._memory = memory or Memory()
        self._cushion = np.zeros(round(CUSHION_SECONDS * rate), np.float32)
        self._is_silent = True
        self._underruns_seen = 0
        self._pulse: pulsectl.Pulse | None = None
        self._loop: MainLoop | None = None
        self._view: ServerView | None = None
        self._virtual: VirtualMicrophone | None = None
        self._capture: Capture | None = None
        self._channel_of: dict[str, int] = {}
        self._ending: list[RecordStream] = []
        self._playback: PlaybackStream | None = None
        self._remembered = earlier.name if (earlier := self._memory.earlier_default) is not None else None
        self._closed_xruns = 0
        self._woken = False
        self._has_failed = False

    def browse(self, patience: float = _FIRST_CONNECT_SECONDS) -> None:
        self._pulse = pulse = Connection("DenseNoiser", connect=False)
        with self._failures():
            pulse.reach(patience)
            self._view = ServerView(pulse, self._memory)

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
            view.refresh()  # strays are brought back first: until then they hear the physical microphone
            self._playback = PlaybackStream(pulse, SINK_NAME, self._rate, len(self._cushion) + self._fragment)
            self._await_playback()
            view.look_again()
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
    def loops(self) -> tuple[Microphone, ...]:
        return self._view.loops if self._view is not None else ()

    @property
    def warnings(self) -> tuple[Fact, ...]:
        return self._view.warnings if self._view is not None else ()

    @property
    def listeners(self) -> tuple[str, ...]:
        return self._view.listeners if self._view is not None else ()

    def choose(self, wanted: str, identity: Mapping[str, str]) -> Microphone | None:
        microphone = microphone_choice.choose(wanted, self.microphones, self._remembered, identity)
        if microphone is not None:
            self._remembered = microphone.name
        return microphone

    @property
    def headsets(self) -> tuple[Headset, ...]:
        return self._view.headsets if self._view is not None else ()

    def take_headset(self, headset: Headset) -> None:
        with self._asked() as view:
            view.take_headset(headset)

    def give_headset_back(self) -> None:
        with self._asked() as view:
            view.give_headset_back()

    def be_default(self, wanted: bool) -> None:
        with self._asked() as view:
            view.be_default(wanted)

    @property
    def is_default(self) -> bool:
        return self._view is not None and self._view.is_default

    def start(self, microphone: Microphone, channel: int | None = None) -> None:
        assert self._pulse is not None
        assert self._playback is not None
        assert self._view is not None
        self._is_silent = True
        self._playback.cork(False)
        first = self._channel_of.get(microphone.name, 0) if channel is None else channel - 1
        self._capture = Capture(self._pulse, microphone, self._rate, self._fragment, first, channel is not None)
        self._capture.watch(self._view.playing_monitors(microphone))

    def stop(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            self._channel_of[capture.microphone.name] = capture.choice.taken
            self._closed_xruns += capture.stream.xruns
            self._ending += capture.streams()
            self._end_streams()
        if self._playback is not None:
            if capture is not None and not self.listeners:
                assert self._loop is not None
                # What the sink still holds would be the first that the next listener hears.
                self._playback.play_silence(self._loop, _SILENCE_SECONDS)
            self._playback.cork(True)

    @property
    def capture_fault(self) -> DeviceError | None:
        return self._capture.stream.fault if self._capture is not None else None

    @property
    def channels(self) -> Channels:
        if self._capture is None:
            return Channels()
        return Channels(self._capture.choice.taken + 1, self._capture.choice.channels)

    def wait(self, timeout: float | None) -> None:
        view = self._view
        assert self._loop is not None
        assert view is not None
        record = self._capture.stream if self._capture is not None else None
        with self._failures():
            # Most wake-ups are the server asking for samples or telling the time, which the engine need not know.
            while not view.is_stale and not self._woken and self._loop.iterate(view.sooner(timeout)):
                if record is not None and (record.readable or record.fault is not None):
                    return
                self._raise_if_playback_ended()
                if self._ending:
                    self._end_streams()
            self._woken = False
            view.refresh(*(s.index if s is not None else None for s in (self._playback, record)))
            if self._capture is not None:
                self._ending += self._capture.watch(view.playing_monitors(self._capture.microphone))
            if view.seconds_until_renewal() == 0.0:
                view.renew(with_another_layout=True)

    def wake(self) -> None:
        self._woken = True
        loop = self._loop
        if loop is not None:
            loop.wake()

    def read(self) -> Samples | None:
        return self._capture.read() if self._capture is not None else None

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
        return (self._capture.stream.latency if self._capture is not None else None) or 0.0

    @property
    def playback_latency(self) -> float | None:
        return self._playback.latency if self._playback is not None else None

    @property
    def device_latency(self) -> float:
        return 0.0

    @property
    def xruns(self) -> int:
        streams = (self._capture.stream if self._capture is not None else None, self._playback)
        return self._closed_xruns + sum(stream.xruns for stream in streams if stream is not None)

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
    def _asked(self) -> Iterator[ServerView]:
        assert self._view is not None
        with self._failures():
            yield self._view

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
