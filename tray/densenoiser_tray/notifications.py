"""Decides when to notify the user: when trouble lasts, and when it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from . import status
from .i18n import _
from .status import WAITING_FOR_SERVER, Condition, DaemonSnapshot

INTERVAL_SECONDS = 10.0
"""At most one notification in this time: a loose plug must not fill the screen."""


@dataclass(frozen=True, slots=True)
class Notification:
    """Words for the desktop to show."""

    title: str
    body: str


class Announcer:
    """Turns snapshots into notifications. One thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` returns seconds."""
        self._clock = clock
        self._said = ""
        self._said_at = -math.inf
        self.wait_seconds = 0.0
        """Show the announcer a snapshot again after this time: something was held back. 0: nothing was."""

    def announce(self, daemon: DaemonSnapshot) -> Notification | None:
        """The notification for this snapshot, if any. Nothing is reported when the daemon ends during trouble."""
        self.wait_seconds = 0.0
        if not daemon.is_running:
            self._said = ""
            return None
        if daemon.state == WAITING_FOR_SERVER:  # restarts of the server are short and common: not worth a notification
            return None
        trouble = daemon.state if daemon.condition is Condition.TROUBLE else ""
        if trouble == self._said:
            return None
        passed = self._clock() - self._said_at
        if passed < INTERVAL_SECONDS:
            self.wait_seconds = INTERVAL_SECONDS - passed
            return None
        self._said, self._said_at = trouble, self._clock()
        return _words(daemon)


def _words(daemon: DaemonSnapshot) -> Notification:
    match daemon.state:
        case status.WAITING_FOR_MICROPHONE:
            body = daemon.reason.words or _("Applications hear silence until it is back.")
            failed = daemon.reason.code == "microphone-failed"
            return Notification(_("The microphone cannot be used") if failed else _("The microphone is gone"), body)
        case status.BYPASSED:
            return Notification(_("Noise is not removed"), daemon.reason.words)
        case _other:
            return Notification(_("Back to normal"), daemon.active_microphone)
