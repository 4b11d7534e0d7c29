"""The tray's picture of the daemon: one frozen snapshot, read over D-Bus and replaced whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from .i18n import _

AUTO = "auto"
IDLE = "idle"
BYPASSED = "bypassed"
WAITING_FOR_SERVER = "waiting-for-server"
WAITING_FOR_MICROPHONE = "waiting-for-microphone"


_MUTING = {"source-muted", "microphone-muted"}


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
class Reason:
    """Why the daemon is in its state: the code of its D-Bus property, and the details that come with it."""

    code: str
    details: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def words(self) -> str:
        """The same for people, in the user's language; empty if there is nothing to say."""
        sentences = {
            "server": "{error}",
            "no-microphone": _("no microphone is connected"),
            "microphone-not-ready": _("the microphone is not ready"),
            "microphone-gone": _("{microphone} was unplugged or switched off"),
            "microphone-failed": _("{microphone} cannot be opened; another program may hold it"),
            "model-failed": "{error}",
            "model-replaced": _("{error}; filtering with {lighter} until {chosen} works again"),
            "source-muted": _('"DenseNoiser Mic" is muted in the sound settings'),
            "source-turned-down": _('"DenseNoiser Mic" is turned down by {db} dB in the sound settings'),
            "microphone-muted": _("{microphone} is muted in the sound settings"),
            "microphone-turned-down": _("{microphone} is turned down by {db} dB in the sound settings"),
            "stranger": _("{streams} plays into DenseNoiser Mic; nobody hears it"),
            "headset": _('{headset} has no microphone in the profile "{profile}"'),
            "loop": _("{microphone} carries DenseNoiser Mic itself, so it is not used"),
            "too-slow": _("the machine is too slow for {chosen} now; filtering with {lighter} until it is less busy"),
            "too-slow-for-any-model": _(
                "the machine is too slow for any model now; it is tried again when it is less busy"
            ),
        }
        try:
            return sentences.get(self.code, self.code).format(**self.details)
        except KeyError:  # a detail is missing: another version of the daemon
            return self.code


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
    reason: Reason = field(default_factory=lambda: Reason(""))
    """Why, where the state alone does not say."""
    warnings: tuple[Reason, ...] = ()
    """What hinders people from being heard although the daemon works."""
    is_wished_default: bool = False
    """Whether it makes itself the default microphone."""
    uses_headset: bool = False
    """Whether a Bluetooth headset gets its microphone while somebody listens."""
    listeners: tuple[str, ...] = ()
    microphones: tuple[Microphone, ...] = ()
    models: tuple[str, ...] = ()
    missing_engines: tuple[str, ...] = ()
    """Filters that could be chosen if their packages were installed."""

    @classmethod
    def of(cls, properties: Mapping[str, Any], microphones: Iterable[Any], models: Iterable[Any]) -> DaemonSnapshot:
        """From the daemon's properties, and what ListMicrophones and ListModels say."""
        return cls(
            is_running=True,
            enabled=properties["Enabled"],
            muted=properties["Muted"],
            strength_db=properties["Strength"],
            microphone=properties["Microphone"],
            active_microphone=properties["ActiveMicrophoneDescription"],
            model=properties["Model"],
            state=properties["State"],
            reason=Reason(*properties["Reason"]),
            warnings=tuple(Reason(*warning) for warning in properties.get("Warnings", ())),
            is_wished_default=properties.get("Default", False),
            uses_headset=properties.get("HeadsetMicrophone", False),
            listeners=tuple(properties["Listeners"]),
            microphones=tuple(Microphone(m[0], m[1], is_default=m[3]) for m in microphones),
            models=tuple(m[0] for m in models),
            missing_engines=tuple(name for name, _command in properties.get("MissingEngines", ())),
        )

    @property
    def condition(self) -> Condition:
        """The condition that the icon shows. Trouble comes first, because the user does not get what they asked for."""
        if not self.is_running:
            return Condition.ABSENT
        if self.state in {BYPASSED, WAITING_FOR_SERVER, WAITING_FOR_MICROPHONE}:
            return Condition.TROUBLE
        if self.muted or _MUTING & {warning.code for warning in self.warnings}:
            return Condition.MUTED
        if not self.enabled:
            return Condition.OFF
        return Condition.IDLE if self.state == IDLE else Condition.ACTIVE
