"""Makes foreign text safe to show: names of devices and applications, and errors, in menu, notification and log."""

from __future__ import annotations

import logging
import re
from types import TracebackType

_GAPS = re.compile(r"[^\S ]+")
"""White space other than the plain space: it would begin a line."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, what turns the writing direction of all that follows, and halves of characters."""
ErrorInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def one_line(text: object) -> str:
    """``text`` in one line that controls nothing: gaps of any kind are a space, controls are spelled, such as ``\\x1b``."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), _GAPS.sub(" ", str(text)))


def without_markup(text: str) -> str:
    """``text`` for a reader of markup, such as a notification service: it shows the text as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class LogLines(logging.Formatter):
    """A line a record. The lines of a traceback follow it, each made safe by itself."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (as the base class has it)
        """The record's own line."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: ErrorInfo) -> str:  # noqa: N802  (as the base class has it)
        """The traceback."""
        return "\n".join(one_line(line) for line in super().formatException(ei).split("\n"))
