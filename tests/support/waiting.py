"""Waits for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float = 10.0, what: str = "the condition") -> None:
    """Poll until ``condition`` is true; TimeoutError naming ``what`` after ``seconds``. Be generous: machines get busy.

    A KeyError counts as false: a menu that is being replaced may lack the entry that is looked for.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
            seen = "it stayed false"
        except KeyError as error:
            seen = repr(error)
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}; {seen}")
        time.sleep(0.02)
