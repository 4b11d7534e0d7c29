"""Plays what the filter gets, gives or takes away on the default output, or records a take: one thing at a time."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from enum import StrEnum

import numpy as np

from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples

from ..engine.frame_tap import FrameTap
from ..errors import BackendError, DeviceError
from .playback import LivePlayback, Output, What
from .take import Take

log = logging.getLogger(__name__)

LONGEST_SECONDS = 120.0
TAKE_SECONDS = 10.0
_PATIENCE_SECONDS = 5.0
"""How long a take waits for a microphone."""
_TURN_SECONDS = 0.02
_FOLLOW_SECONDS = 1.0
_AHEAD_SECONDS = 0.2
"""How much of a take is queued."""


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
            deadline = self._clock() + LONGEST_SECONDS
            while place < len(sound):
                output.wait(_TURN_SECONDS)
                if session.ended.is_set():
                    return End.ASKED
                if self._clock() > deadline:
                    return End.NO_OUTPUT
                if not output.is_ready:
                    session.wait_a_little()
                    continue
                began_at = min(began_at, self._clock())
                until = round((self._clock() - began_at + _AHEAD_SECONDS) * self._spec.sample_rate)
                if until > place:
                    output.write(np.ascontiguousarray(sound[place:until]))
                    place = until
            output.wait(_TURN_SECONDS)
            session.ended.wait(min(output.latency or 0.0, 2 * _AHEAD_SECONDS))  # what is queued is still to be heard
            return End.DONE
        finally:
            output.close()

    def _play(self, session: _Session) -> End:
        """What is heard now, until it is enough."""
        deadline, follow_at = self._clock() + LONGEST_SECONDS, self._clock() + _FOLLOW_SECONDS
        reader = self._tap.open()
        output = self._open_output()
        playback = LivePlayback(session.what, self._spec, output)
        try:
            while not playback.is_feedback:
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
                if read is not None:
                    playback.play(*read)
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
