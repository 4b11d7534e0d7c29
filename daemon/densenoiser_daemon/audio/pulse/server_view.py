"""What the sound server looks like now: its microphones, its default source, and who listens to the virtual microphone."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pulsectl

from ...errors import BackendError
from ...i18n import _
from ...settings.earlier_default import EarlierDefault
from ...status import Fact, WarningCode
from .. import microphone_choice
from ..backend import Headset, Microphone
from .connection import Connection
from .full_volume import FAINT_DB, hold, volume_db
from .headsets import silent_headsets
from .sound_graph import SoundGraph
from .strangers import Strangers
from .stray_listeners import StrayListeners
from .streams import NO_INDEX
from .virtual_microphone import OWN_SINKS, SINK_NAME, SOURCE_NAME, VirtualMicrophone

log = logging.getLogger(__name__)

_CUT_OFF_SECONDS = 0.5
"""How long the virtual microphone may lack its link before it is made anew. A fresh one is linked within 50 ms."""
_SETTLING_SECONDS = 0.15
"""PipeWire links a stream some milliseconds after the last event that names it."""
_PLUGGING_SECONDS = 2.0
"""How long after a change of the microphones a change of the default is the desktop's doing."""
_EVERYTHING = ("card", "source", "source_output", "sink", "sink_input", "server")


@dataclass(frozen=True, slots=True)
class Memory:
    """What outlives a connection to the server."""

    strays: StrayListeners = field(default_factory=StrayListeners)
    """Who listened to the virtual microphone."""
    earlier_default: EarlierDefault | None = None
    """Which microphone was the default before ours; None if nobody wants to know."""


class ServerView:
    """Reads the server once, and again what its events name. Owned by the audio thread.

    On the way it keeps the server in order: strangers off our sink, stray listeners back, and what is ours at full
    volume. pulsectl's errors pass through.
    """

    def __init__(self, pulse: Connection, memory: Memory | None = None) -> None:
        """``pulse`` is connected. ``memory`` is that of an earlier connection."""
        memory = memory or Memory()
        self._earlier_default, self._strays = memory.earlier_default, memory.strays
        self._pulse = pulse
        self._virtual: VirtualMicrophone | None = None
        self._strangers = Strangers(pulse)
        self._stale: set[str] = set()
        self._holds_default = False
        self._microphones_changed_at = -math.inf
        self._cut_off_since: float | None = None
        self._settled_at: float | None = None
        info = pulse.server_info()
        self.server = f"{info.server_name} {info.server_version}"
        """Kind and version of the server, as it names itself."""
        self.microphones: tuple[Microphone, ...] = ()
        """The real sources."""
        self.loops: tuple[Microphone, ...] = ()
        """The sources that carry our own sound, ours among them."""
        self.headsets: tuple[Headset, ...] = ()
        """Bluetooth headsets without a microphone."""
        self._taken_headset: Headset | None = None
        self.listeners: tuple[str, ...] = ()
        """Names of the applications that hear the virtual microphone."""
        self.warnings: tuple[Fact, ...] = ()
        """What is wrong with the virtual microphone."""
        self.graph: SoundGraph
        """Who feeds whom."""
        self._read(_EVERYTHING)
        self._describe()

    def follow(self, virtual: VirtualMicrophone) -> None:
        """Look after ``virtual`` from now on, and hear of changes."""
        self._virtual = virtual
        self._strays.follow(self._pulse.server_info().cookie, is_new=not virtual.adopted)
        self._pulse.event_mask_set(*_EVERYTHING)
        self._pulse.event_callback_set(lambda event: self._stale.add(str(event.facility._value)))
        self.look_again()

    def look_again(self) -> None:
        """Take everything for changed."""
        self._stale.update(_EVERYTHING)
        self._settled_at = None

    @property
    def is_stale(self) -> bool:
        """Whether something has changed, or may have, that was not read again yet."""
        return bool(self._stale) or self._seconds_until_look() == 0.0

    @property
    def has_session_manager(self) -> bool:
        """Whether WirePlumber runs, which makes all links on PipeWire."""
        return any(client.proplist.get("application.name") == "WirePlumber" for client in self._pulse.client_list())

    def refresh(self, playback: int | None = None, record: int | None = None) -> None:
        """Read again what has changed. ``playback`` and ``record`` are the indexes of our own streams.

        BackendError if somebody removed the virtual microphone.
        """
        if self._settled_at is not None and time.monotonic() >= self._settled_at:
            self.look_again()
        elif self._stale:
            self._settled_at = time.monotonic() + _SETTLING_SECONDS
        elif self._seconds_until_look() == 0.0:  # it is the strangers that are to be looked at
            self._stale.add("sink_input")
        stale, self._stale = self._stale, set()
        if not stale:
            return
        assert self._virtual is not None
        self._read(stale)
        index = self._virtual.source_index()
        if index is None:
            raise BackendError(_("the virtual microphone was removed from the sound server"))
        if playback is not None and stale & {"sink", "sink_input"}:
            self._strangers.turn_away(self._sinks, self._playbacks, playback)
        if "sink" in stale:
            self._strangers.offer_nowhere(self._sinks)
        hold(self._pulse, self._ours(playback, record))
        self._describe()
        self._hold_default()
        if self._strays.bring_back(self._pulse, self._recordings, index, self._default_source, self.microphones):
            self._verify_default()
        self.listeners = self.graph.listeners(index)
        if "source_output" in stale:
            self._watch_link(self._virtual)

    def playing_monitors(self, microphone: Microphone) -> tuple[str, ...]:
        """Monitors of the sinks on which something plays now, without ours and those that feed ``microphone``."""
        left_out = {*self.graph.sinks_behind(microphone.index), *(s.index for s in self._sinks if s.name in OWN_SINKS)}
        playing = {p.sink for p in self._playbacks if not p.corked} - left_out
        return tuple(sorted(s.monitor_source_name for s in self._sinks if s.index in playing))

    def take_headset(self, headset: Headset) -> None:
        """Switch it over to its profile with a microphone."""
        self._taken_headset = headset
        self._switch(headset.card, headset.talking_profile)

    def give_headset_back(self) -> None:
        """Switch the headset that was taken back to its earlier profile."""
        headset, self._taken_headset = self._taken_headset, None
        if headset is not None:
            self._switch(headset.card, headset.profile)

    def _switch(self, card: str, profile: str) -> None:
        for found in self._pulse.card_list():
            if found.name == card:
                try:
                    self._pulse.card_profile_set(found, profile)
                except pulsectl.PulseError as error:  # it may just be going
                    log.warning("cannot switch %s to %s: %s", card, profile, error)

    @property
    def is_default(self) -> bool:
        """Whether the virtual microphone is the server's default source."""
        return self._default_source == SOURCE_NAME

    def _hold_default(self) -> None:
        """Desktops make a microphone that is plugged in the default. Ours is it again then; a person's choice is left."""
        if not self._holds_default or self.is_default:
            return
        if time.monotonic() - self._microphones_changed_at <= _PLUGGING_SECONDS:
            log.info("the default microphone changed with a plug; it is DenseNoiser Mic again")
            self.be_default(True)
        else:
            self._holds_default = False

    def _verify_default(self) -> None:
        """BackendError if the default source is another than this connection was told.

        pipewire-pulse 0.3.65 does not tell a connection of the default any more that it made while WirePlumber was down.
        """
        with self._pulse.another() as witness:
            told = witness.server_info().default_source_name
        if told != self._default_source:
            raise BackendError(
                _("the sound server keeps from us which microphone is the default; connecting anew"), told
            )

    def be_default(self, wanted: bool) -> None:
        """Make ours the default and keep it so, or, while it is that, the earlier one again."""
        self._holds_default = wanted
        names = [SOURCE_NAME]
        if not wanted:
            earlier = self._earlier_default.name if self._earlier_default is not None else ""
            names = [earlier, *(m.name for m in self.microphones)] if self.is_default else []
        for name in names:
            source = next((s for s in self._sources if s.name == name), None)
            if source is not None:
                self._pulse.source_default_set(source)
                return

    def sooner(self, timeout: float | None) -> float | None:
        """``timeout``, or the time until ``refresh`` or ``renew`` has something to do without an event, if that is less, s."""
        times = (timeout, self._seconds_until_look(), self.seconds_until_renewal())
        return min((seconds for seconds in times if seconds is not None), default=None)

    def _seconds_until_look(self) -> float | None:
        """Time until something is to be read again without an event, s; None if nothing is."""
        moments = [moment for moment in (self._settled_at, self._strangers.due) if moment is not None]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def seconds_until_renewal(self) -> float | None:
        """Time until a virtual microphone that is cut off must be made anew, s; None while it is linked."""
        if self._cut_off_since is None:
            return None
        return max(0.0, self._cut_off_since + _CUT_OFF_SECONDS - time.monotonic())

    def renew(self, with_another_layout: bool = False) -> None:
        """Make the virtual microphone anew. Always raises BackendError, so that everything connects to the new one."""
        assert self._virtual is not None
        self._virtual.renew(with_another_layout, is_watched=self.has_session_manager)
        raise BackendError(_("the sound server had cut off the virtual microphone; it was made anew"))

    def _watch_link(self, virtual: VirtualMicrophone) -> None:
        since = self._cut_off_since or time.monotonic()
        self._cut_off_since = since if virtual.is_cut_off() else None
        if self._cut_off_since is not None and not self.has_session_manager:
            self._cut_off_since -= _CUT_OFF_SECONDS  # renew at once, before the next session manager starts

    def _read(self, facilities: Iterable[str]) -> None:
        if "server" in facilities or "source" in facilities:
            self._default_source = str(self._pulse.server_info().default_source_name)
        if "source" in facilities:
            self._sources = self._pulse.source_list()
        if "card" in facilities:
            self.headsets = silent_headsets(self._pulse.card_list())
        if "sink" in facilities:
            self._sinks = self._pulse.sink_list()
        if "source_output" in facilities:
            self._recordings = self._pulse.source_output_list()
        if "sink_input" in facilities:
            self._playbacks = self._pulse.sink_input_list()

    def _ours(self, playback: int | None, record: int | None) -> list[Any]:
        """Our sink, its monitor, the stream between the two halves of the virtual microphone, and our own streams."""
        sinks = [sink for sink in self._sinks if sink.name == SINK_NAME]
        monitors = [s for s in self._sources if s.monitor_of_sink in {sink.index for sink in sinks}]
        sources = {monitor.index for monitor in monitors}
        between = [r for r in self._recordings if r.source in sources and r.client == NO_INDEX]
        streams = [r for r in self._recordings if r.index == record]
        return [*sinks, *monitors, *between, *streams, *(p for p in self._playbacks if p.index == playback)]

    def _describe(self) -> None:
        self.graph = SoundGraph(self._sources, self._sinks, self._recordings, self._playbacks)
        own = next((s for s in self._sources if s.name == SOURCE_NAME), None)
        fed = self.graph.fed_from(own.index) if own is not None else frozenset()
        real = [self._microphone(s) for s in self._sources if s.name != SOURCE_NAME and s.monitor_of_sink == NO_INDEX]
        microphones = tuple(m for m in real if m.index not in fed)
        if {m.name for m in microphones} != {m.name for m in self.microphones}:
            self._microphones_changed_at = time.monotonic()
        self.microphones = microphones
        if self._earlier_default is not None and any(m.is_default for m in microphones):
            self._earlier_default.note(self._default_source)
        self.loops = tuple(m for m in real if m.index in fed)
        warnings = []
        if own is not None:
            self.loops += (replace(self._microphone(own), is_default=False),)
            volume = volume_db(own)
            if own.mute:
                warnings.append(Fact(WarningCode.SOURCE_MUTED))
            elif volume < FAINT_DB:
                warnings.append(Fact(WarningCode.SOURCE_TURNED_DOWN, {"db": f"{-volume:.0f}"}))
        if self._strangers.muted:
            warnings.append(Fact(WarningCode.STRANGER, {"streams": ", ".join(self._strangers.muted)}))
        self.warnings = tuple(warnings)

    def _microphone(self, source: Any) -> Microphone:
        known = {key: source.proplist.get(key) for key in microphone_choice.PROPERTIES}
        known[microphone_choice.DESCRIPTION] = source.description
        return Microphone(
            source.name,
            source.description,
            source.sample_spec.rate,
            source.index,
            source.name == self._default_source,
            bool(source.mute),
            volume_db(source),
            tuple(source.channel_list_raw) if source.channel_count > 1 else (),
            tuple((key, value) for key, value in known.items() if value),
        )
