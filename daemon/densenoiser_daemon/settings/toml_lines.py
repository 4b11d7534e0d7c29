"""Finds the line of each key in a TOML file, for messages about its faults."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

Key = tuple[str, ...]
"""The way to a value through the tables of the file."""

# What can hide or hold a line's end: strings, comments, brackets. Multi-line strings may end in up to five quotes.
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?!")'
    r"|'''.*?'''(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[\]{}\n]",
    re.DOTALL,
)


def key_lines(text: str) -> dict[Key, int]:
    """The first line, from 1, of each key of ``text``, which is valid TOML; keys of tables in tables are left out.

    One pass: each statement is parsed once and alone.
    """
    lines: dict[Key, int] = {}
    header: Key = ()
    for line, statement in _statements(text):
        found: Any = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            header = ()
        for part in reversed(header):
            found = {part: found}
        for name, value in found.items():
            lines.setdefault((name,), line)
            for inner in value if isinstance(value, dict) else ():
                lines.setdefault((name, inner), line)
        if statement.lstrip().startswith("["):
            header = _header_keys(found)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each table header and each key with its value, and the line that it begins on."""
    line, start, begins, depth = 1, 0, 1, 0
    for token in _TOKEN.finditer(text + "\n"):
        if token[0] in ("[", "{"):
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
        line += token[0].count("\n")
        if token[0] == "\n" and depth == 0:
            if text[start : token.start()].strip():
                yield begins, text[start : token.end()]
            start, begins = token.end(), line


def _header_keys(table: Any) -> Key:
    """The names that a header alone gives rise to."""
    way: Key = ()
    while isinstance(table, dict) and table:
        ((name, table),) = table.items()
        way = (*way, name)
    return way
