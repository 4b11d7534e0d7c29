"""Keeps what other programs play out of our sink: it would be heard as the user's voice."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Collection, Sequence

import pulsectl

from .connection import Connection
from .virtual_microphone import NOWHERE_NAME, SINK_NAME, load_nowhere, unload_nowhere

log = logging.getLogger(__name__)

_MOVING_SECONDS = 0.03
"""How long a server takes to move a stream. PipeWire may need longer, and is asked again after as much."""


class Strangers:
    """Moves streams off our sink, and mutes those that cannot be moved. pulsectl's errors pass through.

    A server without loudspeakers plays on whatever sink there is. For such a server there is a sink that leads nowhere
    and that it prefers to ours.
    """

    def __init__(self, pulse: Connection) -> None:
        self._pulse = pulse
        self._muted_by_us: set[int] = set()
        self._asked: set[int] = set()
        self._moved_at: dict[int, float] = {}
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

        A stranger is muted at once. It is heard again once the server lists it elsewhere and means it: pipewire-pulse may
        agree to a move and not make it, and pretends to us for 1 s that it has. It must not be long: WirePlumber remembers
        that the player was muted, should it end meanwhile.
        """
        now = time.monotonic()
        sink = next((s.index for s in sinks if s.name == SINK_NAME), None)
        here = [stream for stream in streams if stream.sink == sink and stream.index != own]
        for stream in streams:
            if stream.index in self._muted_by_us and stream.sink != sink and now >= self._moved_by(stream.index):
                if self._is_on(stream, sink):
                    self._moved_at[stream.index] = now
                else:
                    self._mute(stream, False)
                    self._muted_by_us.discard(stream.index)
        if here:
            default = self._pulse.server_info().default_sink_name
            elsewhere = [s.index for s in sorted(sinks, key=lambda s: s.name != default) if s.name != SINK_NAME]
            for stream in here:
                if not stream.mute:
                    self._muted_by_us.add(stream.index)
                    self._mute(stream, True)
                if stream.index not in self._asked and elsewhere:
                    self._move(stream, elsewhere[0])
                    self._moved_at[stream.index] = now
        self._muted_by_us &= {stream.index for stream in streams}
        self._moved_at = {index: when for index, when in self._moved_at.items() if index in self._muted_by_us}
        self._asked = {stream.index for stream in here}
        self.muted = tuple(sorted(stream.name for stream in here))

    @property
    def due(self) -> float | None:
        """When ``turn_away`` must look again although nothing changes, on the monotonic clock, s; None if it need not."""
        return min((self._moved_by(index) for index in self._moved_at if index not in self._asked), default=None)

    def _moved_by(self, stream: int) -> float:
        return self._moved_at.get(stream, -math.inf) + _MOVING_SECONDS

    def _is_on(self, stream: pulsectl.PulseSinkInputInfo, sink: int | None) -> bool:
        """Where it is in truth: what the server tells a connection that has not asked it to move anything."""
        with self._pulse.another() as witness:
            return (stream.index, sink) in {(s.index, s.sink) for s in witness.sink_input_list()}

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
