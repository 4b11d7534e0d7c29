"""The audio thread: takes frames from the microphone, filters them, and feeds the virtual microphone."""

from __future__ import annotations

import gc
import logging
import math
import threading
import time
from collections.abc import Callable

import numpy as np

from densenoiser_models.denoiser import Denoiser

from ..audio.backend import QUEUE_SECONDS, AudioBackend, Microphone
from ..audio.microphone_choice import headset_to_take
from ..audio.reframer import Reframer
from ..errors import AlreadyRunningError, BackendError, DeviceError
from ..settings.settings import Settings
from ..status import Fact, Status
from .clock_drift import DriftController, stretch
from .fallback_ladder import Rung
from .frame_filter import FrameFilter
from .frame_tap import FrameTap
from .status_board import StatusBoard

log = logging.getLogger(__name__)

LATENCY_CEILING_SECONDS = 0.060
_RECONNECT_SECONDS = (0.1, 0.2, 0.5, 1.0)
_MICROPHONE_RETRY_SECONDS = 0.5
# The collector is off while streaming: 37 ms at worst. Its young generations take well under 1 ms.
_COLLECT_FRAMES = 1000


class Engine:
    """Runs a backend and a denoiser on one thread, by the settings, and publishes how it goes.

    ``run`` is the audio thread's whole life. Other threads may use every other public member.
    """

    def __init__(
        self,
        connect: Callable[[], AudioBackend],
        denoiser: Denoiser,
        settings: Settings,
        model: str = "",
        provider: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``connect`` makes a backend that is not connected yet.

        ``model`` and ``provider`` name what ``denoiser`` is, for the status. ``clock`` counts seconds from anywhere.
        """
        self._connect = connect
        self._clock = clock
        self._filter = FrameFilter(denoiser, model, provider, clock)
        self._settings = settings
        self._is_held = False
        spec = denoiser.spec
        # The frame that is queued last comes on top of the ceiling, and so do corrections of the clock drift.
        self._board = StatusBoard(self._filter, LATENCY_CEILING_SECONDS + 1.2 * spec.hop_seconds)
        self._backend: AudioBackend | None = None
        self._microphones: tuple[Microphone, ...] = ()
        self._loops: tuple[Microphone, ...] = ()
        self._quit = threading.Event()
        self._reframer = Reframer(spec.hop, spec.sample_rate)
        self._drift = DriftController(spec.sample_rate, spec.hop, QUEUE_SECONDS, LATENCY_CEILING_SECONDS)
        self._xruns_seen = 0

    @property
    def status(self) -> Status:
        """The newest snapshot."""
        return self._board.status

    @property
    def tap(self) -> FrameTap:
        """What comes in and what goes out."""
        return self._filter.tap

    @property
    def microphones(self) -> tuple[Microphone, ...]:
        """The real sources; empty while no server answers."""
        return self._microphones

    @property
    def loops(self) -> tuple[Microphone, ...]:
        """Sources that carry our own sound and are never taken."""
        return self._loops

    def on_change(self, callback: Callable[[], None]) -> None:
        """``callback`` is called in the audio thread when the status or the microphones changed. Before ``run``."""
        self._board.on_change = callback

    def apply(self, settings: Settings) -> None:
        """Put ``settings`` in force from the next frame. The engine does not load their model: see ``use``."""
        self._settings = settings
        self._wake()

    def hold(self, wanted: bool) -> None:
        """Keep the microphone open although nobody listens, or no longer."""
        self._is_held = wanted
        self._wake()

    def use(self, chosen: Rung, lighter: Rung | None = None) -> None:
        """Change over to another denoiser with a cross-fade; for ``lighter`` see ``use_lighter``. ValueError for other frames."""
        self._filter.use(chosen, lighter)
        self._wake()

    def use_lighter(self, lighter: Rung) -> None:
        """Step down to ``lighter`` while the machine is too slow for the denoiser in use. ValueError for other frames."""
        self._filter.use_lighter(lighter)

    def describe_thread(self, scheduling: Fact, memory: Fact) -> None:
        """For the status: how the audio thread is scheduled, and whether its memory is locked. In it, before ``run``."""
        self._board.describe_thread(scheduling, memory)

    def quit(self) -> None:
        """End ``run`` cleanly."""
        self._quit.set()
        self._wake()

    def _wake(self) -> None:
        backend = self._backend
        if backend is not None:
            backend.wake()

    @np.errstate(over="ignore", invalid="ignore")  # what a broken driver captures may overflow; the filter mends it
    def run(self, first: AudioBackend | None = None) -> None:
        """Serve until ``quit``. ``first`` is a backend that is connected already; later ones come from ``connect``."""
        failures = 0
        backend = first
        while not self._quit.is_set():
            try:
                if backend is None:
                    backend = self._connect()
                    backend.connect()
                self._backend = backend
                failures = 0
                self._serve(backend)
            except (BackendError, DeviceError, AlreadyRunningError) as error:
                log.log(logging.DEBUG if failures else logging.WARNING, "%s; trying again", error.for_log)
                self._microphones = self._loops = ()
                self._board.describe_lost_server(str(error))
                self._board.restarts += failures == 0
            finally:
                self._backend = None
                if backend is not None:
                    backend.close()
                    self._end_stream()
                    self._board.end_backend(backend)
                    backend = None
            if not self._quit.is_set():
                self._quit.wait(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
                failures += 1

    def _serve(self, backend: AudioBackend) -> None:
        """Until ``quit`` or BackendError: stream while somebody listens and there is a microphone, else sleep."""
        log.info("connected to %s", backend.server)
        self._drift.aim_at(backend.queue_seconds)
        open_microphone: Microphone | None = None
        open_channel: int | None = None
        retry_at = 0.0
        gc.freeze()
        is_wished = False
        while not self._quit.is_set():
            if self._settings.default != is_wished:
                is_wished = self._settings.default
                backend.be_default(is_wished)
            if (backend.microphones, backend.loops) != (self._microphones, self._loops):
                self._microphones, self._loops = backend.microphones, backend.loops
                self._board.on_change()
            self._switch_headset(backend)
            if open_microphone is None:
                self._filter.settle()
            microphone = backend.choose(self._settings.microphone, self._settings.microphone_identity)
            fault, failing = backend.capture_fault, microphone
            if fault is not None:
                failing = open_microphone
                log.warning("the microphone %s ended: %s", failing and failing.description, fault.for_log)
                retry_at = self._clock() + _MICROPHONE_RETRY_SECONDS
            is_wanted = bool(backend.listeners) or self._is_held
            wanted = microphone if is_wanted and self._clock() >= retry_at else None
            channel = self._settings.channel_for(wanted.name) if wanted is not None else None
            if fault is not None or (_place(wanted), channel) != (_place(open_microphone), open_channel):
                if open_microphone is not None:
                    open_microphone = open_channel = None
                    self._close(backend)
                if wanted is not None:
                    try:
                        backend.start(wanted, channel)
                        open_microphone, open_channel = wanted, channel
                        log.debug("opened the microphone %s for %s", wanted.name, ", ".join(backend.listeners))
                    except DeviceError as error:
                        fault, failing = error, wanted
                        log.warning("%s", error.for_log)
                        retry_at = self._clock() + _MICROPHONE_RETRY_SECONDS
            running = wanted if open_microphone is not None else None  # as it is now: it may have been muted meanwhile
            self._board.describe(backend, running, microphone, self._settings, fault, failing)
            if open_microphone is not None:
                self._stream(backend, open_microphone)
            else:
                backend.wait(_MICROPHONE_RETRY_SECONDS if is_wanted and microphone is not None else None)
        backend.give_headset_back()
        if is_wished:
            backend.be_default(False)

    def _close(self, backend: AudioBackend) -> None:
        """Release the microphone."""
        backend.stop()
        self._end_stream()
        self._board.log_stream(backend)

    def _switch_headset(self, backend: AudioBackend) -> None:
        """Give a headset its microphone while somebody listens, if the user wants that."""
        if not (backend.listeners or self._is_held) or not self._settings.headset:
            backend.give_headset_back()
            return
        headset = headset_to_take(self._settings.microphone, backend.microphones, backend.headsets)
        if headset is not None:
            backend.take_headset(headset)

    def _stream(self, backend: AudioBackend, microphone: Microphone) -> None:
        """Filter until something other than samples needs looking at."""
        before = self._surroundings(backend)
        gc.disable()
        is_behind = False
        try:
            while not self._quit.is_set() and self._surroundings(backend) == before and backend.capture_fault is None:
                backend.wait(0.0 if is_behind else 1.0)
                is_behind = self._pump(backend, microphone)
        finally:
            gc.enable()

    def _surroundings(self, backend: AudioBackend) -> tuple[object, ...]:
        """What decides about the streams and the status. A change ends ``_stream``."""
        settings = self._settings
        chosen = settings.microphone, settings.microphone_identity, settings.microphone_channels
        wishes = settings.default, settings.headset, self._is_held
        sources = backend.microphones, backend.loops, backend.channels, backend.is_default, backend.headsets
        return sources, backend.warnings, backend.listeners, chosen, wishes

    def _pump(self, backend: AudioBackend, microphone: Microphone) -> bool:
        """Take what was captured, filter it, queue it. True if a late frame ended that before all of it was filtered."""
        latency = self._take(backend)
        is_behind = self._filter_waiting(backend, microphone, latency)
        self._board.refresh(backend)
        return is_behind

    def _take(self, backend: AudioBackend) -> float | None:
        """Take what was captured, and drop what is too late; the playback latency, s."""
        captured = 0
        while (block := backend.read()) is not None:
            captured += len(block)
            self._board.dropped_frames += self._reframer.push(block)
        if captured:
            self._drift.note_capture(self._clock(), captured)
        if backend.xruns != self._xruns_seen:
            self._xruns_seen = backend.xruns
            self._drift.note_underrun()
        latency = backend.playback_latency
        if latency is not None:
            late = self._drift.frames_to_drop(latency, self._reframer.frames)
            if late:
                self._reframer.drop(late)
                self._board.dropped_frames += late
        return latency

    def _filter_waiting(self, backend: AudioBackend, microphone: Microphone, latency: float | None) -> bool:
        settings = self._settings
        strength_db = settings.strength_for(microphone.name) if settings.enabled else 0.0
        hop_seconds = self._filter.spec.hop_seconds
        while (frame := self._reframer.pop()) is not None:
            started = self._clock()
            clean, energy = self._filter.process(frame, strength_db, settings.muted)
            lost = 0
            if latency is not None:
                lost = self._drift.correction(latency, math.sqrt(energy / len(clean)))
                latency += hop_seconds
            backend.write(stretch(clean, lost))
            seconds = self._clock() - started
            is_late = self._filter.note_cost(seconds)
            self._board.note_frame(seconds, is_late)
            if self._board.frames % _COLLECT_FRAMES == 0:
                gc.collect(1)
            if is_late and self._reframer.frames:
                return True  # what came meanwhile may make the oldest too old
        return False

    def _end_stream(self) -> None:
        self._board.dropped_frames += self._reframer.frames  # what a late filter left
        self._reframer.clear()
        self._drift.reset()
        self._filter.reset()


def _place(microphone: Microphone | None) -> tuple[str, int] | None:
    """What tells one microphone from another, and from one that was plugged in again: PipeWire 1.4 ends no stream then."""
    return (microphone.name, microphone.index) if microphone is not None else None
