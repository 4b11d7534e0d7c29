"""The contract between the D-Bus service and the daemon: what the service may read and change."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

from ..audio.backend import Microphone
from ..hearing.listening import Listening
from ..settings.settings import Settings
from ..status import Status


class Controls(Protocol):
    """Implemented by ``daemon.Daemon``. Every method may be called from any thread and returns at once."""

    @property
    def settings(self) -> Settings:
        """What is in force."""
        ...

    def apply(self, settings: Settings) -> None:
        """Put ``settings`` in force from the next frame, a new microphone as soon as it is ready.

        Model and provider stay as they are: see ``use_model``.
        """
        ...

    def use_model(self, model: str) -> Future[None]:
        """Load ``model`` (a name or a path) and put it in force.

        The future ends when it is in force, or with UnusableModelError or SupersededError, and then all is as it was.
        """
        ...

    @property
    def status(self) -> Status:
        """The newest snapshot."""
        ...

    @property
    def microphones(self) -> tuple[Microphone, ...]:
        """The real sources, the virtual one and monitors left out; empty while no server answers."""
        ...

    @property
    def loops(self) -> tuple[Microphone, ...]:
        """Sources that carry our own sound: they are refused as microphones."""
        ...

    def watch_spectra(self, wanted: bool) -> None:
        """Begin or end to keep what ``spectra`` needs."""
        ...

    def spectra(self) -> tuple[bytes, bytes] | None:
        """The newest levels in bands, before and after the filter; see ``engine.spectrum_tap``. None if there are no newer."""
        ...

    @property
    def listening(self) -> Listening:
        """For those who want to hear what the filter does."""
        ...

    def quit(self) -> None:
        """Ask the daemon to end cleanly."""
        ...
