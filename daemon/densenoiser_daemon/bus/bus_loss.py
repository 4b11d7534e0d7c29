"""Silences the errors that dbus-fast logs for every message in flight when the bus goes away."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

LOST = (OSError, EOFError)
"""What a call raises when its bus has ended."""


def keep_out_of_the_log() -> None:
    """Keep these errors out of dbus-fast's log and the running loop's. The connection's owner says once that it is lost."""
    asyncio.get_running_loop().set_exception_handler(_report)
    for name in ("message_bus", "aio.message_bus", "aio.message_reader", "send_reply"):
        logging.getLogger(f"dbus_fast.{name}").addFilter(_is_not_bus_loss)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), LOST):
        loop.default_exception_handler(context)


def _is_not_bus_loss(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], LOST))
