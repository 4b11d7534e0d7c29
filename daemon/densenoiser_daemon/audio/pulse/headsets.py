"""Bluetooth headsets in a profile for listening only: they have no microphone until the profile changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..backend import Headset

_CARD_PREFIX = "bluez_card."


def silent_headsets(cards: Iterable[Any]) -> tuple[Headset, ...]:
    """Of the server's cards, the headsets that could have a microphone and have none now."""
    found = []
    for card in cards:
        active = card.profile_active
        talking = [
            p
            for p in card.profile_list
            if p.available and p.n_sources and ("headset" in p.name or "handsfree" in p.name)
        ]
        if card.name.startswith(_CARD_PREFIX) and talking and active is not None and not active.n_sources:
            best = max(talking, key=lambda profile: profile.priority)
            description = card.proplist.get("device.description", card.name)
            found.append(Headset(card.name, description, active.description, active.name, best.name))
    return tuple(found)
