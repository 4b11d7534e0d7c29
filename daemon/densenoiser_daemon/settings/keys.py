"""What the settings file may say: its keys, and what each may hold."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType
from typing import Any

from densenoiser_models.provider import PROVIDERS
from densenoiser_models.strength import FULL_STRENGTH

from ..i18n import _
from .toml_lines import Key

FORMAT = 1
FULL = "full"
LONGEST_NAME = 1000
"""Characters of a microphone's or model's name or path, here and on D-Bus."""

_SHOWN = 80
_brief = reprlib.Repr()
_brief.maxstring = _SHOWN


def judge(table: dict[str, Any], is_newer: bool) -> Iterator[tuple[Key, Any, str | None]]:
    """Each key of the file with its value, or with what is wrong with it; unknown ones last."""
    for name, value in sorted(table.items(), key=lambda item: item[0] not in KNOWN):
        if name == "version":
            if type(value) is not int or value < 1:
                yield (name,), None, _("version must be {known}, is {value}").format(known=FORMAT, value=shown(value))
        elif name == "microphone_strengths":
            yield from _judge_strengths(value)
        elif name in _CHECKS:
            try:
                yield (name,), _CHECKS[name](value), None
            except ValueError as error:
                yield (name,), None, f"{name}: {error}"
        elif not is_newer:
            hint = _nearest(name, KNOWN)
            yield (name,), None, _("unknown key {key!r}; {hint}").format(key=name[:_SHOWN], hint=hint)


def _judge_strengths(value: Any) -> Iterator[tuple[Key, Any, str | None]]:
    if not isinstance(value, dict):
        fault = _("microphone_strengths: must be a table of source names and strengths, is {value}")
        yield ("microphone_strengths",), None, fault.format(value=shown(value))
        return
    strengths: dict[str, float] = {}
    for microphone, strength in value.items():
        try:
            strengths[microphone] = _parse_strength(strength)
        except ValueError as error:
            yield ("microphone_strengths", microphone), None, f"microphone_strengths.{microphone[:_SHOWN]}: {error}"
    yield ("microphone_strengths",), MappingProxyType(strengths), None


def _parse_strength(value: object) -> float:
    """dB for a number from 0 up or "full"; ValueError otherwise."""
    if value == FULL:
        return FULL_STRENGTH
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        fault = _("must be a number of dB from 0 up, or {full!r}; is {value}")
        raise ValueError(fault.format(full=FULL, value=shown(value)))
    try:
        return float(value)
    except OverflowError:
        return FULL_STRENGTH


def _parse_switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(_("must be true or false, is {value}").format(value=shown(value)))
    return value


def _parse_name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise ValueError(_("must be a name in quotes, is {value}").format(value=shown(value)))
    return value


def _parse_provider(value: object) -> str:
    if value not in PROVIDERS:
        fault = _("must be one of {known}; is {value}; {hint}")
        hint = _nearest(str(value), PROVIDERS)
        raise ValueError(fault.format(known=", ".join(PROVIDERS), value=shown(value), hint=hint))
    return str(value)


_CHECKS: dict[str, Callable[[object], object]] = {
    "enabled": _parse_switch,
    "muted": _parse_switch,
    "strength_db": _parse_strength,
    "microphone": _parse_name,
    "model": _parse_name,
    "provider": _parse_provider,
}
KNOWN = ("version", "microphone_strengths", *_CHECKS)


def shown(value: object) -> str:
    """``value`` as Python writes it, cut short in the middle: what is faulty may be long as well."""
    try:
        return _brief.repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return _("a number too long to show")


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word[:_SHOWN], list(known), n=1, cutoff=0.0)
    return _("did you mean {nearest!r}?").format(nearest=near[0]) if near else ""
