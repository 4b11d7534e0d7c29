"""What the control side may ask of the daemon. Implemented by the composition root, used by the D-Bus service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..settings import Settings
from ..status import Status


@dataclass(frozen=True, slots=True)
class Microphone:
    """A real source that can be filtered."""

    name: str
    description: str
    sample_rate: int
    index: int
    is_default: bool


class Controls(Protocol):
    """Every method may be called from any thread and returns at once, ``microphones`` within a round trip to the server."""

    @property
    def settings(self) -> Settings:
        """What is in force."""
        ...

    def apply(self, settings: Settings) -> None:
        """Put ``settings`` in force from the next frame (a new model or microphone: as soon as it is ready)."""
        ...

    @property
    def status(self) -> Status:
        """The newest snapshot."""
        ...

    def microphones(self) -> tuple[Microphone, ...]:
        """The real sources, the virtual one and monitors left out. BackendError while no server answers."""
        ...

    def quit(self) -> None:
        """Ask the daemon to end cleanly."""
        ...
