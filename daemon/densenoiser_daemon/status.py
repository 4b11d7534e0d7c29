"""What the daemon says of itself: a frozen snapshot, replaced whole by the engine and read by any thread."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """What the daemon is doing. ``reason`` in the status says why, where the state alone does not."""

    IDLE = "idle"
    """Nobody records from the virtual microphone; the physical one is released."""
    RUNNING = "running"
    """Somebody listens, and hears filtered speech (or what the settings say: off or muted)."""
    BYPASSED = "bypassed"
    """Somebody listens, and hears the microphone unfiltered because of a fault, announced in ``reason``."""
    WAITING_FOR_SERVER = "waiting-for-server"
    WAITING_FOR_MICROPHONE = "waiting-for-microphone"


@dataclass(frozen=True, slots=True)
class Counters:
    """Counts since the daemon started; they never go down."""

    frames: int = 0
    xruns: int = 0
    """Times the playback side ran empty or the capture side overflowed, as the sound server reports them."""
    dropped_frames: int = 0
    """Frames thrown away, oldest first, to keep the delay bounded."""
    deadline_misses: int = 0
    """Frames that took longer than a hop to filter."""
    restarts: int = 0
    """Times the streams were built again after a fault."""
    clipped_frames: int = 0
    """Frames that the microphone delivered cut off at full scale."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels over about the last 100 ms; -inf is digital silence."""

    input_dbfs: float = -math.inf
    output_dbfs: float = -math.inf
    noise_reduction_db: float = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """One moment of the daemon."""

    state: State = State.WAITING_FOR_SERVER
    reason: str = ""
    listeners: tuple[str, ...] = ()
    """Names of the applications that record from the virtual microphone."""
    server: str = ""
    """Kind and version of the sound server, as it names itself."""
    microphone: str = ""
    """Name of the source in use or chosen for the next listener; empty while there is none."""
    microphone_description: str = ""
    model: str = ""
    """The model in use: the chosen one, a lighter one while the machine is too slow, or "" while none runs."""
    provider: str = ""
    algorithmic_latency_ms: float = 0.0
    transport_latency_ms: float = 0.0
    """Capture and playback buffering, measured; 0 while idle."""
    latency_ceiling_ms: float = 0.0
    """What the playback queue may hold: older frames are dropped, and counted."""
    scheduling: str = ""
    """How the audio thread is scheduled, in words; "" before it runs."""
    memory: str = ""
    """Whether memory is locked against being paged out, in words."""
    counters: Counters = field(default_factory=Counters)
    levels: Levels = field(default_factory=Levels)
