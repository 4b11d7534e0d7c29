"""What the control side may ask of the daemon. Implemented by the composition root, used by the D-Bus service."""

from __future__ import annotations

from typing import Protocol

from densenoiser_models.frame import FrameSpec

from ..audio.backend import Microphone
from ..settings.settings import Settings
from ..status import Status

__all__ = ["Controls", "Microphone"]


class Controls(Protocol):
    """Every method may be called from any thread and returns at once."""

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

    @property
    def frame(self) -> FrameSpec:
        """What every model must work on, for as long as the daemon lives."""
        ...

    @property
    def microphones(self) -> tuple[Microphone, ...]:
        """The real sources, the virtual one and monitors left out; empty while no server answers."""
        ...

    def quit(self) -> None:
        """Ask the daemon to end cleanly."""
        ...
