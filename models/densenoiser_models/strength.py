"""The strength of the filter, an attenuation limit in dB. This module imports fast, for programs that need no model."""

from __future__ import annotations

import math
from gettext import gettext as _

FULL_STRENGTH = math.inf
FULL = "full"
"""The word for FULL_STRENGTH in commands and in the settings file."""


def check(strength_db: float) -> float:
    """Returns ``strength_db`` unchanged. ValueError if it is below 0 dB or NaN."""
    if not strength_db >= 0:
        raise ValueError(_fault(strength_db))
    return strength_db


def mask_floor(strength_db: float) -> float:
    """The share of the input that always passes, linear, 10^(-strength/20). ValueError as in ``check``."""
    return math.pow(10.0, -check(strength_db) / 20.0)


def parse_strength(text: str) -> float:
    """Parses a strength in dB, written as "full", "12" or "12 dB". ValueError for anything else."""
    word = text.strip().lower()
    if word == FULL:
        return FULL_STRENGTH
    try:
        return check(float(word.removesuffix("db")))
    except ValueError as error:
        raise ValueError(_fault(repr(text))) from error


def _fault(value: object) -> str:
    return _(
        'strength must be "full" or a number of dB from 0 up (for example 12, gentle; 30, strong), is {value}'
    ).format(value=value)
