"""Keeps what other programs play out of our sink: it would be heard as the user's voice."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

import pulsectl

from .virtual_microphone import NOWHERE_NAME, SINK_NAME, load_nowhere, unload_nowhere

log = logging.getLogger(__name__)


class Strangers:
    """Moves streams off our sink, and mutes those that cannot be moved. pulsectl's errors pass through.

    A server without loudspeakers plays on whatever sink there is. For such a server there is a sink that leads nowhere
    and that it prefers to ours.
    """

    def __init__(self, pulse: pulsectl.Pulse) -> None:
        self._pulse = pulse
        self._muted_by_us: set[int] = set()
        self._asked: set[int] = set()
        self.muted: tuple[str, ...] = ()
        """Names of the streams that stay on our sink, muted, because the server does not move them."""

    def offer_nowhere(self, sinks: Collection[pulsectl.PulseSinkInfo]) -> None:
        """Have a sink that leads nowhere exactly while the server has none but ours. ``sinks`` are all of them."""
        names = {sink.name for sink in sinks}
        if names == {SINK_NAME}:
            load_nowhere(self._pulse)
        elif NOWHERE_NAME in names and names > {SINK_NAME, NOWHERE_NAME}:
            unload_nowhere(self._pulse)

    def turn_away(
        self, sinks: Collection[pulsectl.PulseSinkInfo], streams: Sequence[pulsectl.PulseSinkInputInfo], own: int
    ) -> None:
        """Keep every stream but ``own`` (an index) off our sink. ``sinks`` and ``streams`` are all that the server has.

        A stranger is muted at once, and heard again once the server lists it elsewhere: a server may agree to a move
        and not make it.
        """
        sink = next((s.index for s in sinks if s.name == SINK_NAME), None)
        here = [stream for stream in streams if stream.sink == sink and stream.index != own]
        for stream in streams:
            if stream.index in self._muted_by_us and stream.sink != sink:
                self._mute(stream, False)
        self._muted_by_us &= {stream.index for stream in here}
        if here:
            default = self._pulse.server_info().default_sink_name
            elsewhere = [s.index for s in sorted(sinks, key=lambda s: s.name != default) if s.name != SINK_NAME]
            for stream in here:
                if not stream.mute:
                    self._muted_by_us.add(stream.index)
                    self._mute(stream, True)
                if stream.index not in self._asked and elsewhere:
                    self._move(stream, elsewhere[0])
        self._asked = {stream.index for stream in here}
        self.muted = tuple(sorted(stream.name for stream in here))

    def _mute(self, stream: pulsectl.PulseSinkInputInfo, muted: bool) -> None:
        try:
            self._pulse.mute(stream, muted)
        except pulsectl.PulseError as error:  # it may have ended meanwhile
            log.debug("cannot mute %r: %s", stream.name, error)

    def _move(self, stream: pulsectl.PulseSinkInputInfo, sink: int) -> None:
        try:
            self._pulse.sink_input_move(stream.index, sink)
            log.info("moving %r, which was played into the virtual microphone, to another output", stream.name)
        except pulsectl.PulseError:
            log.warning("the server does not move %r off the virtual microphone; it stays muted there", stream.name)
