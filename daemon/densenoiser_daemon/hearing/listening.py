"""Plays what the filter gets, gives or takes away on the default output, or records a take: one thing at a time."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import numpy as np

from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples

from ..engine.clock_drift import stretch
from ..engine.frame_tap import FrameTap
from ..errors import BackendError, DeviceError
from .feedback import FeedbackWatch
from .pace import Pace
from .take import Take

log = logging.getLogger(__name__)

LONGEST_SECONDS = 120.0
TAKE_SECONDS = 10.0
_PATIENCE_SECONDS = 5.0
"""How long a take waits for a microphone."""
_TURN_SECONDS = 0.02
_FOLLOW_SECONDS = 1.0
_FADE_IN_SECONDS = 0.5
_AHEAD_SECONDS = 0.2
"""How much of a take is queued."""


class What(StrEnum):
    """What can be asked for."""

    NOTHING = "nothing"
    """The microphone is open, so that there is something to look at. Nothing is played."""
    MICROPHONE = "microphone"
    CLEAN = "clean"
    REMOVED = "removed"
    TAKE = "take"
    """Ten seconds are kept."""
    TAKE_MICROPHONE = "take-microphone"
    TAKE_CLEAN = "take-clean"


REPLAYS = (What.TAKE_MICROPHONE, What.TAKE_CLEAN)


class End(StrEnum):
    """Why it ended."""

    ASKED = "asked"
    DONE = "done"
    TIME = "time"
    FEEDBACK = "feedback"
    """What was played came back through the microphone."""
    NO_OUTPUT = "no-output"
    NO_MICROPHONE = "no-microphone"


class Output(Protocol):
    """Where it is heard; see ``audio.pulse.output.DefaultOutput``. One thread. Errors: BackendError, DeviceError."""

    def follow(self) -> None: ...
    def wait(self, seconds: float) -> None: ...
    def write(self, samples: Samples) -> None: ...
    def close(self) -> None: ...
    @property
    def is_ready(self) -> bool: ...
    @property
    def latency(self) -> float | None: ...
    @property
    def xruns(self) -> int: ...


class Listening:
    """Every public member may be used from any thread."""

    def __init__(
        self,
        spec: FrameSpec,
        tap: FrameTap,
        open_output: Callable[[], Output],
        hold: Callable[[bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``hold`` keeps the microphone open although no program listens. ``clock`` counts seconds from anywhere."""
        self.take: Take | None = None
        """The last one, until it is forgotten."""
        self.on_end: Callable[[What, End], None] = lambda _what, _why: None
        """Called in the thread of what ended, unless another thing has begun by then."""
        self._spec = spec
        self._tap = tap
        self._open_output = open_output
        self._hold = hold
        self._clock = clock
        self._lock = threading.Lock()
        self._session: _Session | None = None
        self._thread: threading.Thread | None = None

    @property
    def what(self) -> str:
        """What is under way, or "" ."""
        session = self._session
        return str(session.what) if session is not None else ""

    def begin(self, what: What) -> None:
        """End what is under way, and do this. A replay without a take is over at once."""
        session = _Session(what)
        with self._lock:
            before, self._session = self._session, session
            if before is not None:
                before.ended.set()
            self._thread = threading.Thread(
                target=self._run, args=(session, self._thread), name="listening", daemon=True
            )
            self._thread.start()

    def end(self) -> None:
        """Fall silent; nothing if nothing is under way."""
        session = self._session
        if session is not None:
            session.ended.set()

    def join(self) -> None:
        """``end``, and wait for it."""
        self.end()
        thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self, session: _Session, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        why = End.NO_OUTPUT
        try:
            why = self._do(session)
        except (BackendError, DeviceError) as error:
            log.warning("%s", error.for_log)
        except Exception:
            log.exception("listening failed")
        finally:
            with self._lock:
                is_last = self._session is session
                if is_last:
                    self._session = None
                    self._hold(False)
            if is_last:
                self.on_end(session.what, why)

    def _do(self, session: _Session) -> End:
        if session.ended.is_set():
            return End.ASKED
        what = session.what
        if what in REPLAYS:
            self._hold(False)
            return self._replay(session)
        with self._lock:
            if self._session is session:
                self._hold(True)
        if what is What.TAKE:
            return self._record(session)
        if what is What.NOTHING:
            return End.ASKED if session.ended.wait(LONGEST_SECONDS) else End.TIME
        return self._play(session)

    def _record(self, session: _Session) -> End:
        wanted = round(TAKE_SECONDS * self._spec.sample_rate)
        parts: list[tuple[Samples, Samples]] = []
        length = 0
        reader = self._tap.open()
        last_at = self._clock()
        try:
            while length < wanted:
                if session.ended.wait(0.05):
                    return End.ASKED
                read = reader.read()
                if read is not None:
                    parts.append(read)
                    length += len(read[0])
                    last_at = self._clock()
                elif self._clock() - last_at > _PATIENCE_SECONDS:
                    return End.NO_MICROPHONE
        finally:
            reader.close()
        microphone, clean = (np.concatenate(side)[:wanted] for side in zip(*parts, strict=True))
        self.take = Take(microphone, clean, self._spec.sample_rate)
        return End.DONE

    def _replay(self, session: _Session) -> End:
        take = self.take
        if take is None:
            return End.DONE
        sound = take.microphone if session.what is What.TAKE_MICROPHONE else take.clean
        output = self._open_output()
        try:
            place, began_at = 0, math.inf
            while place < len(sound):
                output.wait(_TURN_SECONDS)
                if session.ended.is_set():
                    return End.ASKED
                if not output.is_ready:
                    session.wait_a_little()
                    continue
                began_at = min(began_at, self._clock())
                until = round((self._clock() - began_at + _AHEAD_SECONDS) * self._spec.sample_rate)
                if until > place:
                    output.write(np.ascontiguousarray(sound[place:until]))
                    place = until
            while (output.latency or 0.0) > 0.0 and not session.ended.is_set():
                output.wait(_TURN_SECONDS)
            return End.DONE
        finally:
            output.close()

    def _play(self, session: _Session) -> End:
        """What is heard now, until it is enough."""
        rate, hop = self._spec.sample_rate, self._spec.hop
        pace = Pace(rate, hop)
        watch = FeedbackWatch(rate)
        gain = 0.0
        xruns = 0
        deadline, follow_at = self._clock() + LONGEST_SECONDS, self._clock() + _FOLLOW_SECONDS
        reader = self._tap.open()
        output = self._open_output()
        try:
            while not watch.is_feedback:
                output.wait(_TURN_SECONDS)
                now = self._clock()
                if session.ended.is_set():
                    return End.ASKED
                if now > deadline:
                    return End.TIME
                if now > follow_at:
                    output.follow()
                    follow_at = now + _FOLLOW_SECONDS
                read = reader.read()
                if read is None:
                    continue
                if output.xruns != xruns:
                    xruns = output.xruns
                    pace.note_underrun()
                before, sound = read[0], _chosen(session.what, *read)
                for start in range(0, len(sound), hop):
                    latency = output.latency
                    if pace.is_late(latency):
                        continue  # it came in a burst: rather a gap than to be late for ever
                    wanted = min(watch.gain, gain + hop / rate / _FADE_IN_SECONDS)
                    frame = sound[start : start + hop] * np.linspace(gain, wanted, hop, dtype=np.float32)
                    gain = wanted
                    watch.note(before[start : start + hop], frame)
                    rms = math.sqrt(float(frame @ frame) / hop)
                    output.write(stretch(frame, pace.correction(latency, rms)))
            return End.FEEDBACK
        finally:
            reader.close()
            output.close()


class _Session:
    """One thing that was asked for, until ``ended``."""

    def __init__(self, what: What) -> None:
        self.what = what
        self.ended = threading.Event()

    def wait_a_little(self) -> None:
        """The loop of a server that has nothing to say returns at once."""
        self.ended.wait(0.002)


def _chosen(what: What, before: Samples, after: Samples) -> Samples:
    if what is What.MICROPHONE:
        return before
    return after if what is What.CLEAN else before - after
