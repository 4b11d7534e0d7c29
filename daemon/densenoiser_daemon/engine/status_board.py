"""Keeps the published status up to date: state and reason, counters, levels, latency."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ..audio.backend import AudioBackend, Microphone
from ..audio.microphone_choice import find, headset_to_take
from ..errors import DeviceError, DeviceGoneError
from ..settings.settings import AUTO, Settings
from ..status import Counters, Fact, Levels, ReasonCode, State, Status, WarningCode
from .frame_filter import FrameFilter

log = logging.getLogger(__name__)

_PUBLISH_FRAMES = 10
_FAINT_DB = -40.0
"""Below this a microphone counts as turned down. People do set sensitive ones to -30 dB."""
_COST_FRAMES = 6000
"""Costs of frames are kept for one minute, for the log."""


class StatusBoard:
    """The worker counts here, and any thread reads ``status``. Every other member belongs to the audio thread."""

    def __init__(self, filter: FrameFilter, latency_ceiling_seconds: float) -> None:
        """``latency_ceiling_seconds`` is what the playback queue may hold."""
        self.status = Status(
            model=filter.model,
            provider=filter.provider,
            algorithmic_latency_ms=filter.latency_seconds * 1e3,
            latency_ceiling_ms=latency_ceiling_seconds * 1e3,
        )
        """The newest snapshot."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when anything but counters and levels has changed."""
        self.frames = 0
        self.dropped_frames = 0
        self.deadline_misses = 0
        self.restarts = 0
        self._filter = filter
        self._xruns_before = 0
        self._published_at = 0
        self._frame_seconds = np.zeros(_COST_FRAMES, np.float32)

    def note_frame(self, seconds: float, is_late: bool) -> None:
        """A frame was filtered and queued; that took ``seconds``."""
        self._frame_seconds[self.frames % _COST_FRAMES] = seconds
        self.frames += 1
        self.deadline_misses += is_late

    def end_backend(self, backend: AudioBackend) -> None:
        """The next backend counts its xruns from zero: keep those of this one."""
        self._xruns_before += backend.xruns

    def describe_thread(self, scheduling: Fact, memory: Fact) -> None:
        """Say how the audio thread is scheduled, and whether its memory is locked."""
        self.status = replace(self.status, scheduling=scheduling, memory=memory)

    def describe(
        self,
        backend: AudioBackend,
        running: Microphone | None,
        chosen: Microphone | None,
        settings: Settings,
        fault: DeviceError | None = None,
        failing: Microphone | None = None,
    ) -> None:
        """Publish the state of the streams. ``settings`` say which microphone was wanted.

        ``fault`` is why the microphone ``failing`` did not open or ended, if it did.
        """
        shown = running or chosen
        if running is not None:
            state, reason = self._running_state()
        elif chosen is None:
            state, reason = State.WAITING_FOR_MICROPHONE, self._why_none(fault, failing)
        elif backend.listeners:
            state = State.WAITING_FOR_MICROPHONE
            reason = _why(fault, failing)
        else:
            state, reason = State.IDLE, Fact()
        self._publish(
            backend,
            state=state,
            reason=reason,
            warnings=(*backend.warnings, *_warnings(shown), *_loops(backend, settings), *_headset(backend, settings)),
            listeners=backend.listeners,
            server=backend.server,
            microphone=shown.name if shown else "",
            microphone_description=shown.description if shown else "",
            is_default=backend.is_default,
            is_stand_in=shown is not None and not _is_wanted(shown, settings),
            channel=backend.channels.taken if running else 0,
            channel_count=backend.channels.count if running else 0,
            transport_latency_ms=self.status.transport_latency_ms if running else 0.0,
            levels=self.status.levels if running else Levels(),
        )

    def describe_lost_server(self, error: str) -> None:
        """Publish that there is no sound server now."""
        self._publish(None, state=State.WAITING_FOR_SERVER, reason=Fact(ReasonCode.SERVER, {"error": error}))

    def refresh(self, backend: AudioBackend) -> None:
        """Publish levels ten times a second, and a change of what filters at once. Called after each captured block."""
        if self.frames + self.dropped_frames - self._published_at >= _PUBLISH_FRAMES:
            self._published_at = self.frames + self.dropped_frames
            transport = backend.capture_latency + (backend.playback_latency or 0.0) + backend.device_latency
            self.status = replace(
                self.status,
                levels=self._filter.meter.take(),
                transport_latency_ms=transport * 1e3,
                counters=self._counters(backend),
            )
        state, reason = self._running_state()
        if (state, reason, self._filter.model) != (self.status.state, self.status.reason, self.status.model):
            self._publish(backend, state=state, reason=reason)

    def log_stream(self, backend: AudioBackend) -> None:
        """Log what the stream that ended has cost."""
        costs = self._frame_seconds[: self.frames] * 1e6
        if len(costs):
            median, p99 = np.median(costs), np.percentile(costs, 99)
            log.debug("released the microphone: %s", self._counters(backend))
            log.debug("a frame cost %.0f us in the median, %.0f us at the 99th percentile", median, p99)

    def _running_state(self) -> tuple[State, Fact]:
        return (State.BYPASSED if self._filter.is_bypassed else State.RUNNING), self._filter.reason

    def _why_none(self, fault: DeviceError | None, failing: Microphone | None) -> Fact:
        """Why there is no microphone at all: the one in use is gone, for as long as no other comes, or none ever was."""
        if fault is not None:
            return _why(fault, failing)
        before = self.status.reason
        return before if before.code == ReasonCode.MICROPHONE_GONE else Fact(ReasonCode.NO_MICROPHONE)

    def _publish(self, backend: AudioBackend | None, **changes: object) -> None:
        before = self.status
        named = {
            "model": self._filter.model,
            "provider": self._filter.provider,
            "algorithmic_latency_ms": self._filter.latency_seconds * 1e3,
            **changes,
        }
        self.status = replace(before, counters=self._counters(backend), **named)  # type: ignore[arg-type]
        if replace(self.status, counters=before.counters) != before:
            self.on_change()

    def _counters(self, backend: AudioBackend | None) -> Counters:
        return Counters(
            frames=self.frames,
            xruns=self._xruns_before + (backend.xruns if backend is not None else 0),
            dropped_frames=self.dropped_frames,
            deadline_misses=self.deadline_misses,
            restarts=self.restarts,
            clipped_frames=self._filter.meter.clipped_frames,
        )


def _warnings(microphone: Microphone | None) -> Iterator[Fact]:
    """What the user did to the microphone in the sound server and may have forgotten."""
    if microphone is None:
        return
    if microphone.is_muted:
        yield Fact(WarningCode.MICROPHONE_MUTED, {"microphone": microphone.description})
    elif microphone.volume_db < _FAINT_DB:
        details = {"microphone": microphone.description, "db": f"{-microphone.volume_db:.0f}"}
        yield Fact(WarningCode.MICROPHONE_TURNED_DOWN, details)


def _is_wanted(microphone: Microphone, settings: Settings) -> bool:
    """Whether it is the chosen one, maybe under another name, and not one that stands in for it."""
    return (
        settings.microphone == AUTO or find(settings.microphone, [microphone], settings.microphone_identity) is not None
    )


def _headset(backend: AudioBackend, settings: Settings) -> Iterator[Fact]:
    """A headset whose microphone is wanted and not there, unless it will be as soon as somebody listens."""
    headset = headset_to_take(settings.microphone, backend.microphones, backend.headsets)
    if headset is not None and not settings.headset:
        details = {"headset": headset.description, "profile": headset.profile_description}
        yield Fact(WarningCode.HEADSET, details)


def _loops(backend: AudioBackend, settings: Settings) -> Iterator[Fact]:
    """Sources that would be taken if they did not carry our own sound."""
    wanted = settings.microphone
    for source in backend.loops:
        if source.name == wanted or (wanted == AUTO and source.is_default):
            yield Fact(WarningCode.LOOP, {"microphone": source.description})


def _why(fault: DeviceError | None, failing: Microphone | None) -> Fact:
    """Why the microphone is not open, as a code: the words of the system go to the log alone."""
    if fault is None:
        return Fact(ReasonCode.MICROPHONE_NOT_READY)
    code = ReasonCode.MICROPHONE_GONE if isinstance(fault, DeviceGoneError) else ReasonCode.MICROPHONE_FAILED
    return Fact(code, {"microphone": failing.description if failing else ""})
