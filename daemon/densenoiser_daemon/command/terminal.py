"""Prints results on standard output: lines, JSON, tables of columns."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence


def say(text: str) -> None:
    """One line, written at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_json(value: object) -> None:
    """``value`` as indented JSON."""
    say(json.dumps(value, ensure_ascii=False, indent=2))


def say_table(rows: Iterable[Sequence[str]]) -> None:
    """Rows of equally many cells, in columns as wide as their widest cell. Nothing for no rows."""
    cells = list(rows)
    if not cells:
        return
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
