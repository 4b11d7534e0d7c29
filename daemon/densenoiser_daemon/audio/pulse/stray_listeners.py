"""Applications that the sound server moves from the virtual microphone to the physical one, without anybody wanting it."""

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
"""How long after a change of the sources or the default those who follow it may still be on their way."""


class StrayListeners:
    """Brings back the applications that the server takes for followers of the default source.

    For the moment that no microphone is plugged in, the virtual one is the only source, and so the server makes it the
    default one. From then on both PulseAudio and WirePlumber take whoever records from it for a follower of the default,
    even who asked for it by name: with the next microphone that is plugged in, they would go on with its raw sound. Where
    somebody made the virtual microphone the default while there were others, a change of it is a wish too, for those who
    came meanwhile; who recorded from it before that asked for it by name, and both servers take them along all the same.

    PipeWire also puts its own clients on the physical microphone while the virtual one is away, as after a crash of
    pipewire-pulse, and leaves them there.
    """

    def __init__(self, is_new: bool = False) -> None:
        """``is_new``: the virtual microphone was away; who asked for it by name belongs to it."""
        self._is_new = is_new
        self._listeners: set[int] = set()
        self._by_name: set[int] = set()
        self._places: set[tuple[str, int]] | None = None
        self._default = ""
        self._is_wished = self._is_wish = False
        self._changed_at = -math.inf
        self._until = 0.0

    def bring_back(
        self,
        pulse: pulsectl.Pulse,
        outputs: Collection[pulsectl.PulseSourceOutputInfo],
        own: int,
        default: str,
        microphones: Sequence[Microphone],
    ) -> None:
        """After each change of ``microphones``, ``default`` or ``outputs``; ``own`` is the index of our own source.

        Of those it brings back, ``source`` is ``own`` afterwards.
        """
        now = time.monotonic()
        places = {(m.name, m.index) for m in microphones}
        if places != self._places or default != self._default:
            if self._places not in (None, places):
                self._changed_at = now
            if default == SOURCE_NAME and self._default != SOURCE_NAME:
                # Else the server elected ours when another went, as WirePlumber may do even while there are others.
                self._is_wished = bool(places) and now - self._changed_at > _WATCH_SECONDS
                self._by_name = self._listeners
            self._is_wish = self._is_wished and SOURCE_NAME in (default, self._default)
            self._until = now + _WATCH_SECONDS
            self._places, self._default = places, default
        if self._is_new:
            self._is_new = False
            self._listeners = {o.index for o in outputs if o.proplist.get("target.object") == SOURCE_NAME}
        physical = {m.index for m in microphones}
        ours = set() if now >= self._until else self._by_name if self._is_wish else self._listeners
        for output in outputs:
            if output.index in ours and output.source in physical:
                try:
                    pulse.source_output_move(output.index, own)
                    output.source = own
                    log.info("%r was moved to another microphone; moved it back", output.name)
                except pulsectl.PulseError as error:  # it may have ended meanwhile
                    log.warning("cannot move %r back to the virtual microphone: %s", output.name, error)
        here = {o.index for o in outputs}
        self._listeners = (self._listeners & ours & here) | {o.index for o in outputs if o.source == own}
        self._by_name = self._by_name & self._listeners
