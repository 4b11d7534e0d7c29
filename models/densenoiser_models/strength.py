"""The strength of the filter: an attenuation limit in dB. Light to import, for programs that need no model."""

from __future__ import annotations

import math
from gettext import gettext as _

FULL_STRENGTH = math.inf
FULL = "full"
"""How people and the settings file write FULL_STRENGTH."""


def check(strength_db: float) -> float:
    """The same number. ValueError if it is below 0 dB or NaN."""
    if not strength_db >= 0:
        raise ValueError(_fault(strength_db))
    return strength_db


def mask_floor(strength_db: float) -> float:
    """The share of the input that always passes, linear: 10^(-strength/20). ValueError as ``check``."""
    return math.pow(10.0, -check(strength_db) / 20.0)


def parse_strength(text: str) -> float:
    """The strength in dB that people write as "full", "12" or "12 dB". ValueError for anything else."""
    word = text.strip().lower()
    if word == FULL:
        return FULL_STRENGTH
    try:
        return check(float(word.removesuffix("db")))
    except ValueError as error:
        raise ValueError(_fault(repr(text))) from error


def _fault(value: object) -> str:
    return _('strength must be "full" or a number of dB from 0 up, is {value}').format(value=value)
