"""What the daemon shows on D-Bus. The docstrings are its documentation: they travel in the introspection XML."""
# ruff: noqa: N802  (names as D-Bus has them)
# A property's setter repeats its name, which mypy allows for the built-in property alone.

# No postponed annotations here: dbus-fast cannot read "None" as text.
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Any

from dbus_fast import DBusError
from dbus_fast import introspection as xml
from dbus_fast.annotations import DBusBool, DBusDouble, DBusSignature, DBusStr
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from densenoiser_models import __version__
from densenoiser_models.errors import ModelError
from densenoiser_models.model_file import list_models, load_model

from ..audio.microphone_choice import resolve
from ..bus.session_bus import INTERFACE, INVALID_VALUE, NOT_STORED, UNAVAILABLE, UNKNOWN_MICROPHONE, UNKNOWN_MODEL
from ..errors import DeviceError, SettingsError
from ..i18n import _
from ..settings.file import SettingsFile
from ..settings.settings import AUTO, Settings
from .controls import Controls

_DOC = "org.gtk.GDBus.DocString"
_READ = PropertyAccess.READ

Strings = Annotated[list[str], DBusSignature("as")]
Counts = Annotated[dict[str, int], DBusSignature("a{st}")]
MicrophoneList = Annotated[list[list[Any]], DBusSignature("a(ssubb)")]
ModelList = Annotated[list[list[Any]], DBusSignature("a(sb)")]


class DaemonObject(ServiceInterface):
    """The interface ``org.densenoiser.Daemon1``. Used by the control thread alone."""

    def __init__(
        self, controls: Controls, store: SettingsFile, on_change: Callable[[], None], watch: Callable[[bool], None]
    ) -> None:
        """``on_change`` is called after each change of settings; ``watch`` is told what the caller of ``Watch`` wants."""
        super().__init__(INTERFACE)
        self._controls = controls
        self._store = store
        self._on_change = on_change
        self._watch = watch

    # -- properties ----------------------------------------------------------------------------------------------------

    @dbus_property()
    def Enabled(self) -> DBusBool:
        """Whether noise is removed; if not, the microphone passes through at the same latency."""
        return self._controls.settings.enabled

    @Enabled.setter  # type: ignore[no-redef]
    def Enabled(self, wanted: DBusBool) -> None:
        self._change(enabled=wanted)

    @dbus_property()
    def Muted(self) -> DBusBool:
        """Whether applications hear silence."""
        return self._controls.settings.muted

    @Muted.setter  # type: ignore[no-redef]
    def Muted(self, wanted: DBusBool) -> None:
        self._change(muted=wanted)

    @dbus_property()
    def Strength(self) -> DBusDouble:
        """At most this much attenuation of the microphone in use, dB: 0 passes everything, infinity is full strength."""
        return self._controls.settings.strength_for(self._controls.status.microphone)

    @Strength.setter  # type: ignore[no-redef]
    def Strength(self, wanted: DBusDouble) -> None:
        self._set_strength(wanted)

    @dbus_property()
    def Microphone(self) -> DBusStr:
        """The choice: a source's name, or "auto" for the server's default."""
        return self._controls.settings.microphone

    @Microphone.setter  # type: ignore[no-redef]
    def Microphone(self, wanted: DBusStr) -> None:
        self._set_microphone(wanted)

    @dbus_property(access=_READ)
    def ActiveMicrophone(self) -> DBusStr:
        """Name of the source in use, or to be used for the next listener; empty while there is none."""
        return self._controls.status.microphone

    @dbus_property(access=_READ)
    def ActiveMicrophoneDescription(self) -> DBusStr:
        """The same for people."""
        return self._controls.status.microphone_description

    @dbus_property()
    def Model(self) -> DBusStr:
        """The chosen model: a name of ListModels or the path of an .onnx file."""
        return self._controls.settings.model

    @Model.setter  # type: ignore[no-redef]
    def Model(self, wanted: DBusStr) -> None:
        self._set_model(wanted)

    @dbus_property(access=_READ)
    def ActiveModel(self) -> DBusStr:
        """The model that runs: the chosen one, or a lighter one while the machine is too slow; empty while none runs."""
        return self._controls.status.model

    @dbus_property(access=_READ)
    def Provider(self) -> DBusStr:
        """Where the model runs: "cpu" or "cuda"; empty while none runs."""
        return self._controls.status.provider

    @dbus_property(access=_READ)
    def State(self) -> DBusStr:
        """One of "idle", "running", "bypassed", "waiting-for-server" and "waiting-for-microphone"."""
        return str(self._controls.status.state)

    @dbus_property(access=_READ)
    def Reason(self) -> DBusStr:
        """Why, for the last three states, and for "running" with a lighter model; in the daemon's language."""
        return self._controls.status.reason

    @dbus_property(access=_READ)
    def Listeners(self) -> Strings:
        """Names of the applications that record from the virtual microphone now."""
        return list(self._controls.status.listeners)

    @dbus_property(access=_READ)
    def Server(self) -> DBusStr:
        """Kind and version of the sound server."""
        return self._controls.status.server

    @dbus_property(access=_READ)
    def AlgorithmicLatency(self) -> DBusDouble:
        """Delay of the filter itself, ms."""
        return self._controls.status.algorithmic_latency_ms

    @dbus_property(access=_READ)
    def TransportLatency(self) -> DBusDouble:
        """Delay of capture and playback, ms, measured; 0 while idle. Changes are signalled while somebody watches."""
        return self._controls.status.transport_latency_ms

    @dbus_property(access=_READ)
    def LatencyCeiling(self) -> DBusDouble:
        """What the playback queue may hold, ms; older frames are dropped, and counted in "dropped_frames"."""
        return self._controls.status.latency_ceiling_ms

    @dbus_property(access=_READ)
    def Scheduling(self) -> DBusStr:
        """How the audio thread is scheduled, in words."""
        return self._controls.status.scheduling

    @dbus_property(access=_READ)
    def Memory(self) -> DBusStr:
        """Whether the daemon's memory is locked against being paged out, in words."""
        return self._controls.status.memory

    @dbus_property(access=_READ)
    def Counters(self) -> Counts:
        """ "frames", "xruns", "dropped_frames", "deadline_misses", "restarts" and "clipped_frames" since the daemon started."""
        counters = self._controls.status.counters
        return {name: getattr(counters, name) for name in counters.__dataclass_fields__}

    @dbus_property(access=_READ)
    def InputLevel(self) -> DBusDouble:
        """Level of the microphone over the last 100 ms, dBFS; changes are signalled while somebody watches."""
        return self._controls.status.levels.input_dbfs

    @dbus_property(access=_READ)
    def OutputLevel(self) -> DBusDouble:
        """Level that applications hear, dBFS."""
        return self._controls.status.levels.output_dbfs

    @dbus_property(access=_READ)
    def NoiseReduction(self) -> DBusDouble:
        """How much was removed, dB."""
        return self._controls.status.levels.noise_reduction_db

    @dbus_property(access=_READ)
    def Version(self) -> DBusStr:
        """Version of the daemon."""
        return __version__

    # -- methods and signals -------------------------------------------------------------------------------------------

    @dbus_method()
    def Toggle(self) -> DBusBool:
        """Switch noise removal on or off; returns what it is now."""
        self._change(enabled=not self._controls.settings.enabled)
        return self._controls.settings.enabled

    @dbus_method()
    def Mute(self, wanted: DBusBool) -> None:
        """Silence what applications hear, or end that."""
        self._change(muted=wanted)

    @dbus_method()
    def SetMicrophone(self, wanted: DBusStr) -> None:
        """Take "auto" or the source of that name, number or description, of which a part will do if it is unique."""
        self._set_microphone(wanted)

    @dbus_method()
    def SetStrength(self, wanted: DBusDouble) -> None:
        """Set the strength, dB: of the microphone in use if it has one of its own, else of all that have none."""
        self._set_strength(wanted)

    @dbus_method()
    def SetMicrophoneStrength(self, microphone: DBusStr, wanted: DBusDouble) -> None:
        """Give a microphone a strength of its own, dB. An empty name means the one in use."""
        name = self._known_microphone(microphone)
        strengths = {**self._controls.settings.microphone_strengths, name: _valid_strength(wanted)}
        self._change(microphone_strengths=MappingProxyType(strengths))

    @dbus_method()
    def ForgetMicrophoneStrength(self, microphone: DBusStr) -> None:
        """Take its own strength from a microphone. An empty name means the one in use."""
        strengths = dict(self._controls.settings.microphone_strengths)
        name = microphone if microphone in strengths else self._known_microphone(microphone)
        strengths.pop(name, None)
        self._change(microphone_strengths=MappingProxyType(strengths))

    @dbus_method()
    def SetModel(self, wanted: DBusStr) -> None:
        """Filter with this model as soon as it is loaded."""
        self._set_model(wanted)

    @dbus_method()
    def ListMicrophones(self) -> MicrophoneList:
        """Name, description, rate (Hz), whether it is the server's default, whether it is the choice."""
        chosen = self._controls.settings.microphone
        return [
            [m.name, m.description, m.sample_rate, m.is_default, m.name == chosen] for m in self._controls.microphones
        ]

    @dbus_method()
    def ListModels(self) -> ModelList:
        """Name, whether it is the chosen one."""
        chosen = self._controls.settings.model
        return [[name, name == chosen] for name in list_models()]

    @dbus_method()
    def Watch(self, wanted: DBusBool) -> None:
        """Ask for levels, counters and latency 10 times a second, or give it up; it also ends when the caller does."""
        self._watch(wanted)

    @dbus_method()
    def Quit(self) -> None:
        """End the daemon."""
        self._controls.quit()

    @dbus_signal()
    def MicrophonesChanged(self) -> None:
        """ListMicrophones has something new to say."""

    # -- the inside ----------------------------------------------------------------------------------------------------

    @property
    def property_names(self) -> tuple[str, ...]:
        """Names of the properties on the bus."""
        return tuple(prop.name for prop in super().introspect().properties)

    def introspect(self) -> xml.Interface:
        """The interface with its documentation."""
        described: xml.Interface = super().introspect()
        members: list[xml.Method | xml.Property | xml.Signal] = []
        members += [*described.methods, *described.properties, *described.signals]
        for member in members:
            member.annotations[_DOC] = _documentation(type(self), member.name)
        return described

    def _change(self, **changes: object) -> None:
        before: Settings = self._controls.settings
        after = replace(before, **changes)  # type: ignore[arg-type]
        self._controls.apply(after)
        self._on_change()
        try:
            self._store.save(before, after)
        except SettingsError as error:
            sentence = _("it is done, but will be forgotten when the daemon ends: {error}")
            raise DBusError(NOT_STORED, sentence.format(error=error)) from error

    def _set_strength(self, wanted: float) -> None:
        strength = _valid_strength(wanted)
        used = self._controls.status.microphone
        own = self._controls.settings.microphone_strengths
        if used in own:
            self._change(microphone_strengths=MappingProxyType({**own, used: strength}))
        else:
            self._change(strength_db=strength)

    def _set_microphone(self, wanted: str) -> None:
        if not wanted:
            raise DBusError(INVALID_VALUE, _('the microphone\'s name is empty; name one, or "auto"'))
        self._change(microphone=AUTO if wanted == AUTO else self._known_microphone(wanted))

    def _known_microphone(self, wanted: str) -> str:
        """The name of the source meant; D-Bus error if there is none, or more than one."""
        name = wanted or self._controls.status.microphone
        if not name:
            raise DBusError(UNAVAILABLE, _("no microphone is in use now; name one"))
        if name == AUTO:
            raise DBusError(UNKNOWN_MICROPHONE, _("'auto' is not a microphone; name one"))
        if name == self._controls.settings.microphone:
            return name  # the chosen one, even while it is unplugged
        try:
            return resolve(name, self._controls.microphones)
        except DeviceError as error:
            raise DBusError(UNKNOWN_MICROPHONE, str(error)) from error

    def _set_model(self, wanted: str) -> None:
        try:
            spec = load_model(wanted).spec
        except ModelError as error:
            raise DBusError(UNKNOWN_MODEL, str(error)) from error
        if spec != self._controls.frame:
            fault = _("the model {model} works on frames of {spec}, this daemon on {frame}")
            raise DBusError(UNKNOWN_MODEL, fault.format(model=wanted, spec=spec, frame=self._controls.frame))
        self._change(model=wanted)


def _valid_strength(wanted: float) -> float:
    if not wanted >= 0.0:
        fault = _("strength must be a number of dB from 0 up, or infinity for full; is {value}")
        raise DBusError(INVALID_VALUE, fault.format(value=wanted))
    return wanted


def _documentation(kind: type, name: str) -> str:
    member = getattr(kind, name)
    text = member.fget.__doc__ if isinstance(member, property) else member.__doc__
    return " ".join((text or "").split())
