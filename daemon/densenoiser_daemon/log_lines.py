"""The daemon's log on standard error. A foreign name in it can neither forge a line nor control the terminal."""

from __future__ import annotations

import logging
from types import TracebackType

from densenoiser_models.shown_text import one_line

ErrorInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


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


def log_to_standard_error(level: int) -> None:
    """Show what this process logs from ``level`` up."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogLines())
    logging.basicConfig(level=level, handlers=[handler])
