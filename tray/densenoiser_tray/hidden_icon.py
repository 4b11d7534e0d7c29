"""No icon at all: the tray's process holds the shortcuts where no panel shows icons."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .menu import Action, Menu
from .status import Condition


class HiddenIcon:
    """A ``PanelIcon`` that shows nothing."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def run(self, click: Callable[[Action], None]) -> None:
        """Wait for ``stop``. Main thread only; signal handlers run meanwhile."""
        self._stopped.wait()

    def show(self, condition: Condition, title: str, items: Menu) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Let ``run`` return. Any thread, and signal handlers."""
        self._stopped.set()
