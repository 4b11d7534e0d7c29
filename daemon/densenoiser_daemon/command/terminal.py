"""Prints results on standard output: lines, JSON, tables of columns."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Sequence

from densenoiser_models.shown_text import one_line, safe_json


def say(text: str, sign: str = "") -> None:
    """One line, written at once, whatever foreign names are in it. ``sign``, which may be coloured, comes before it."""
    _write(f"{sign} {one_line(text)}" if sign else one_line(text))


def say_json(value: object, indent: int | None = 2) -> None:
    """``value`` as indented JSON, or in one line."""
    _write(safe_json(value, indent))


def say_table(rows: Iterable[Sequence[str]]) -> None:
    """Rows of equally many cells, in columns as wide as their widest cell. Nothing for no rows."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    if not cells:
        return
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def complain(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"{one_line(text)}\n")


def spell_what_cannot_be_written() -> None:
    """Let a name in letters that the terminal's encoding lacks be spelled, such as ``\\u043c``, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Let what is still buffered go nowhere, where standard output takes no more: else the interpreter's last flush fails."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
