"""The read-only part of the daemon's D-Bus interface. The docstrings are its documentation: they travel in the introspection."""
# ruff: noqa: N802  (names as D-Bus has them)

# No postponed annotations here: dbus-fast cannot read "None" as text.
from typing import Annotated, Any

from dbus_fast.annotations import DBusBool, DBusDouble, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_property

from densenoiser_models import __version__

from .. import status
from ..bus.session_bus import INTERFACE
from .controls import Controls

_READ = PropertyAccess.READ

Strings = Annotated[list[str], DBusSignature("as")]
Counts = Annotated[dict[str, int], DBusSignature("a{st}")]
Fact = Annotated[list[Any], DBusSignature("(sa{ss})")]
Facts = Annotated[list[list[Any]], DBusSignature("a(sa{ss})")]


class StatusProperties(ServiceInterface):
    """What the daemon reports. Used by the control thread alone."""

    def __init__(self, controls: Controls) -> None:
        super().__init__(INTERFACE)
        self._controls = controls
        self.look()

    def look(self) -> None:
        """Take one snapshot of status and settings. Everything that is read until the next one belongs together."""
        self._status = self._controls.status
        self._settings = self._controls.settings

    @dbus_property(access=_READ)
    def ActiveMicrophone(self) -> DBusStr:
        """Name of the source in use, or to be used for the next listener; empty while there is none."""
        return self._status.microphone

    @dbus_property(access=_READ)
    def ActiveMicrophoneDescription(self) -> DBusStr:
        """The same for people."""
        return self._status.microphone_description

    @dbus_property(access=_READ)
    def IsDefault(self) -> DBusBool:
        """Whether the virtual microphone is the sound server's default source now."""
        return self._status.is_default

    @dbus_property(access=_READ)
    def IsStandIn(self) -> DBusBool:
        """Whether the active microphone stands in for the chosen one, which is away."""
        return self._status.is_stand_in

    @dbus_property(access=_READ)
    def ActiveChannel(self) -> DBusUInt32:
        """The channel of the open microphone that is in use, from 1; 0 while it is released."""
        return self._status.channel

    @dbus_property(access=_READ)
    def ChannelCount(self) -> DBusUInt32:
        """How many channels the open microphone has; 0 while it is released."""
        return self._status.channel_count

    @dbus_property(access=_READ)
    def ActiveModel(self) -> DBusStr:
        """The model that runs: the chosen one, or a lighter one while the machine is too slow; empty while none runs."""
        return self._status.model

    @dbus_property(access=_READ)
    def Provider(self) -> DBusStr:
        """Where the model runs: "cpu" or "cuda"; empty while none runs."""
        return self._status.provider

    @dbus_property(access=_READ)
    def State(self) -> DBusStr:
        """One of "idle", "running", "bypassed", "waiting-for-server" and "waiting-for-microphone"."""
        return str(self._status.state)

    @dbus_property(access=_READ)
    def Reason(self) -> Fact:
        """Why, for the last three states, and for "running" with a lighter model: a code and its details.

        "server" and "model-failed" (each with "error"), "microphone-gone" and "microphone-failed" (each with "microphone",
        its description), "no-microphone", "microphone-not-ready", "too-slow" (with "chosen" and "lighter"),
        "model-replaced" (with "chosen", "lighter" and "error") and "too-slow-for-any-model". The code is empty while there is
        no reason.
        """
        return _on_bus(self._status.reason)

    @dbus_property(access=_READ)
    def Warnings(self) -> Facts:
        """What hinders people from being heard although the daemon works: codes and their details.

        "source-muted", "source-turned-down" (with "db"), "microphone-muted" (with "microphone"), "microphone-turned-down"
        (with "microphone" and "db"), "stranger" (with "streams": what plays into the virtual microphone, muted there),
        "headset" (with "headset" and "profile": a Bluetooth headset that has no microphone in this profile) and "loop" (with
        "microphone": the wanted source carries our own sound, so another is taken).
        """
        return [_on_bus(fact) for fact in self._status.warnings]

    @dbus_property(access=_READ)
    def Listeners(self) -> Strings:
        """Names of the applications that record from the virtual microphone now."""
        return list(self._status.listeners)

    @dbus_property(access=_READ)
    def Server(self) -> DBusStr:
        """Kind and version of the sound server."""
        return self._status.server

    @dbus_property(access=_READ)
    def AlgorithmicLatency(self) -> DBusDouble:
        """Delay of the filter itself, ms."""
        return self._status.algorithmic_latency_ms

    @dbus_property(access=_READ)
    def TransportLatency(self) -> DBusDouble:
        """Delay of capture and playback, ms, measured; 0 while idle. Changes are signalled while somebody watches."""
        return self._status.transport_latency_ms

    @dbus_property(access=_READ)
    def LatencyCeiling(self) -> DBusDouble:
        """What the playback queue may hold, ms; older frames are dropped, and counted in "dropped_frames"."""
        return self._status.latency_ceiling_ms

    @dbus_property(access=_READ)
    def Scheduling(self) -> Fact:
        """How the audio thread is scheduled: "by-limits" or "by-rtkit" (with "policy", "priority"), or "normal" ("error")."""
        return _on_bus(self._status.scheduling)

    @dbus_property(access=_READ)
    def Memory(self) -> Fact:
        """Whether memory is locked against being paged out: "locked", "limited" (with "limit", KiB) or "not-locked" ("error")."""
        return _on_bus(self._status.memory)

    @dbus_property(access=_READ)
    def Counters(self) -> Counts:
        """ "frames", "xruns", "dropped_frames", "deadline_misses", "restarts" and "clipped_frames" since the daemon started."""
        counters = self._status.counters
        return {name: getattr(counters, name) for name in counters.__dataclass_fields__}

    @dbus_property(access=_READ)
    def InputLevel(self) -> DBusDouble:
        """Level of the microphone over the last 100 ms, dBFS; changes are signalled while somebody watches."""
        return self._status.levels.input_dbfs

    @dbus_property(access=_READ)
    def OutputLevel(self) -> DBusDouble:
        """Level that applications hear, dBFS."""
        return self._status.levels.output_dbfs

    @dbus_property(access=_READ)
    def NoiseReduction(self) -> DBusDouble:
        """How much was removed, dB."""
        return self._status.levels.noise_reduction_db

    @dbus_property(access=_READ)
    def Version(self) -> DBusStr:
        """Version of the daemon."""
        return __version__


def _on_bus(fact: status.Fact) -> list[Any]:
    return [str(fact.code), dict(fact.details)]
