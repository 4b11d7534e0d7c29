"""The daemon's published status: one frozen snapshot, replaced whole by the engine and read by any thread."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


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


class ReasonCode(StrEnum):
    """Why the state is what it is. The comment names the details that come with it."""

    NONE = ""
    SERVER = "server"  # error
    NO_MICROPHONE = "no-microphone"
    MICROPHONE_NOT_READY = "microphone-not-ready"
    MICROPHONE_GONE = "microphone-gone"  # microphone
    MICROPHONE_FAILED = "microphone-failed"  # microphone
    MODEL_FAILED = "model-failed"  # error
    MODEL_REPLACED = "model-replaced"  # chosen, lighter, error
    TOO_SLOW = "too-slow"  # chosen, lighter
    TOO_SLOW_FOR_ANY_MODEL = "too-slow-for-any-model"


class WarningCode(StrEnum):
    """What hinders people from being heard although the daemon works. The comment names the details that come with it."""

    SOURCE_MUTED = "source-muted"
    """The virtual microphone is muted in the sound server."""
    SOURCE_TURNED_DOWN = "source-turned-down"  # db
    MICROPHONE_MUTED = "microphone-muted"  # microphone
    MICROPHONE_TURNED_DOWN = "microphone-turned-down"  # microphone, db
    STRANGER = "stranger"  # streams
    """Somebody plays into the virtual microphone and cannot be moved away; it is muted there."""
    HEADSET = "headset"  # headset, profile
    """A Bluetooth headset has no microphone until its profile changes, and its microphone is wanted."""
    LOOP = "loop"  # microphone
    """The default or chosen source carries our own sound, so it is not taken."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something to tell people, as a code and its details. The client finds the words, in its user's language."""

    code: str = ""
    details: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Names, numbers and the system's own error texts, which nobody translates."""

    def __bool__(self) -> bool:
        return bool(self.code)


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
    reason: Fact = field(default_factory=Fact)
    """Why, where the state alone does not say. Its code is a ``ReasonCode``."""
    warnings: tuple[Fact, ...] = ()
    """What hinders people from being heard although the daemon works. The codes are of ``WarningCode``."""
    listeners: tuple[str, ...] = ()
    """Names of the applications that record from the virtual microphone."""
    server: str = ""
    """Kind and version of the sound server, as it names itself."""
    microphone: str = ""
    """Name of the source in use or chosen for the next listener; empty while there is none."""
    microphone_description: str = ""
    is_default: bool = False
    """Whether the virtual microphone is the sound server's default."""
    is_stand_in: bool = False
    """Whether ``microphone`` stands in for the chosen one, which is away."""
    channel: int = 0
    """The channel of the open microphone that is in use, from 1; 0 while it is released."""
    channel_count: int = 0
    model: str = ""
    """The model in use: the chosen one, a lighter one while the machine is too slow, or "" while none runs."""
    provider: str = ""
    algorithmic_latency_ms: float = 0.0
    transport_latency_ms: float = 0.0
    """Capture and playback buffering, measured; 0 while idle."""
    latency_ceiling_ms: float = 0.0
    """What the playback queue may hold: older frames are dropped, and counted."""
    scheduling: Fact = field(default_factory=Fact)
    """How the audio thread is scheduled; see ``system.realtime.request``. Empty before it runs."""
    memory: Fact = field(default_factory=Fact)
    """Whether memory is locked against being paged out; see ``system.memory_lock.lock_memory``."""
    counters: Counters = field(default_factory=Counters)
    levels: Levels = field(default_factory=Levels)
