"""Checks single values of the settings file: each parser returns the value in force, or says what is wrong with it."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable

from densenoiser_models.arguments import PROVIDERS
from densenoiser_models.strength import FULL, FULL_STRENGTH, check

from ..i18n import _

LONGEST_NAME = 1000
"""Characters of a microphone's or model's name or path, here and on D-Bus."""
MOST_CHANNELS = 32
"""Channels of a source on PulseAudio (PA_CHANNELS_MAX)."""
SHOWN = 80
"""Characters of a faulty value that a message repeats."""

_brief = reprlib.Repr()
_brief.maxstring = SHOWN


def parse_switch(value: object) -> bool:
    """True or false. ValueError."""
    if not isinstance(value, bool):
        raise ValueError(_("must be true or false, is {value}").format(value=shown(value)))
    return value


def parse_strength(value: object) -> float:
    """dB for a number from 0 up or "full". ValueError."""
    if value == FULL:
        return FULL_STRENGTH
    try:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError
        return check(float(value))
    except OverflowError:
        return FULL_STRENGTH
    except (TypeError, ValueError):
        fault = _("must be a number of dB from 0 up, or {full!r}; is {value}")
        raise ValueError(fault.format(full=FULL, value=shown(value))) from None


def parse_channel(value: object) -> int:
    """The number of a channel, from 1. ValueError."""
    if type(value) is not int or not 1 <= value <= MOST_CHANNELS:
        raise ValueError(
            _("must be a channel from 1 to {most}, is {value}").format(most=MOST_CHANNELS, value=shown(value))
        )
    return value


def parse_name(value: object) -> str:
    """A printable name of at most LONGEST_NAME characters. ValueError."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise ValueError(_("must be a name in quotes, is {value}").format(value=shown(value)))
    return value


def parse_provider(value: object) -> str:
    """A name of PROVIDERS. ValueError."""
    if value not in PROVIDERS:
        fault = _("must be one of {known}; is {value}; {hint}")
        hint = nearest(str(value), PROVIDERS)
        raise ValueError(fault.format(known=", ".join(PROVIDERS), value=shown(value), hint=hint))
    return str(value)


def write_strength(strength_db: float) -> float | str:
    """The strength as the file has it: a number of dB, or "full"."""
    return FULL if strength_db == FULL_STRENGTH else strength_db


def shown(value: object) -> str:
    """``value`` as Python writes it, cut short in the middle: a faulty value may be long."""
    try:
        return _brief.repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return _("a number too long to show")


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the known word that is most like ``word``."""
    near = difflib.get_close_matches(word[:SHOWN], list(known), n=1, cutoff=0.0)
    return _("did you mean {nearest!r}?").format(nearest=near[0]) if near else ""
