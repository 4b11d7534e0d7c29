"""What dbus-fast leaves behind when a bus ends: errors of each message that was on its way, which are no news."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

LOST = (OSError, EOFError)
"""What the calls to a bus raise that has ended."""


def keep_out_of_the_log() -> None:
    """Let nothing of it be logged by dbus-fast or the running loop; who owns the connection says once that it is lost."""
    asyncio.get_running_loop().set_exception_handler(_report)
    for name in ("message_bus", "aio.message_bus", "aio.message_reader", "send_reply"):
        logging.getLogger(f"dbus_fast.{name}").addFilter(_is_news)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), LOST):
        loop.default_exception_handler(context)


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], LOST))
