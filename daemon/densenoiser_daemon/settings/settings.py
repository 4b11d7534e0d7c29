"""The settings: one frozen object, replaced whole. Each setting is declared here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from densenoiser_models.model_file import DEFAULT_MODEL
from densenoiser_models.strength import FULL_STRENGTH

from .values import parse_channel, parse_name, parse_provider, parse_strength, parse_switch, write_strength

AUTO = "auto"
"""The choice that is left to the program: the sound server's default microphone, or the faster provider."""


def _setting(
    default: Any, help: str, parse: Callable[[object], Any], on_bus: str = "", write: Callable[[Any], Any] = lambda v: v
) -> Any:
    """Declares one setting.

    ``help`` is the line of the man page. ``parse`` turns a value of the file into the setting's, or raises ValueError;
    ``write`` does the reverse. ``on_bus`` is the D-Bus property that shows and sets it, or "" if it has none.
    """
    return field(default=default, metadata={"help": help, "parse": parse, "write": write, "on_bus": on_bus})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a user can choose. Read by any thread."""

    enabled: bool = _setting(
        True, "true removes noise, false passes the microphone through unchanged", parse_switch, "Enabled"
    )
    muted: bool = _setting(False, "true lets applications hear silence", parse_switch, "Muted")
    strength_db: float = _setting(
        FULL_STRENGTH,
        'at most this much attenuation, dB from 0 up, or "full"',
        parse_strength,
        "Strength",
        write_strength,
    )
    """Infinity is the model's own mask, 0 passes everything."""
    microphone: str = _setting(
        AUTO,
        'name of the source to filter (see densenoiser mics), or "auto" for the default of the sound server',
        parse_name,
        "Microphone",
    )
    model: str = _setting(
        DEFAULT_MODEL,
        "name of a model (see densenoiser models), or the path of an .onnx file",
        parse_name,
        "Model",
    )
    provider: str = _setting(AUTO, '"cpu", "cuda", or "auto" for the faster one', parse_provider)
    default: bool = _setting(
        False,
        "true makes DenseNoiser Mic the default microphone while the daemon runs",
        parse_switch,
        "Default",
    )
    headset: bool = _setting(
        False,
        "true gives a Bluetooth headset its microphone while somebody listens; music sounds worse meanwhile",
        parse_switch,
        "HeadsetMicrophone",
    )
    microphone_strengths: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata={
            "help": "a table: source name = strength, for microphones with one of their own",
            "parse": parse_strength,
            "write": write_strength,
            "on_bus": "",
        },
    )
    """A table: ``parse`` and ``write`` are those of each value in it."""

    microphone_channels: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata={
            "help": "a table: source name = channel, from 1, for microphones whose channel is not to be chosen by speech",
            "parse": parse_channel,
            "write": lambda channel: channel,
            "on_bus": "",
        },
    )

    microphone_identity: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata={
            "help": "a table: what the chosen microphone is recognised by when it comes back under another name",
            "parse": parse_name,
            "write": str,
            "on_bus": "",
        },
    )

    def channel_for(self, microphone: str) -> int | None:
        """The channel of this source to take, from 1, or None if it is chosen by speech."""
        return self.microphone_channels.get(microphone)

    def strength_for(self, microphone: str) -> float:
        """The attenuation limit for this source, dB."""
        return self.microphone_strengths.get(microphone, self.strength_db)


TABLES = ("microphone_strengths", "microphone_channels", "microphone_identity")
"""Settings that are tables of names and values."""


def declared() -> dict[str, Mapping[str, Any]]:
    """Each setting's name and its declaration: "help", "parse", "write" and "on_bus"."""
    return {setting.name: setting.metadata for setting in fields(Settings)}
