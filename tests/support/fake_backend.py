"""The contract of ``audio/backend.py`` with the samples and the clock faked, for tests of the engine."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Mapping

import numpy as np

from densenoiser_daemon.audio import microphone_choice
from densenoiser_daemon.audio.backend import QUEUE_SECONDS, Channels, Headset, Microphone
from densenoiser_daemon.errors import BackendError, DeviceError
from densenoiser_daemon.status import Fact
from densenoiser_models.stft import Samples

RATE = 48_000
HEADSET = Microphone("headset", "USB Headset", RATE, 1, True)
WEBCAM = Microphone("webcam", "Webcam", RATE, 2, False)


class FakeBackend:
    """A test feeds blocks with ``hear`` and looks at ``played``; everything else is as the attributes say."""

    def __init__(self) -> None:
        self.server = "Fake 1.0"
        self.queue_seconds = QUEUE_SECONDS
        self.microphones: tuple[Microphone, ...] = (HEADSET, WEBCAM)
        self.loops: tuple[Microphone, ...] = ()
        self.warnings: tuple[Fact, ...] = ()
        self.channels = Channels()
        self.is_default = False
        self.headsets: tuple[Headset, ...] = ()
        self.taken_headset: Headset | None = None
        self.listeners: tuple[str, ...] = ("Zoom",)
        self.capture_latency = 0.010
        self.playback_latency: float | None = 0.005
        self.device_latency = 0.0
        self.xruns = 0
        self.capture_fault: DeviceError | None = None
        self.refusals: deque[BackendError | DeviceError] = deque()
        """Raised by the next ``start`` or ``connect`` calls."""
        self.lost: str | None = None
        self.opened: Microphone | None = None
        self.connects = self.closes = self.starts = 0
        self.played: list[Samples] = []
        self._heard: queue.SimpleQueue[Samples] = queue.SimpleQueue()
        self._condition = threading.Condition()
        self._woken = self._sleeps = False

    def hear(self, *blocks: Samples) -> None:
        """Blocks that arrive together; returns when the engine has dealt with them."""
        for block in blocks:
            self._heard.put(block.astype(np.float32))
        self.settle()

    def settle(self) -> None:
        """Wake the engine and wait until it sleeps again."""
        with self._condition:
            self._woken, self._sleeps = True, False
            self._condition.notify_all()
            assert self._condition.wait_for(lambda: self._sleeps, 10.0), "the engine does not wait for more"

    @property
    def output(self) -> Samples:
        """All that was played so far."""
        return np.concatenate([np.zeros(0, np.float32), *self.played])

    def browse(self) -> None:
        self._raise_if_lost()

    def connect(self) -> None:
        self.connects += 1
        if self.refusals and isinstance(self.refusals[0], BackendError):
            raise self.refusals.popleft()

    def close(self) -> None:
        self.closes += 1
        self.opened = None
        with self._condition:
            self._sleeps = True
            self._condition.notify_all()

    def choose(self, wanted: str, identity: Mapping[str, str]) -> Microphone | None:
        return microphone_choice.choose(wanted, self.microphones, identity=identity)

    def take_headset(self, headset: Headset) -> None:
        self.taken_headset = headset

    def give_headset_back(self) -> None:
        self.taken_headset = None

    def be_default(self, wanted: bool) -> None:
        self.is_default = wanted

    def start(self, microphone: Microphone, channel: int | None = None) -> None:
        self._raise_if_lost()
        if self.refusals:
            raise self.refusals.popleft()
        self.starts += 1
        self.opened = microphone

    def stop(self) -> None:
        self.opened = None
        self.capture_fault = None

    def wait(self, timeout: float | None) -> None:
        with self._condition:
            if not self._woken and timeout != 0.0:  # else it only looks in between, with frames left to filter
                self._sleeps = True
                self._condition.notify_all()
                self._condition.wait_for(lambda: self._woken, timeout)
            self._woken = self._sleeps = False
        self._raise_if_lost()

    def wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def read(self) -> Samples | None:
        if self.opened is None:
            return None
        try:
            return self._heard.get_nowait()
        except queue.Empty:
            return None

    def write(self, samples: Samples) -> None:
        self.played.append(samples.copy())

    def _raise_if_lost(self) -> None:
        if self.lost is not None:
            raise BackendError(self.lost)
