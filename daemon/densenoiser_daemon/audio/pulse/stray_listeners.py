"""Brings back applications that the sound server moved from the virtual microphone to a physical one unasked."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Collection, Sequence

import pulsectl

from ..backend import Microphone
from .virtual_microphone import SOURCE_NAME

log = logging.getLogger(__name__)

_WATCH_SECONDS = 2.0
"""How long after a change of the sources or the default the server may still move streams."""
_PRETENCE_SECONDS = 1.0
"""How long pipewire-pulse lists a stream where we asked it to be, wherever it is."""


class StrayListeners:
    """Remembers who listens, and moves back those that left without anybody's wish.

    PulseAudio and WirePlumber take an application on the default source for a follower of the default, even if it asked
    for the source by name. When the default changes, they move it along.

    ======================================== ===================================== ======================================
    situation                                what the server does                  what we do
    ======================================== ===================================== ======================================
    The last microphone was unplugged, and   makes ours the default; with the next move all listeners back
    ours is the only source.                 microphone, moves them to it
    Somebody made ours the default while     moves all listeners with the next     move back those that listened before;
    there were microphones.                  change of the default                 the others followed the user's wish
    A microphone is plugged in while ours    may make it the default, and moves    move all listeners back
    is the default by somebody's wish.       all listeners to it
    Ours was away: somebody unloaded it, or  puts its clients on a microphone,     move back those that listened, and
    pipewire-pulse crashed.                  and leaves them there                 those that name ours as their target
    ======================================== ===================================== ======================================
    """

    def __init__(self) -> None:
        self._is_new = False
        self._server: int | None = None
        self._listeners: set[int] = set()
        self._listeners_before_wish: set[int] = set()
        self._places: set[tuple[str, int]] | None = None
        self._default = ""
        self._is_wished = self._is_wish_in_force = False
        self._changed_at = -math.inf
        self._until = 0.0
        self._sent_along: dict[int, float] = {}

    def follow(self, server: int, is_new: bool) -> None:
        """A connection begins. ``server`` is the cookie of the server: another one has other streams.

        ``is_new``: the virtual microphone was away. Its listeners, and streams that name it as their target, belong to it.
        """
        if server != self._server:
            self.__init__()  # type: ignore[misc]
        self._server, self._is_new = server, is_new
        self._sent_along.clear()
        self._until = time.monotonic() + _WATCH_SECONDS

    def bring_back(
        self,
        pulse: pulsectl.Pulse,
        outputs: Collection[pulsectl.PulseSourceOutputInfo],
        own: int,
        default: str,
        microphones: Sequence[Microphone],
    ) -> bool:
        """After each change of ``microphones``, ``default`` or ``outputs``; ``own`` is the index of our own source.

        Of those it brings back, ``source`` is ``own`` afterwards. True if it brought any back while ours was the default
        source: the server takes this for the wish to follow the default, whichever that is or will be.
        """
        now = time.monotonic()
        places = {(m.name, m.index) for m in microphones}
        if places != self._places or default != self._default:
            if self._places not in (None, places):
                self._changed_at = now
            if default == SOURCE_NAME and self._default != SOURCE_NAME:
                # Right after a change of the sources it was the server that elected ours, not the user.
                self._is_wished = bool(places) and now - self._changed_at > _WATCH_SECONDS
                self._listeners_before_wish = self._listeners
            is_election = default != SOURCE_NAME and now - self._changed_at <= _WATCH_SECONDS
            self._is_wish_in_force = self._is_wished and SOURCE_NAME in (default, self._default) and not is_election
            self._until = now + _WATCH_SECONDS
            self._places, self._default = places, default
        if self._is_new:
            self._is_new = self._is_wished = self._is_wish_in_force = False
            self._listeners |= {o.index for o in outputs if o.proplist.get("target.object") == SOURCE_NAME}
        physical = {m.index for m in microphones}
        ours = (
            set() if now >= self._until else self._listeners_before_wish if self._is_wish_in_force else self._listeners
        )
        for output in outputs:
            if output.index in ours and (output.source in physical or self._is_pretended(output.index, default, now)):
                try:
                    pulse.source_output_move(output.index, own)
                    output.source = own
                    log.info("%r was moved to another microphone; moved it back", output.name)
                except pulsectl.PulseError as error:  # it may have ended meanwhile
                    log.warning("cannot move %r back to the virtual microphone: %s", output.name, error)
                self._sent_along.pop(output.index, None)
                if default == SOURCE_NAME:
                    self._sent_along[output.index] = now
        here = {o.index for o in outputs}
        self._listeners = (self._listeners & ours & here) | {o.index for o in outputs if o.source == own}
        self._listeners_before_wish = self._listeners_before_wish & self._listeners
        self._sent_along = {index: when for index, when in self._sent_along.items() if index in here}
        return now in self._sent_along.values()

    def _is_pretended(self, output: int, default: str, now: float) -> bool:
        """It was brought back while ours was the default, which another one is now: it went there, and is listed here."""
        return default != SOURCE_NAME and now - self._sent_along.get(output, -math.inf) < _PRETENCE_SECONDS
