"""How much noise may be removed: the attenuation limit, dB. Light, for those who need no model."""

from __future__ import annotations

import math
from gettext import gettext as _

FULL_STRENGTH = math.inf


def mask_floor(strength_db: float) -> float:
    """The share of the input that always passes, linear: 10^(-strength/20). ValueError below 0 dB or for NaN."""
    if not strength_db >= 0:
        raise ValueError(_("strength must be 0 dB or more, is {value}").format(value=strength_db))
    return math.pow(10.0, -strength_db / 20.0)


def parse_strength(text: str) -> float:
    """What people type, "full" or a number of decibels ("12", "12 dB"), as ``strength_db``; ValueError otherwise."""
    word = text.strip().lower()
    if word == "full":
        return FULL_STRENGTH
    try:
        strength_db = float(word.removesuffix("db"))
        mask_floor(strength_db)
    except ValueError as error:
        raise ValueError(
            _('strength must be "full" or a number of dB from 0 up, is {text!r}').format(text=text)
        ) from error
    return strength_db
