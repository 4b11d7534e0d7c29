"""What the doctor found out about one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    GOOD = "good"
    ADVICE = "advice"
    """It works, but could do better, or another program may want it otherwise."""
    FAULT = "fault"


SwitchOn = Callable[[str, str], str]
"""Switches a D-Bus property of the daemon on; returns its second argument, what was done. DensenoiserError."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``check`` is a stable name for scripts; the texts are in the user's language."""

    check: str
    verdict: Verdict
    text: str
    remedy: str = ""
    """What the user can do."""
    mend: Callable[[], str] | None = None
    """Does what is safe to do without asking, and says what it did; None where nothing is. PulseError or OSError."""
