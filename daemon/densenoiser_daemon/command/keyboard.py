"""Single keys from the terminal, while a command draws on it."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pressed_keys() -> Iterator[asyncio.Queue[str] | None]:
    """The keys that are pressed from now on, without Enter; None where standard input is no terminal.

    Inside a running event loop. Ctrl+C stays an interrupt. The terminal is as before afterwards.
    """
    if not sys.stdin.isatty():
        yield None
        return
    file, loop, keys = sys.stdin.fileno(), asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        text = os.read(file, 64).decode(errors="replace")
        if not text:  # the terminal is closed
            loop.remove_reader(file)
        for key in text:
            keys.put_nowait(key)

    before = termios.tcgetattr(file)
    tty.setcbreak(file)
    loop.add_reader(file, read)
    try:
        yield keys
    finally:
        loop.remove_reader(file)
        termios.tcsetattr(file, termios.TCSADRAIN, before)
