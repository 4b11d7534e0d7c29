"""The one worker: microphone, denoiser, virtual microphone."""

from __future__ import annotations

import gc
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from densenoiser_models.denoiser import Denoiser

from ..audio.backend import QUEUE_SECONDS, AudioBackend, Microphone
from ..audio.reframer import Reframer
from ..errors import BackendError, DeviceError
from ..i18n import _
from ..settings.settings import Settings
from ..status import Counters, Levels, State, Status
from .clock_drift import DriftController, stretch
from .fallback_ladder import Rung
from .frame_filter import FrameFilter

log = logging.getLogger(__name__)

LATENCY_CEILING_SECONDS = 0.060
_RECONNECT_SECONDS = (0.1, 0.2, 0.5, 1.0)
_MICROPHONE_RETRY_SECONDS = 0.5
_PUBLISH_FRAMES = 10
_COST_FRAMES = 6000  # one minute
# The collector is off while streaming: 37 ms at worst. Its young generations take well under 1 ms.
_COLLECT_FRAMES = 1000


@dataclass(slots=True)
class _Tally:
    """The worker's own counters; ``Counters`` is the published copy."""

    frames: int = 0
    dropped_frames: int = 0
    deadline_misses: int = 0
    restarts: int = 0
    xruns_before: int = 0
    published_at: int = 0


class Engine:
    """Runs a backend and a denoiser on one thread, by the settings, and says how it goes.

    ``run`` is the thread; what stands under "any thread" may be used from any.
    """

    def __init__(
        self,
        connect: Callable[[], AudioBackend],
        denoiser: Denoiser,
        settings: Settings,
        on_change: Callable[[], None] = lambda: None,
        model: str = "",
        provider: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``connect`` makes a backend that is not connected yet; ``on_change`` is called in the worker when the state changes.

        ``model`` and ``provider`` name what ``denoiser`` is, for the status. ``clock`` counts seconds from anywhere.
        """
        self._connect = connect
        self._clock = clock
        self._filter = FrameFilter(denoiser, model, provider, clock)
        self._settings = settings
        self._on_change = on_change
        spec = denoiser.spec
        algorithmic_ms = spec.algorithmic_latency_seconds * 1e3
        ceiling_ms = (LATENCY_CEILING_SECONDS + 1.2 * spec.hop_seconds) * 1e3  # the frame queued last, and corrections
        self._status = Status(
            model=model, provider=provider, algorithmic_latency_ms=algorithmic_ms, latency_ceiling_ms=ceiling_ms
        )
        self._backend: AudioBackend | None = None
        self._microphones: tuple[Microphone, ...] = ()
        self._quit = threading.Event()
        self._tally = _Tally()
        self._reframer = Reframer(spec.hop, spec.sample_rate)
        self._drift = DriftController(spec.sample_rate, spec.hop, QUEUE_SECONDS, LATENCY_CEILING_SECONDS)
        self._frame_seconds = np.zeros(_COST_FRAMES, np.float32)
        self._xruns_seen = 0

    # -- any thread ----------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """What is in force."""
        return self._settings

    @property
    def status(self) -> Status:
        """The newest snapshot."""
        return self._status

    @property
    def microphones(self) -> tuple[Microphone, ...]:
        """The real sources; empty while no server answers."""
        return self._microphones

    def apply(self, settings: Settings) -> None:
        """Put ``settings`` in force from the next frame. The model is not the engine's to load: see ``use``."""
        self._settings = settings
        self._wake()

    def use(self, denoiser: Denoiser, model: str, provider: str, lighter: Rung | None = None) -> None:
        """Change over to another denoiser, with a cross-fade; ``lighter``: see ``use_lighter``. ValueError for another spec."""
        self._filter.use(Rung(denoiser, model, provider), lighter)
        self._wake()

    def use_lighter(self, lighter: Rung) -> None:
        """What to step down to while the denoiser in use is too slow for the machine. ValueError if the spec differs."""
        self._filter.use_lighter(lighter)

    def describe_thread(self, scheduling: str, memory: str) -> None:
        """For the status: how the worker is scheduled, and whether its memory is locked. Before ``run``, in its thread."""
        self._status = replace(self._status, scheduling=scheduling, memory=memory)

    def quit(self) -> None:
        """End ``run`` cleanly."""
        self._quit.set()
        self._wake()

    def _wake(self) -> None:
        backend = self._backend
        if backend is not None:
            backend.wake()

    # -- the worker ----------------------------------------------------------------------------------------------------

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
            except (BackendError, DeviceError) as error:
                log.log(logging.DEBUG if failures else logging.WARNING, "%s; trying again", error)
                self._microphones = ()
                self._publish(State.WAITING_FOR_SERVER, str(error))
                self._tally.restarts += failures == 0
            finally:
                self._backend = None
                if backend is not None:
                    backend.close()
                    self._end_stream()
                    self._tally.xruns_before += backend.xruns
                    backend = None
            if not self._quit.is_set():
                self._quit.wait(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
                failures += 1

    def _serve(self, backend: AudioBackend) -> None:
        """Until ``quit`` or BackendError: stream while somebody listens and there is a microphone, else sleep."""
        log.info("connected to %s", backend.server)
        self._drift.aim_at(backend.queue_seconds)
        open_microphone: Microphone | None = None
        retry_at = 0.0
        gc.freeze()
        while not self._quit.is_set():
            if backend.microphones != self._microphones:
                self._microphones = backend.microphones
                self._on_change()
            if open_microphone is None:
                self._filter.settle()
            microphone = backend.choose(self._settings.microphone)
            fault = backend.capture_fault
            if fault is not None:
                log.warning("the microphone %s ended: %s", open_microphone and open_microphone.description, fault)
                retry_at = self._clock() + _MICROPHONE_RETRY_SECONDS
            wanted = microphone if backend.listeners and self._clock() >= retry_at else None
            if fault is not None or _name(wanted) != _name(open_microphone):
                if open_microphone is not None:
                    backend.stop()
                    open_microphone = None
                    self._end_stream()
                    self._log_stream(backend)
                if wanted is not None:
                    try:
                        backend.start(wanted)
                        open_microphone = wanted
                        log.debug("opened the microphone %s for %s", wanted.name, ", ".join(backend.listeners))
                    except DeviceError as error:
                        fault = str(error)
                        log.warning("%s", error)
                        retry_at = self._clock() + _MICROPHONE_RETRY_SECONDS
            self._describe(backend, open_microphone, microphone, fault)
            if open_microphone is not None:
                self._stream(backend, open_microphone)
            else:
                waits = bool(backend.listeners) and microphone is not None
                backend.wait(_MICROPHONE_RETRY_SECONDS if waits else None)

    def _stream(self, backend: AudioBackend, microphone: Microphone) -> None:
        """Filter until something other than samples needs looking at."""
        before = backend.microphones, backend.listeners, self._settings.microphone
        gc.disable()
        is_behind = False
        try:
            while (
                not self._quit.is_set()
                and (backend.microphones, backend.listeners, self._settings.microphone) == before
                and backend.capture_fault is None
            ):
                backend.wait(0.0 if is_behind else 1.0)
                is_behind = self._pump(backend, microphone)
        finally:
            gc.enable()

    def _pump(self, backend: AudioBackend, microphone: Microphone) -> bool:
        """Take what was captured, filter it, queue it. True if a late frame ended that before all of it was filtered."""
        latency = self._take(backend)
        is_behind = self._filter_waiting(backend, microphone, latency)
        if self._tally.frames + self._tally.dropped_frames - self._tally.published_at >= _PUBLISH_FRAMES:
            self._publish_levels(backend)
        state = self._running_state()
        if (*state, self._filter.model) != (self._status.state, self._status.reason, self._status.model):
            self._publish(*state)
        return is_behind

    def _take(self, backend: AudioBackend) -> float | None:
        """Take what was captured, and drop what is too late; the playback latency, s."""
        captured = 0
        while (block := backend.read()) is not None:
            captured += len(block)
            self._tally.dropped_frames += self._reframer.push(block)
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
                self._tally.dropped_frames += late
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
            is_late = seconds > hop_seconds
            self._frame_seconds[self._tally.frames % len(self._frame_seconds)] = seconds
            self._tally.frames += 1
            self._tally.deadline_misses += is_late
            self._filter.ladder.note(is_late)
            if self._tally.frames % _COLLECT_FRAMES == 0:
                gc.collect(1)
            if is_late and self._reframer.frames:
                return True  # what came meanwhile may make the oldest too old
        return False

    def _end_stream(self) -> None:
        self._tally.dropped_frames += self._reframer.frames  # what a late filter left
        self._reframer.clear()
        self._drift.reset()
        self._filter.reset()

    def _log_stream(self, backend: AudioBackend) -> None:
        costs = self._frame_seconds[: self._tally.frames] * 1e6
        if len(costs):
            median, p99 = np.median(costs), np.percentile(costs, 99)
            log.debug("released the microphone: %s", self._counters(backend))
            log.debug("a frame cost %.0f us in the median, %.0f us at the 99th percentile", median, p99)

    def _describe(
        self, backend: AudioBackend, running: Microphone | None, chosen: Microphone | None, fault: str | None
    ) -> None:
        """Publish the state that the streams are in now."""
        shown = running or chosen
        if running is not None:
            state, reason = self._running_state()
        elif chosen is None:
            state, reason = State.WAITING_FOR_MICROPHONE, _("no microphone is connected")
        elif backend.listeners:
            state, reason = State.WAITING_FOR_MICROPHONE, fault or _("the microphone is not ready")
        else:
            state, reason = State.IDLE, ""
        self._publish(
            state,
            reason,
            listeners=backend.listeners,
            server=backend.server,
            microphone=shown.name if shown else "",
            microphone_description=shown.description if shown else "",
            transport_latency_ms=self._status.transport_latency_ms if running else 0.0,
            levels=self._status.levels if running else Levels(),
        )

    def _running_state(self) -> tuple[State, str]:
        fault, ladder = self._filter.fault, self._filter.ladder
        if fault is not None:
            return State.BYPASSED, fault
        return (State.BYPASSED if ladder.is_bypass else State.RUNNING), ladder.reason

    def _publish_levels(self, backend: AudioBackend) -> None:
        self._tally.published_at = self._tally.frames + self._tally.dropped_frames
        levels = self._filter.take_levels()
        transport = backend.capture_latency + (backend.playback_latency or 0.0) + backend.device_latency
        self._status = replace(
            self._status, levels=levels, transport_latency_ms=transport * 1e3, counters=self._counters(backend)
        )

    def _publish(self, state: State, reason: str, **changes: object) -> None:
        before = self._status
        counters = self._counters(self._backend)
        named = {"model": self._filter.model, "provider": self._filter.provider, **changes}
        self._status = replace(before, state=state, reason=reason, counters=counters, **named)  # type: ignore[arg-type]
        if replace(self._status, counters=before.counters) != before:
            self._on_change()

    def _counters(self, backend: AudioBackend | None) -> Counters:
        tally = self._tally
        xruns = tally.xruns_before + (backend.xruns if backend is not None else 0)
        return Counters(
            tally.frames,
            xruns,
            tally.dropped_frames,
            tally.deadline_misses,
            tally.restarts,
            self._filter.clipped_frames,
        )


def _name(microphone: Microphone | None) -> str | None:
    return microphone.name if microphone is not None else None
