"""What the daemon shows on D-Bus. The docstrings are its documentation: they travel in the introspection XML."""
# ruff: noqa: N802  (names as D-Bus has them)
# A property's setter repeats its name, which mypy allows for the built-in property alone.

import asyncio

# No postponed annotations here: dbus-fast cannot read "None" as text.
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Any

from dbus_fast import DBusError
from dbus_fast import introspection as xml
from dbus_fast.annotations import DBusBool, DBusDouble, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import dbus_method, dbus_property, dbus_signal

from densenoiser_models.strength import check

from ..audio.microphone_choice import resolve
from ..bus.session_bus import (
    INVALID_VALUE,
    SUPERSEDED,
    UNAVAILABLE,
    UNKNOWN_MICROPHONE,
    UNKNOWN_MODEL,
)
from ..errors import DeviceError, SupersededError, UnusableModelError
from ..i18n import _
from ..settings.file import SettingsFile
from ..settings.settings import AUTO
from ..settings.values import MOST_CHANNELS
from .asker import Asker
from .controls import Controls
from .hearing_methods import HearingMethods

_DOC = "org.gtk.GDBus.DocString"
_READ = PropertyAccess.READ

SpectrumPair = Annotated[list[bytes], DBusSignature("ayay")]
MicrophoneList = Annotated[list[list[Any]], DBusSignature("a(ssubb)")]


class DaemonObject(HearingMethods):
    """The interface ``org.densenoiser.Daemon1``. Used by the control thread alone."""

    def __init__(
        self,
        controls: Controls,
        store: SettingsFile,
        on_change: Callable[[], None],
        caller: Callable[[], str],
        follow: Callable[[bool], None],
        asker: Asker,
        watch: Callable[[bool], None],
        watch_spectra: Callable[[bool], None],
    ) -> None:
        """The last two are told what a caller of theirs wants; the others are as for ``HearingMethods``."""
        super().__init__(controls, store, on_change, caller, follow, asker)
        self._watch = watch
        self._watch_spectra = watch_spectra

    @dbus_property()
    def Enabled(self) -> DBusBool:
        """Whether noise is removed; if not, the microphone passes through at the same latency."""
        return self._settings.enabled

    @Enabled.setter  # type: ignore[no-redef]
    def Enabled(self, wanted: DBusBool) -> None:
        self._change(enabled=wanted)

    @dbus_property()
    def Muted(self) -> DBusBool:
        """Whether applications hear silence."""
        return self._settings.muted

    @Muted.setter  # type: ignore[no-redef]
    def Muted(self, wanted: DBusBool) -> None:
        self._set_muted(wanted)

    @dbus_property()
    def Default(self) -> DBusBool:
        """Whether the virtual microphone is made the default one while the daemon runs. At its end the earlier one is again."""
        return self._settings.default

    @Default.setter  # type: ignore[no-redef]
    def Default(self, wanted: DBusBool) -> None:
        self._change(default=wanted)

    @dbus_property()
    def HeadsetMicrophone(self) -> DBusBool:
        """Whether a Bluetooth headset whose microphone is wanted gets it while somebody listens; music sounds worse then."""
        return self._settings.headset

    @HeadsetMicrophone.setter  # type: ignore[no-redef]
    def HeadsetMicrophone(self, wanted: DBusBool) -> None:
        self._change(headset=wanted)

    @dbus_property()
    def Strength(self) -> DBusDouble:
        """Attenuation limit of the microphone in use, dB: 0 passes everything, infinity is full strength.

        Setting it changes the microphone's own strength if it has one, else the strength of all that have none.
        """
        return self._settings.strength_for(self._status.microphone)

    @Strength.setter  # type: ignore[no-redef]
    def Strength(self, wanted: DBusDouble) -> None:
        self._set_strength(wanted)

    @dbus_property()
    def Microphone(self) -> DBusStr:
        """The choice: a source's name, or "auto" for the server's default.

        It can be set to a name, a number, a description or a part of one, if that is unique.
        """
        return self._settings.microphone

    @Microphone.setter  # type: ignore[no-redef]
    def Microphone(self, wanted: DBusStr) -> None:
        self._set_microphone(wanted)

    @dbus_property()
    def Model(self) -> DBusStr:
        """The chosen model: a name of ListModels or the path of an .onnx file.

        Setting it is answered when the model is loaded and in use; if it cannot be loaded, nothing changes.
        """
        return self._settings.model

    @Model.setter  # type: ignore[no-redef]
    async def Model(self, wanted: DBusStr) -> None:
        before = self._settings.model
        try:
            await asyncio.wrap_future(self._controls.use_model(wanted))
        except UnusableModelError as error:
            raise DBusError(UNKNOWN_MODEL, str(error)) from error
        except SupersededError as error:
            raise DBusError(SUPERSEDED, str(error)) from error
        self.look()
        self._on_change()
        self._save(replace(self._settings, model=before), self._settings)

    @dbus_method()
    def Toggle(self) -> DBusBool:
        """Switch noise removal on or off; returns what it is now."""
        self._change(enabled=not self._settings.enabled)
        return self._settings.enabled

    @dbus_method()
    def SetMicrophoneStrength(self, microphone: DBusStr, wanted: DBusDouble) -> None:
        """Give a microphone a strength of its own, dB. An empty name means the one in use."""
        name = self._known_microphone(microphone)
        strengths = {**self._settings.microphone_strengths, name: _valid_strength(wanted)}
        self._change(microphone_strengths=MappingProxyType(strengths))

    @dbus_method()
    def ForgetMicrophoneStrength(self, microphone: DBusStr) -> None:
        """Take its own strength from a microphone. An empty name means the one in use."""
        strengths = dict(self._settings.microphone_strengths)
        name = microphone if microphone in strengths else self._known_microphone(microphone)
        strengths.pop(name, None)
        self._change(microphone_strengths=MappingProxyType(strengths))

    @dbus_method()
    def SetMicrophoneChannel(self, microphone: DBusStr, wanted: DBusUInt32) -> None:
        """Take this channel of a microphone, from 1, or choose it by speech again (0). An empty name means the one in use."""
        channels = dict(self._settings.microphone_channels)
        if not wanted:
            channels.pop(microphone if microphone in channels else self._known_microphone(microphone), None)
        else:
            name = self._known_microphone(microphone)
            found = next((m for m in self._controls.microphones if m.name == name), None)
            count = max(1, len(found.channel_map)) if found is not None else MOST_CHANNELS
            if wanted > count:
                sentence = _("{microphone} has {count} channels, so there is no channel {wanted}")
                raise DBusError(INVALID_VALUE, sentence.format(microphone=name, count=count, wanted=wanted))
            channels[name] = wanted
        self._change(microphone_channels=MappingProxyType(channels))

    @dbus_method()
    def ListMicrophones(self) -> MicrophoneList:
        """Name, description, rate (Hz), whether it is the server's default, whether it is the choice."""
        chosen = self._settings.microphone
        return [
            [m.name, m.description, m.sample_rate, m.is_default, m.name == chosen] for m in self._controls.microphones
        ]

    @dbus_method()
    def Watch(self, wanted: DBusBool) -> None:
        """Ask for levels, counters and latency 10 times a second, or give it up; it also ends when the caller does."""
        self._watch(wanted)

    @dbus_method()
    def WatchSpectra(self, wanted: DBusBool) -> None:
        """Ask for Spectra 20 times a second while somebody listens, or give it up; it also ends when the caller does."""
        self._watch_spectra(wanted)

    @dbus_method()
    def Quit(self) -> None:
        """End the daemon."""
        self._controls.quit()

    @dbus_signal()
    def MicrophonesChanged(self) -> None:
        """ListMicrophones has something new to say."""

    @dbus_signal()
    def Spectra(self, before: bytes, after: bytes) -> SpectrumPair:
        """Levels in 48 bands, 50 Hz to 20 kHz, each as wide as the last by a factor: of the microphone and of what is heard.

        A byte is a level in steps of 0.5 dB above -100 dBFS. Both are of the same moment.
        """
        return [before, after]

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

    def _set_strength(self, wanted: float) -> None:
        strength = _valid_strength(wanted)
        used = self._status.microphone
        own = self._settings.microphone_strengths
        if used in own:
            self._change(microphone_strengths=MappingProxyType({**own, used: strength}))
        else:
            self._change(strength_db=strength)

    def _set_microphone(self, wanted: str) -> None:
        if not wanted:
            raise DBusError(INVALID_VALUE, _('the microphone\'s name is empty; name one, or "auto"'))
        name = AUTO if wanted == AUTO else self._known_microphone(wanted)
        found = next((m for m in self._controls.microphones if m.name == name), None)
        identity = dict(found.identity) if found is not None else {}
        if found is None and name == self._settings.microphone:  # it is away
            identity = dict(self._settings.microphone_identity)
        self._change(microphone=name, microphone_identity=MappingProxyType(identity))

    def _known_microphone(self, wanted: str) -> str:
        """The name of the source meant; D-Bus error if there is none, or more than one."""
        name = wanted or self._status.microphone
        if not name:
            raise DBusError(UNAVAILABLE, _("no microphone is in use now; name one"))
        if name == AUTO:
            raise DBusError(UNKNOWN_MICROPHONE, _("'auto' is not a microphone; name one"))
        if name == self._settings.microphone:
            return name  # the chosen one, even while it is unplugged
        try:
            return resolve(name, self._controls.microphones, self._controls.loops)
        except DeviceError as error:
            raise DBusError(UNKNOWN_MICROPHONE, str(error)) from error


def _valid_strength(wanted: float) -> float:
    try:
        return check(wanted)
    except ValueError as error:
        raise DBusError(INVALID_VALUE, str(error)) from error


def _documentation(kind: type, name: str) -> str:
    member = getattr(kind, name)
    text = member.fget.__doc__ if isinstance(member, property) else member.__doc__
    return " ".join((text or "").split())
