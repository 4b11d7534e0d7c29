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
from densenoiser_models.stft import Samples

from .audio.api import AudioBackend, Microphone
from .audio.drift import DriftController, stretch
from .audio.reframer import Reframer
from .errors import BackendError, DeviceError
from .settings import Settings
from .status import Counters, Levels, State, Status

log = logging.getLogger(__name__)

TARGET_LATENCY_SECONDS = 0.005
LATENCY_CEILING_SECONDS = 0.060
_RECONNECT_SECONDS = (0.1, 0.2, 0.5, 1.0)
_MICROPHONE_RETRY_SECONDS = 0.5
_FAULT_RETRY_SECONDS = 5.0
_PROBATION_SECONDS = 1.0
_PUBLISH_FRAMES = 10
_SWAP_FRAMES = 6
_COST_FRAMES = 6000  # one minute
_COLLECT_FRAMES = (
    1000  # the collector is off while streaming: 37 ms at worst; its young generations take well under 1 ms
)


@dataclass(slots=True)
class _Tally:
    """The worker's own counters; ``Counters`` is the published copy."""

    frames: int = 0
    dropped_frames: int = 0
    deadline_misses: int = 0
    restarts: int = 0
    xruns_before: int = 0


class Engine:
    """Runs a backend and a denoiser on one thread, by the settings, and says how it goes.

    ``apply``, ``use``, ``quit``, ``settings``, ``status`` and ``microphones`` may be used from any thread; ``run`` is the thread.
    """

    def __init__(
        self,
        connect: Callable[[], AudioBackend],
        denoiser: Denoiser,
        settings: Settings,
        on_change: Callable[[], None] = lambda: None,
        model: str = "",
        provider: str = "",
    ) -> None:
        """``connect`` makes a backend that is not connected yet; ``on_change`` is called in the worker when the state changes.

        ``model`` and ``provider`` name what ``denoiser`` is, for the status.
        """
        self._connect = connect
        self._denoiser = denoiser
        self._incoming: tuple[Denoiser, str, str] | None = None
        self._swap_frames = 0
        self._settings = settings
        self._on_change = on_change
        algorithmic_ms = denoiser.spec.algorithmic_latency_seconds * 1e3
        self._status = Status(model=model, provider=provider, algorithmic_latency_ms=algorithmic_ms)
        self._backend: AudioBackend | None = None
        self._microphones: tuple[Microphone, ...] = ()
        self._quit = threading.Event()
        self._tally = _Tally()
        spec = denoiser.spec
        self._reframer = Reframer(spec.hop, spec.sample_rate)
        self._drift = DriftController(spec.sample_rate, spec.hop, TARGET_LATENCY_SECONDS, LATENCY_CEILING_SECONDS)
        self._output = np.zeros(spec.hop, np.float32)
        self._ramp = np.arange(1, spec.hop + 1, dtype=np.float32) / spec.hop
        self._gain = 1.0
        self._fault_since: float | None = None
        self._frame_seconds = np.zeros(_COST_FRAMES, np.float32)
        self._xruns_seen = 0
        self._energy_in = self._energy_out = 0.0

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

    def use(self, denoiser: Denoiser, model: str, provider: str) -> None:
        """Change over to another denoiser of the same spec, with a cross-fade. ValueError if the spec differs."""
        if denoiser.spec != self._denoiser.spec:
            raise ValueError(f"this model works on frames of {denoiser.spec}, the running one on {self._denoiser.spec}")
        self._incoming = denoiser, model, provider
        self._wake()

    def quit(self) -> None:
        """End ``run`` cleanly."""
        self._quit.set()
        self._wake()

    def _wake(self) -> None:
        backend = self._backend
        if backend is not None:
            backend.wake()

    # -- the worker ----------------------------------------------------------------------------------------------------

    @np.errstate(over="ignore", invalid="ignore")  # what a broken driver captures may overflow; ``_filter`` mends it
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
                    self._tally.xruns_before += backend.xruns
                    backend = None
            if not self._quit.is_set():
                self._quit.wait(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
                failures += 1

    def _serve(self, backend: AudioBackend) -> None:
        """Until ``quit`` or BackendError: stream while somebody listens and there is a microphone, else sleep."""
        log.info("connected to %s", backend.server)
        open_microphone: Microphone | None = None
        retry_at = 0.0
        gc.freeze()
        while not self._quit.is_set():
            if backend.microphones != self._microphones:
                self._microphones = backend.microphones
                self._on_change()
            if self._incoming is not None and open_microphone is None:
                self._adopt(*self._incoming)
            microphone = backend.choose(self._settings.microphone)
            fault = backend.capture_fault
            if fault is not None:
                log.warning("the microphone %s ended: %s", open_microphone and open_microphone.description, fault)
                retry_at = time.monotonic() + _MICROPHONE_RETRY_SECONDS
            wanted = microphone if backend.listeners and time.monotonic() >= retry_at else None
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
                        retry_at = time.monotonic() + _MICROPHONE_RETRY_SECONDS
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
        try:
            while (
                not self._quit.is_set()
                and (backend.microphones, backend.listeners, self._settings.microphone) == before
                and backend.capture_fault is None
            ):
                backend.wait(1.0)
                self._pump(backend, microphone)
        finally:
            gc.enable()

    def _pump(self, backend: AudioBackend, microphone: Microphone) -> None:
        """Take what was captured, filter it, queue it."""
        while (block := backend.read()) is not None:
            self._tally.dropped_frames += self._reframer.push(block)
        if backend.xruns != self._xruns_seen:
            self._xruns_seen = backend.xruns
            self._drift.note_underrun()
        latency = backend.playback_latency
        if latency is not None:
            late = self._drift.frames_to_drop(latency, self._reframer.frames)
            if late:
                self._reframer.drop(late)
                self._tally.dropped_frames += late
        hop_seconds = self._denoiser.spec.hop_seconds
        while (frame := self._reframer.pop()) is not None:
            started = time.perf_counter()
            clean, energy = self._filter(frame, microphone)
            lost = 0
            if latency is not None:
                lost = self._drift.correction(latency, math.sqrt(energy / len(clean)))
                latency += hop_seconds
            backend.write(stretch(clean, lost))
            seconds = time.perf_counter() - started
            self._frame_seconds[self._tally.frames % len(self._frame_seconds)] = seconds
            self._tally.frames += 1
            self._tally.deadline_misses += seconds > hop_seconds
            if self._tally.frames % _COLLECT_FRAMES == 0:
                gc.collect(1)
            if self._tally.frames % _PUBLISH_FRAMES == 0:
                self._publish_levels(backend)

    def _filter(self, frame: Samples, microphone: Microphone) -> tuple[Samples, float]:
        """One captured frame to one frame fit to be heard: finite, within [-1, 1], valid until the next call; its energy."""
        settings = self._settings
        energy = float(frame @ frame)
        if not math.isfinite(energy):
            np.nan_to_num(frame, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
            np.clip(frame, -1.0, 1.0, out=frame)
            energy = float(frame @ frame)
        self._energy_in += energy
        strength_db = settings.strength_for(microphone.name) if settings.enabled else 0.0
        if strength_db != self._denoiser.strength_db:
            self._denoiser.strength_db = strength_db
        np.copyto(self._output, self._denoiser.process(frame))
        if self._incoming is not None:
            self._swap(frame)
        self._watch_fault()
        gain = 0.0 if settings.muted else 1.0
        if gain != self._gain:  # within a frame, so that it does not click
            self._output *= self._gain + (gain - self._gain) * self._ramp
            self._gain = gain
        elif gain == 0.0:
            self._output[:] = 0.0
        np.clip(self._output, -1.0, 1.0, out=self._output)
        energy = float(self._output @ self._output)
        self._energy_out += energy
        return self._output, energy

    def _swap(self, frame: Samples) -> None:
        """Run the incoming denoiser beside the old one until its past is filled, then cross-fade within one frame."""
        assert self._incoming is not None
        incoming, model, provider = self._incoming
        incoming.strength_db = self._denoiser.strength_db
        clean = incoming.process(frame)
        self._swap_frames += 1
        if self._swap_frames < _SWAP_FRAMES:
            return
        self._output += self._ramp * (clean - self._output)
        self._adopt(incoming, model, provider)

    def _adopt(self, denoiser: Denoiser, model: str, provider: str) -> None:
        self._denoiser, self._incoming, self._swap_frames = denoiser, None, 0
        state, reason = self._status.state, self._status.reason
        if self._fault_since is not None:
            self._fault_since = None
            state, reason = State.RUNNING, ""
        self._publish(state, reason, model=model, provider=provider)

    def _watch_fault(self) -> None:
        """Announce a fault of the model once, give it another chance now and then, and say when it has kept well."""
        fault = self._denoiser.fault
        if fault is None and self._fault_since is None:
            return
        now = time.monotonic()
        if self._fault_since is None:
            self._fault_since = now
            log.error(
                "%s; passing the microphone through unfiltered, trying again every %.0f s", fault, _FAULT_RETRY_SECONDS
            )
            self._publish(State.BYPASSED, fault or "")
        elif fault is not None:
            if now - self._fault_since > _FAULT_RETRY_SECONDS:
                self._fault_since = now
                self._denoiser.recover()
        elif now - self._fault_since > _PROBATION_SECONDS:
            self._fault_since = None
            log.info("the model works again")
            self._publish(State.RUNNING, "")

    def _end_stream(self) -> None:
        if self._incoming is not None:
            self._adopt(*self._incoming)
        self._reframer.clear()
        self._drift.reset()
        self._denoiser.reset()
        self._fault_since = None

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
        if running is not None and self._denoiser.fault is not None:
            state, reason = State.BYPASSED, self._denoiser.fault
        elif running is not None:
            state, reason = State.RUNNING, ""
        elif chosen is None:
            state, reason = State.WAITING_FOR_MICROPHONE, "no microphone is connected"
        elif backend.listeners:
            state, reason = State.WAITING_FOR_MICROPHONE, fault or "the microphone is not ready"
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

    def _publish_levels(self, backend: AudioBackend) -> None:
        samples = _PUBLISH_FRAMES * self._denoiser.spec.hop
        levels = Levels(_dbfs(self._energy_in / samples), _dbfs(self._energy_out / samples))
        if self._energy_out > 0.0 and self._energy_in > 0.0:
            levels = replace(levels, noise_reduction_db=levels.input_dbfs - levels.output_dbfs)
        self._energy_in = self._energy_out = 0.0
        transport = backend.capture_latency + (backend.playback_latency or 0.0) + backend.device_latency
        self._status = replace(
            self._status, levels=levels, transport_latency_ms=transport * 1e3, counters=self._counters(backend)
        )

    def _publish(self, state: State, reason: str, **changes: object) -> None:
        before = self._status
        counters = self._counters(self._backend)
        self._status = replace(before, state=state, reason=reason, counters=counters, **changes)  # type: ignore[arg-type]
        if replace(self._status, counters=before.counters) != before:
            self._on_change()

    def _counters(self, backend: AudioBackend | None) -> Counters:
        tally = self._tally
        xruns = tally.xruns_before + (backend.xruns if backend is not None else 0)
        return Counters(tally.frames, xruns, tally.dropped_frames, tally.deadline_misses, tally.restarts)


def _name(microphone: Microphone | None) -> str | None:
    return microphone.name if microphone is not None else None


def _dbfs(power: float) -> float:
    return 10.0 * math.log10(power) if power > 0.0 else -math.inf
