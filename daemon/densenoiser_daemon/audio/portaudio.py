"""The portable backend: PortAudio through sounddevice, from a capture device into a virtual cable's playback device.

For systems without PulseAudio and PipeWire, where another program makes the virtual cable: ALSA's snd-aloop, VB-CABLE,
BlackHole. PortAudio cannot say who is listening, so the microphone is open while the daemon runs. Nor does it announce
devices, so the backend looks for them again while there is none to record from.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import sounddevice

from densenoiser_models.stft import Samples

from ..errors import BackendError, DeviceError, DeviceGoneError
from ..i18n import _
from ..status import Fact
from . import microphone_choice
from .backend import QUEUE_SECONDS, Channels, Headset, Microphone
from .reframer import Reframer

_CAPTURE_SECONDS = 0.5
_QUEUE_SECONDS = 0.2
_DEVICE_SECONDS = 0.020
_LOOK_SECONDS = 1.0


class PortAudioBackend:
    """AudioBackend on sounddevice. PortAudio's threads only copy to and from bounded queues."""

    def __init__(self, rate: int, fragment: int, output: str | None) -> None:
        """``rate`` in Hz; ``fragment`` in samples; ``output`` is the virtual cable, by name or index, or None to only look."""
        self._rate = rate
        self._fragment = fragment
        self._output = output
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._captured: deque[Samples] = deque(maxlen=round(_CAPTURE_SECONDS * rate / fragment))
        self._queue = Reframer(fragment, round(_QUEUE_SECONDS * rate))
        self._input_stream: Any = None
        self._output_stream: Any = None
        self._output_device: dict[str, Any] | None = None
        self._primed = False
        self._played_at = 0.0
        self._capture_ended = self._playback_ended = False
        self.microphones: tuple[Microphone, ...] = ()
        self.loops: tuple[Microphone, ...] = ()
        self.warnings: tuple[Fact, ...] = ()
        self.channels = Channels()
        self.is_default = False
        self.headsets: tuple[Headset, ...] = ()
        self.xruns = 0
        self.server = ""
        self.queue_seconds = QUEUE_SECONDS

    def browse(self) -> None:
        try:
            # PortAudio looks at the system's devices once, when it starts.
            sounddevice._terminate()
            sounddevice._initialize()
            devices = sounddevice.query_devices()
            default = sounddevice.default.device[0]
        except sounddevice.PortAudioError as error:
            raise BackendError(_("PortAudio cannot be used: {error}").format(error=error)) from error
        self.server = sounddevice.get_portaudio_version()[1].split(",")[0]
        self.microphones = tuple(
            Microphone(d["name"], d["name"], round(d["default_samplerate"]), d["index"], d["index"] == default)
            for d in devices
            if d["max_input_channels"] > 0
        )
        if self._output is not None:
            self._find_cable()

    def connect(self) -> None:
        self.browse()

    def _find_cable(self) -> None:
        """DeviceError if there is no such cable."""
        device = int(self._output) if self._output is not None and self._output.isdigit() else self._output
        try:
            self._output_device = sounddevice.query_devices(device, "output")
        except (ValueError, sounddevice.PortAudioError) as error:
            self._output_device = None
            found = [d["name"] for d in sounddevice.query_devices() if d["max_output_channels"] > 0]
            sentence = _("no virtual cable {wanted!r} to play into; there are: {names}")
            raise DeviceError(sentence.format(wanted=self._output, names=", ".join(found) or _("none"))) from error
        cable = self._output_device["index"]
        self.loops = tuple(m for m in self.microphones if m.index == cable)  # it would hear itself
        self.microphones = tuple(m for m in self.microphones if m.index != cable)

    def close(self) -> None:
        self.stop()

    @property
    def listeners(self) -> tuple[str, ...]:
        return (str(self._output_device["name"]),) if self._output_device is not None else ()

    def choose(self, wanted: str, identity: Mapping[str, str]) -> Microphone | None:
        return microphone_choice.choose(wanted, self.microphones, identity=identity)

    def take_headset(self, headset: Headset) -> None:
        """PortAudio knows no profiles."""

    def give_headset_back(self) -> None:
        """As above."""

    def be_default(self, wanted: bool) -> None:
        """PortAudio chooses no default device."""

    def start(self, microphone: Microphone, channel: int | None = None) -> None:
        self._primed = self._capture_ended = self._playback_ended = False
        common = {
            "samplerate": self._rate,
            "blocksize": self._fragment,
            "channels": 1,
            "dtype": "float32",
            "latency": _DEVICE_SECONDS,
        }
        try:
            if self._output_device is None:
                self.connect()
            assert self._output_device is not None
            self._output_stream = sounddevice.OutputStream(
                device=self._output_device["index"], callback=self._play, finished_callback=self._end_playback, **common
            )
            self._input_stream = sounddevice.InputStream(
                device=microphone.index, callback=self._capture, finished_callback=self._end_capture, **common
            )
            self._output_stream.start()
            self._input_stream.start()
        except sounddevice.PortAudioError as error:
            self.stop()
            self._look_again()
            raise DeviceError(
                _("cannot record from {microphone}: {error}; is another program using it?").format(
                    microphone=microphone.name, error=error
                )
            ) from error

    def stop(self) -> None:
        streams, self._input_stream, self._output_stream = (self._input_stream, self._output_stream), None, None
        for stream in streams:
            if stream is not None:
                stream.close(ignore_errors=True)
        self._capture_ended = self._playback_ended = False
        self._captured.clear()
        with self._lock:
            self._queue.clear()

    @property
    def capture_fault(self) -> DeviceError | None:
        return DeviceGoneError(_("the device stopped")) if self._capture_ended else None

    def wait(self, timeout: float | None) -> None:
        looks = self._input_stream is None and timeout is None
        woken = self._event.wait(_LOOK_SECONDS if looks else timeout)
        self._event.clear()
        if self._playback_ended:
            raise BackendError(_("the virtual cable {name} is gone").format(name=self._output))
        if looks and not woken:
            self._look_again()

    def wake(self) -> None:
        self._event.set()

    def read(self) -> Samples | None:
        return self._captured.popleft() if self._captured else None

    def write(self, samples: Samples) -> None:
        with self._lock:
            self._queue.push(samples)

    @property
    def capture_latency(self) -> float:
        waiting = len(self._captured) * self._fragment / self._rate
        return waiting + (float(self._input_stream.latency) if self._input_stream is not None else 0.0)

    @property
    def playback_latency(self) -> float | None:
        if not self._primed:
            return None
        with self._lock:
            left, played_at = self._fragment + len(self._queue), self._played_at
        return max(0.0, left / self._rate - (time.monotonic() - played_at))

    @property
    def device_latency(self) -> float:
        return float(self._output_stream.latency) if self._output_stream is not None else 0.0

    def _look_again(self) -> None:
        """Renew the list of devices; no stream may be open. A cable that is missing is for ``start`` to complain of."""
        with suppress(DeviceError):
            self.connect()

    def _capture(self, data: Samples, frames: int, moment: Any, status: Any) -> None:
        """PortAudio's capture thread."""
        self.xruns += bool(status) or len(self._captured) == self._captured.maxlen
        self._captured.append(data[:, 0].copy())
        self._event.set()

    def _play(self, data: Samples, frames: int, moment: Any, status: Any) -> None:
        """PortAudio's playback thread. After an underrun it waits for two fragments before it plays again."""
        with self._lock:
            if not self._primed:
                self._primed = len(self._queue) >= 2 * self._fragment
            samples = self._queue.pop() if self._primed else None
            self._played_at = time.monotonic()
        if samples is not None:
            data[:, 0] = samples
            self.xruns += bool(status)
        else:
            data.fill(0.0)
            self.xruns += self._primed
            self._primed = False

    def _end_capture(self) -> None:
        """PortAudio's thread: the capture ended, by ``stop`` or by itself."""
        self._capture_ended = self._input_stream is not None
        self._event.set()

    def _end_playback(self) -> None:
        """PortAudio's thread: the playback ended, by ``stop`` or by itself."""
        self._playback_ended = self._output_stream is not None
        self._event.set()
