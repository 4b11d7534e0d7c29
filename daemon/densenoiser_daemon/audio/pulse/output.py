"""What the desktop plays on by default, for someone who wants to hear himself. Never the virtual microphone."""

from __future__ import annotations

from contextlib import suppress

import pulsectl
from pulsectl._pulsectl import LibPulse

from densenoiser_models.stft import Samples

from ...errors import BackendError, DeviceError
from ...i18n import _
from .connection import Connection
from .streams import MainLoop, PlaybackStream
from .virtual_microphone import OWN_SINKS

_QUEUE_SECONDS = 0.06
_REACH_SECONDS = 3.0
_PULSE_ERRORS = (pulsectl.PulseError, pulsectl.PulseDisconnected, LibPulse.CallError)


class DefaultOutput:
    """Follows the default as it changes. Owned by one thread."""

    def __init__(self, rate: int) -> None:
        """Connects and begins to play. BackendError; DeviceError if there is no output."""
        self._rate = rate
        self._pulse = Connection("DenseNoiser", connect=False)
        self._stream: PlaybackStream | None = None
        self._sink = ""
        self._is_playing = False
        try:
            self._pulse.reach(_REACH_SECONDS)
            self._loop = MainLoop(self._pulse)
            self.follow()
        except BaseException as error:
            self.close()
            if isinstance(error, _PULSE_ERRORS):
                raise BackendError(_("no sound server answers; start PipeWire or PulseAudio"), str(error)) from error
            raise

    def follow(self) -> None:
        """Play on what is the default now. BackendError; DeviceError if there is no output."""
        try:
            sink = self._pulse.server_info().default_sink_name
            known = {s.name for s in self._pulse.sink_list()}
        except _PULSE_ERRORS as error:
            raise BackendError(_("the connection to the sound server is lost"), str(error)) from error
        if sink in OWN_SINKS or sink not in known:
            raise DeviceError(_("there is no output to hear it on"))
        if sink == self._sink and self._stream is not None and self._stream.fault is None:
            return
        self._end_stream()
        self._sink = sink
        target = round(_QUEUE_SECONDS * self._rate)
        self._stream = PlaybackStream(self._pulse, sink, self._rate, target, name="what you hear of yourself")

    def wait(self, seconds: float) -> None:
        """Let the server speak for so long at most. BackendError."""
        self._loop.iterate(seconds)
        if self._stream is not None and self._stream.is_ready and not self._is_playing:
            self._stream.cork(False)
            self._is_playing = True

    def write(self, samples: Samples) -> None:
        """Queue samples; they are lost while the server has not answered yet."""
        if self._stream is not None and self._is_playing:
            self._stream.write(samples)

    @property
    def is_ready(self) -> bool:
        """What is written is played."""
        return self._is_playing

    @property
    def latency(self) -> float | None:
        """Time until a sample written now is played, s; None while it is not known."""
        return self._stream.latency if self._stream is not None and self._is_playing else None

    @property
    def xruns(self) -> int:
        """Underruns of the stream in use."""
        return self._stream.xruns if self._stream is not None else 0

    def close(self) -> None:
        """Fall silent. Never raises."""
        with suppress(BackendError, *_PULSE_ERRORS):
            self._end_stream()
        with suppress(*_PULSE_ERRORS):
            self._pulse.close()

    def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        self._is_playing = False
        if stream is not None:
            stream.close()  # one that is pending goes with the connection
