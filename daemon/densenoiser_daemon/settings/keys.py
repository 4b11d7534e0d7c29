"""Reads the keys of the settings file by the declarations of the settings, and names what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

from ..i18n import _
from .settings import TABLES, declared
from .toml_lines import Key
from .values import SHOWN, nearest, shown

FORMAT = 1
"""The version of the file that this program writes."""
KNOWN = ("version", *declared())


def judge(table: dict[str, Any], is_newer: bool) -> Iterator[tuple[Key, Any, str | None]]:
    """Each key of the file with its value, or with what is wrong with it; unknown keys last."""
    for name, value in sorted(table.items(), key=lambda item: item[0] not in KNOWN):
        if name == "version":
            if type(value) is not int or value < 1:
                yield (name,), None, _("version must be {known}, is {value}").format(known=FORMAT, value=shown(value))
        elif name in TABLES:
            yield from _judge_table(name, value)
        elif name in KNOWN:
            try:
                yield (name,), _parser(name)(value), None
            except ValueError as error:
                yield (name,), None, f"{name}: {error}"
        elif not is_newer:
            hint = nearest(name, KNOWN)
            yield (name,), None, _("unknown key {key!r}; {hint}").format(key=name[:SHOWN], hint=hint)


def _judge_table(name: str, value: Any) -> Iterator[tuple[Key, Any, str | None]]:
    if not isinstance(value, dict):
        fault = _("{name}: must be a table of source names and values, is {value}")
        yield (name,), None, fault.format(name=name, value=shown(value))
        return
    parsed: dict[str, Any] = {}
    for key, item in value.items():
        try:
            parsed[key] = _parser(name)(item)
        except ValueError as error:
            yield (name, key), None, f"{name}.{key[:SHOWN]}: {error}"
    yield (name,), MappingProxyType(parsed), None


def _parser(name: str) -> Callable[[object], Any]:
    parse: Callable[[object], Any] = declared()[name]["parse"]
    return parse
