"""Who feeds whom on the sound server: which sources carry the sound of another, through any chain of modules.

A stream of a module belongs to a group: the module that made it, or PipeWire's ``node.link-group``. What a group records
comes out of its sources, or of what it plays. A program's own streams belong to no group, because nobody outside it
knows what it does with what it hears.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from .listeners import SourceOutput, listening_applications
from .streams import NO_INDEX

_Group = tuple[str, object]
_Node = tuple[str, int]
"""A kind ("source" or "sink") and the server's index."""
_HARDWARE, _NETWORK = 0x0004, 0x0010
"""PA_SINK_HARDWARE (PA_SOURCE_HARDWARE is the same) and PA_SINK_NETWORK of libpulse."""


class SoundGraph:
    """One moment of the server. Indexes are the server's."""

    def __init__(
        self, sources: Sequence[Any], sinks: Sequence[Any], recordings: Sequence[SourceOutput], playbacks: Sequence[Any]
    ) -> None:
        """What pulsectl lists: ``sources``, ``sinks``, and the streams from the ones and to the others."""
        self._recordings = recordings
        self._audible = {sink.index for sink in sinks if _is_audible(sink)}
        self._next: dict[_Node, set[_Node]] = defaultdict(set)
        self._made: dict[_Group, set[_Node]] = defaultdict(set)
        self._played: dict[_Group, set[_Node]] = defaultdict(set)
        for source in sources:
            if source.monitor_of_sink != NO_INDEX:
                self._next["sink", source.monitor_of_sink].add(("source", source.index))
            elif (group := _group_of(source)) is not None:
                self._made[group].add(("source", source.index))
        for stream in playbacks:
            if (group := _group_of(stream)) is not None:
                self._played[group].add(("sink", stream.sink))
        for recording in recordings:
            if (group := _group_of(recording)) is not None:
                self._next["source", recording.source] |= self._made[group] or self._played[group]
        for sink in sinks:
            if (group := _group_of(sink)) is not None:
                self._next["sink", sink.index] |= self._played[group] or self._made[group]

    def fed_from(self, source: int) -> frozenset[int]:
        """Indexes of the other sources that carry the sound of ``source``. Monitors of sinks are among them."""
        return frozenset(index for kind, index in self._reached({("source", source)}) if kind == "source") - {source}

    def sinks_behind(self, source: int) -> frozenset[int]:
        """Indexes of the sinks whose sound is that of ``source``, not only mixed into it through another sink."""
        sinks = [node for node in self._next if node[0] == "sink"]
        return frozenset(sink[1] for sink in sinks if ("source", source) in self._reached({sink}, through="source"))

    def listeners(self, source: int) -> tuple[str, ...]:
        """Names of the applications that hear ``source``, directly or through a chain, sorted.

        A stream that only hands the sound on is no listener. One that plays it to people is.
        """
        carriers = {source, *self.fed_from(source)}
        heard: set[str] = set()
        for carrier in carriers:
            direct = [r for r in self._recordings if not self._hands_on(r)]
            heard |= set(listening_applications(direct, carrier))
        return tuple(sorted(heard))

    def _hands_on(self, recording: SourceOutput) -> bool:
        """Nobody hears it unless somebody records from where it leads to."""
        group = _group_of(recording)
        if group is None or not (self._made[group] or self._played[group]):
            return False
        if self._made[group]:
            return True
        sinks = {index for kind, index in self._played[group] | self._reached(self._played[group]) if kind == "sink"}
        return not sinks & self._audible

    def _reached(self, start: set[_Node], through: str = "") -> set[_Node]:
        """Where the sound of ``start`` gets to, by nodes of the kind ``through`` alone if it is given."""
        reached: set[_Node] = set()
        waiting = list(start)
        while waiting:
            new = {n for n in self._next.get(waiting.pop(), set()) if n[0] == (through or n[0])} - reached
            reached |= new
            waiting += new
        return reached


def _group_of(thing: Any) -> _Group | None:
    """What makes streams, sources and sinks one: their module or link group. None for a program's own stream."""
    if getattr(thing, "client", NO_INDEX) != NO_INDEX:
        return None
    if "node.link-group" in thing.proplist:
        return "link-group", thing.proplist["node.link-group"]
    is_hardware = getattr(thing, "flags", 0) & _HARDWARE  # a card's sinks and sources have one module as well
    return ("module", thing.owner_module) if thing.owner_module != NO_INDEX and not is_hardware else None


def _is_audible(sink: Any) -> bool:
    """Whether people may hear it: a device or a network, not a sink that leads nowhere."""
    leads_nowhere = "null-sink" in (sink.driver or "") or "null-audio-sink" in sink.proplist.get("factory.name", "")
    return bool(sink.flags & (_HARDWARE | _NETWORK)) and not leads_nowhere
