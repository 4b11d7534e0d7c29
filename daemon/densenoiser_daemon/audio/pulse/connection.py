"""A connection to the sound server that does not wait for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pulsectl
from pulsectl import _pulsectl

from ...errors import BackendError
from ...i18n import _
from .streams import MainLoop

ANSWER_SECONDS = 1.0
"""How long to wait for an answer, s.

pipewire-pulse 0.3.65 sometimes never answers a client that unloads a module while WirePlumber is starting. A new
connection works.
"""


class Connection(pulsectl.Pulse):  # type: ignore[misc]  # pulsectl has no types
    """pulsectl's connection, with BackendError where pulsectl would wait for ever. After such an error, close it."""

    _unanswered: list[Any]
    _deadline: float | None = None

    def reach(self, patience: float) -> None:
        """``connect`` within ``patience`` s, and no longer than it takes. pulsectl always waits for its whole timeout."""
        self._deadline = time.monotonic() + patience
        self.connect()
        self._deadline = None

    @contextmanager
    def another(self) -> Iterator[Connection]:
        """A new connection to the same server: pipewire-pulse keeps some things from one that has lived through changes."""
        with Connection("DenseNoiser", connect=False, server=self.server) as fresh:
            fresh.reach(ANSWER_SECONDS)
            yield fresh

    def _pulse_iterate(self, block: bool = True) -> None:
        if self._deadline is None:
            super()._pulse_iterate(block)
        elif MainLoop(self).turn(max(0.0, self._deadline - time.monotonic())) <= 0:
            raise _no_answer()

    def _pulse_info_cb(self, kind: Any, found: list[Any], *rest: Any) -> None:
        """Replaces pulsectl's: keeps a copy of the sample format, where pulsectl points to memory that libpulse uses anew."""
        before = len(found)
        super()._pulse_info_cb(kind, found, *rest)
        for thing in found[before:]:
            if hasattr(thing, "sample_spec"):
                thing.sample_spec = type(thing.sample_spec).from_buffer_copy(thing.sample_spec)

    @contextmanager
    def _pulse_op_cb(self, raw: bool = False) -> Iterator[Callable[..., Any]]:
        """Replaces pulsectl's: waits, at the end of the block, for the answer to what was asked in it."""
        action = next(self._action_ids)
        answers = self._actions
        answers[action] = None

        def note(success: object = True) -> None:
            if action in answers:
                answers[action] = bool(success)

        callback: Any = note if raw else _pulsectl.PA_CONTEXT_SUCCESS_CB_T(lambda context, success, data: note(success))
        # libpulse may call it as long as the connection lives.
        self._unanswered = [*getattr(self, "_unanswered", []), callback]
        try:
            yield callback
            loop, deadline = MainLoop(self), time.monotonic() + ANSWER_SECONDS
            while self.connected and answers[action] is None:
                left = deadline - time.monotonic()
                if left <= 0.0:
                    raise _no_answer()
                loop.iterate(left)
            self._unanswered.remove(callback)
            if not answers[action]:
                raise pulsectl.PulseOperationFailed(action)
        finally:
            del answers[action]


def _no_answer() -> BackendError:
    return BackendError(_("no sound server answers; start PipeWire or PulseAudio"), "no answer in time")
