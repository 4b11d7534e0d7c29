"""The contract of an audio system, as the engine uses it. Implemented by ``pulse/backend.py`` and ``portaudio.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from densenoiser_models.stft import Samples

from ..errors import DeviceError
from ..status import Fact

QUEUE_SECONDS = 0.008
"""Target playback latency just before a write, s, where an audio system asks for no other."""


@dataclass(frozen=True, slots=True)
class Microphone:
    """A real source that can be filtered."""

    name: str
    description: str
    sample_rate: int
    index: int
    is_default: bool
    is_muted: bool = False
    volume_db: float = 0.0
    """What the sound server turns it up or down by, dB; -inf at the bottom."""
    channel_map: tuple[int, ...] = ()
    """The audio system's positions of its channels; empty for one channel."""
    identity: tuple[tuple[str, str], ...] = ()
    """Names and values of what stays the same when it comes back under another name; see ``microphone_choice.choose``."""


@dataclass(frozen=True, slots=True)
class Channels:
    """Which channel of the open microphone is in use, counted from 1, of how many."""

    taken: int = 1
    count: int = 1


@dataclass(frozen=True, slots=True)
class Headset:
    """A Bluetooth headset without a microphone: it is in a profile for listening only."""

    card: str
    description: str
    profile_description: str
    profile: str
    """The profile that it is in, by the server's name."""
    talking_profile: str
    """The best one with a microphone."""


class AudioBackend(Protocol):
    """An audio system with a microphone to take from and a virtual microphone to feed.

    The audio thread owns it and alone calls it, except ``wake``. Samples are mono float32 at the engine's rate.
    Every method raises BackendError once the system is gone. The engine then closes this backend and connects a new one.
    """

    def browse(self) -> None:
        """Connect without changing anything, for ``server``, ``microphones`` and ``choose``.

        BackendError; DeviceError if the output that the user asked for is not there.
        """
        ...

    def connect(self) -> None:
        """Connect and create the virtual microphone, or adopt one that a crash left. BackendError."""
        ...

    def close(self) -> None:
        """Let go of everything and remove the virtual microphone. Never raises; may be called twice.

        After a BackendError the virtual microphone stays if it can, and the next backend adopts it. If it were away for a
        moment, the server would move applications to the physical one.
        """
        ...

    @property
    def server(self) -> str:
        """Kind and version of the system, as it names itself."""
        ...

    @property
    def queue_seconds(self) -> float:
        """Target playback latency just before a write, s, while there are no underruns."""
        ...

    @property
    def microphones(self) -> tuple[Microphone, ...]:
        """The real sources now."""
        ...

    @property
    def loops(self) -> tuple[Microphone, ...]:
        """Sources that carry our own sound: they are no microphones, and ``choose`` never gives one."""
        ...

    @property
    def headsets(self) -> tuple[Headset, ...]:
        """Bluetooth headsets that have no microphone in the profile that they are in."""
        ...

    def take_headset(self, headset: Headset) -> None:
        """Switch a headset over to its profile with a microphone, in which music sounds worse."""
        ...

    def give_headset_back(self) -> None:
        """Switch the headset that ``take_headset`` switched back; nothing if there is none."""
        ...

    @property
    def warnings(self) -> tuple[Fact, ...]:
        """What on the virtual microphone's side hinders people from being heard; see ``status.WarningCode``."""
        ...

    @property
    def listeners(self) -> tuple[str, ...]:
        """Names of the applications that hear the virtual microphone now, directly or through other virtual sources."""
        ...

    def choose(self, wanted: str, identity: Mapping[str, str]) -> Microphone | None:
        """The source to take for the setting ``wanted`` (a name or "auto"), or None while there is none.

        ``identity`` is what it was known by when it was chosen.
        """
        ...

    def be_default(self, wanted: bool) -> None:
        """Make the virtual microphone the system's default, or give that back to the microphone that was it before."""
        ...

    @property
    def is_default(self) -> bool:
        """Whether the virtual microphone is the system's default."""
        ...

    def start(self, microphone: Microphone, channel: int | None = None) -> None:
        """Open the microphone and begin to feed the virtual one. DeviceError if it is refused at once.

        ``channel``, counted from 1, is the one to take; None leaves it to the backend.
        """
        ...

    def stop(self) -> None:
        """Release the microphone; applications hear silence."""
        ...

    @property
    def channels(self) -> Channels:
        """The channel of the open microphone that is in use."""
        ...

    @property
    def capture_fault(self) -> DeviceError | None:
        """Why the open microphone ended by itself (DeviceGoneError: unplugged), or None."""
        ...

    def wait(self, timeout: float | None) -> None:
        """Sleep until something happened: samples, a change of listeners or microphones, ``wake``, or ``timeout`` s."""
        ...

    def wake(self) -> None:
        """End a ``wait`` early. From any thread."""
        ...

    def read(self) -> Samples | None:
        """The next captured block of any length, valid until the next call, or None if there is none yet."""
        ...

    def write(self, samples: Samples) -> None:
        """Queue samples for the virtual microphone."""
        ...

    @property
    def capture_latency(self) -> float:
        """Age of the newest samples that ``read`` can give, s."""
        ...

    @property
    def playback_latency(self) -> float | None:
        """Time until a sample written now has left the queue, s: at 0 it runs empty. None while it is not known yet."""
        ...

    @property
    def device_latency(self) -> float:
        """Time from the end of the queue until the sample is heard, s, unless ``playback_latency`` contains it."""
        ...

    @property
    def xruns(self) -> int:
        """Underruns of the playback and overruns of the capture since ``connect``."""
        ...
