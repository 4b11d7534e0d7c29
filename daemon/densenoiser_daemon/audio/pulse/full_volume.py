"""Volumes: what is ours is held at full volume, and what a user turned down is told."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pulsectl

FAINT_DB = -12.0
"""Below this the virtual microphone counts as turned down: applications that set volumes themselves seldom go so far."""
_FULL_DB = -0.1


def hold(pulse: pulsectl.Pulse, ours: Iterable[Any]) -> None:
    """Turn up and unmute sinks, sources and streams that are ours.

    The server restores volumes of streams by name, so one click in a mixer would silence every call to come.
    """
    for thing in ours:
        try:
            if thing.mute:
                pulse.mute(thing, False)
            if not _FULL_DB < volume_db(thing) < -_FULL_DB:
                pulse.volume_set_all_chans(thing, 1.0)
        except pulsectl.PulseError:  # it may have ended meanwhile
            continue


def volume_db(thing: Any) -> float:
    """Volume of the loudest channel of a sink, source or stream, dB; -inf at the bottom.

    The server's volumes are cubic: 0.5 is -18 dB (``pa_sw_volume_to_dB`` of libpulse).
    """
    volume = max(thing.volume.values, default=1.0)
    return 60.0 * math.log10(volume) if volume > 0.0 else -math.inf
