"""What the tray knows of the daemon: one frozen snapshot, read over D-Bus and replaced whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto

AUTO = "auto"
IDLE = "idle"
BYPASSED = "bypassed"
WAITING_FOR_SERVER = "waiting-for-server"
WAITING_FOR_MICROPHONE = "waiting-for-microphone"


class Condition(Enum):
    """What the icon shows."""

    ABSENT = auto()
    """No daemon answers."""
    OFF = auto()
    """The microphone passes through unfiltered because the user wants that."""
    IDLE = auto()
    ACTIVE = auto()
    MUTED = auto()
    TROUBLE = auto()
    """Bypassed because of a fault, or waiting for the sound server or the microphone."""


@dataclass(frozen=True, slots=True)
class Microphone:
    """A source that can be chosen."""

    name: str
    description: str
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class DaemonSnapshot:
    """One moment of the daemon; the defaults say that it does not run."""

    is_running: bool = False
    enabled: bool = False
    muted: bool = False
    strength_db: float = math.inf
    """Infinity is full strength."""
    microphone: str = AUTO
    """The choice: the name of a source, or "auto"."""
    active_microphone: str = ""
    """Description of the source in use, empty while there is none."""
    model: str = ""
    state: str = IDLE
    reason: str = ""
    """Why, where the state alone does not say; in the daemon's language."""
    listeners: tuple[str, ...] = ()
    microphones: tuple[Microphone, ...] = ()
    models: tuple[str, ...] = ()

    @property
    def condition(self) -> Condition:
        """The one thing worth an icon; trouble first, because what the user asked for is not what he gets."""
        if not self.is_running:
            return Condition.ABSENT
        if self.state in {BYPASSED, WAITING_FOR_SERVER, WAITING_FOR_MICROPHONE}:
            return Condition.TROUBLE
        if self.muted:
            return Condition.MUTED
        if not self.enabled:
            return Condition.OFF
        return Condition.IDLE if self.state == IDLE else Condition.ACTIVE
