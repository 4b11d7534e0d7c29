"""What the sound server looks like now: its microphones, its default source, and who listens to the virtual microphone."""

from __future__ import annotations

import time

import pulsectl

from ...errors import BackendError
from ...i18n import _
from ..backend import Microphone
from .listeners import listening_applications
from .stray_listeners import StrayListeners
from .streams import NO_INDEX
from .virtual_microphone import SOURCE_NAME, VirtualMicrophone

_CUT_OFF_SECONDS = 0.5
"""How long the virtual microphone may lack its link before it is made anew. A fresh one is linked within 50 ms."""
_EVERYTHING = ("source", "source_output", "sink_input", "server")


class ServerView:
    """Reads the server once, and again what its events name. Owned by the audio thread.

    On the way it keeps the server in order: it moves strangers off our sink and brings stray listeners back.
    pulsectl's errors pass through.
    """

    def __init__(self, pulse: pulsectl.Pulse) -> None:
        """``pulse`` is connected."""
        self._pulse = pulse
        self._virtual: VirtualMicrophone | None = None
        self._strays = StrayListeners()
        self._stale: set[str] = set()
        self._cut_off_since: float | None = None
        self._default_source = ""
        info = pulse.server_info()
        self.server = f"{info.server_name} {info.server_version}"
        """Kind and version of the server, as it names itself."""
        self.microphones: tuple[Microphone, ...] = ()
        """The real sources."""
        self.listeners: tuple[str, ...] = ()
        """Names of the applications that record from the virtual microphone."""
        self._list_microphones()

    def follow(self, virtual: VirtualMicrophone) -> None:
        """Look after ``virtual`` from now on, and hear of changes."""
        self._virtual = virtual
        self._strays = StrayListeners(is_new=not virtual.adopted)
        self._pulse.event_mask_set(*_EVERYTHING)
        self._pulse.event_callback_set(lambda event: self._stale.add(str(event.facility._value)))
        self._stale.update(_EVERYTHING)

    @property
    def is_stale(self) -> bool:
        """Whether an event has named something that was not read again yet."""
        return bool(self._stale)

    @property
    def has_session_manager(self) -> bool:
        """Whether WirePlumber runs, which makes all links on PipeWire."""
        return any(client.proplist.get("application.name") == "WirePlumber" for client in self._pulse.client_list())

    def refresh(self, own_stream: int | None) -> None:
        """Read again what has changed. ``own_stream`` is the index of our own stream into our sink.

        BackendError if somebody removed the virtual microphone.
        """
        facilities, self._stale = self._stale, set()
        if not facilities:
            return
        assert self._virtual is not None
        if facilities & {"source", "server"}:
            self._list_microphones()
        if "sink_input" in facilities and own_stream is not None:
            self._virtual.turn_away(own_stream)
        index = self._virtual.source_index()
        if index is None:
            raise BackendError(_("the virtual microphone was removed from the sound server"))
        outputs = self._pulse.source_output_list()
        self._strays.bring_back(self._pulse, outputs, index, self._default_source, self.microphones)
        self.listeners = listening_applications(outputs, index)
        if "source_output" in facilities:
            self._watch_link(self._virtual)

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

    def _list_microphones(self) -> None:
        self._default_source = default = self._pulse.server_info().default_source_name
        self.microphones = tuple(
            Microphone(s.name, s.description, s.sample_spec.rate, s.index, s.name == default)
            for s in real_sources(self._pulse)
        )


def real_sources(pulse: pulsectl.Pulse) -> list[pulsectl.PulseSourceInfo]:
    """The server's sources without monitors and without our own."""
    return [s for s in pulse.source_list() if s.name != SOURCE_NAME and s.monitor_of_sink == NO_INDEX]
