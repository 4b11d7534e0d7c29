"""A stand-in for the daemon behind its D-Bus service: it makes no sound and remembers what it was told."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import replace

from tests.support.fake_output import FakeOutput

from densenoiser_daemon.audio.backend import Microphone
from densenoiser_daemon.engine.frame_tap import FrameTap
from densenoiser_daemon.errors import UnusableModelError
from densenoiser_daemon.hearing.listening import Listening
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import Levels, State, Status
from densenoiser_models.errors import ModelError
from densenoiser_models.frame import FrameSpec
from densenoiser_models.model_file import load_model

HEADSET = Microphone("alsa_input.usb-headset", "USB Headset", 48_000, 1, True)
WEBCAM = Microphone("alsa_input.webcam", "Webcam", 44_100, 2, False)


class RecordedControls:
    """Keeps the contract of ``Controls`` without sound: what is applied is in force, what is set is the status."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.status = Status(
            state=State.RUNNING,
            listeners=("Zoom",),
            server="PulseAudio 16.1",
            microphone=HEADSET.name,
            microphone_description=HEADSET.description,
            model="densenet-small",
            provider="cpu",
            algorithmic_latency_ms=20.0,
            transport_latency_ms=31.5,
            latency_ceiling_ms=60.0,
            levels=Levels(-30.0, -42.0, 12.0),
        )
        self.microphones: tuple[Microphone, ...] = (HEADSET, WEBCAM)
        self.loops: tuple[Microphone, ...] = ()
        self.shows_spectra = False
        self.ended = threading.Event()
        spec = FrameSpec()
        self.output = FakeOutput()
        self.tap = FrameTap(spec)
        self.is_held = False
        self.listening = Listening(spec, self.tap, lambda: self.output, self._hold)

    def apply(self, settings: Settings) -> None:
        self.settings = settings

    def use_model(self, model: str) -> Future[None]:
        answer: Future[None] = Future()
        try:
            load_model(model)
        except ModelError as error:
            answer.set_exception(UnusableModelError(str(error)))
        else:
            self.settings = replace(self.settings, model=model)
            answer.set_result(None)
        return answer

    def _hold(self, wanted: bool) -> None:
        self.is_held = wanted

    def watch_spectra(self, wanted: bool) -> None:
        self.shows_spectra = wanted

    def spectra(self) -> tuple[bytes, bytes] | None:
        return (bytes(range(48)), bytes(48)) if self.shows_spectra else None

    def quit(self) -> None:
        self.ended.set()
