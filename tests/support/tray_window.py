"""An old panel for tests: a window that owns the system tray of an X display and notes what docks in it (XEmbed)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from Xlib import X, display


class TrayWindow:
    """Owns the selection while it lives; asked by the test, it looks into its events."""

    def __init__(self, screen: display.Display) -> None:
        self._display = screen
        self._opcode = screen.intern_atom("_NET_SYSTEM_TRAY_OPCODE")
        root = screen.screen().root
        self._window = root.create_window(0, 0, 1, 1, 0, screen.screen().root_depth)
        self._window.set_selection_owner(
            screen.intern_atom(f"_NET_SYSTEM_TRAY_S{screen.get_default_screen()}"), X.CurrentTime
        )
        screen.sync()
        self._docked = 0

    def docked(self) -> int:
        """How many icons asked to be taken in so far."""
        while self._display.pending_events():
            event = self._display.next_event()
            if event.type == X.ClientMessage and event.client_type == self._opcode:
                self._docked += 1
        return self._docked

    def names(self) -> list[str]:
        """The names of all windows on the display."""
        return [name for child in self._window.query_tree().root.query_tree().children if (name := child.get_wm_name())]


@contextlib.contextmanager
def tray_window(name: str) -> Iterator[TrayWindow]:
    """A tray on the display of this name, such as ":100"."""
    screen = display.Display(name)
    try:
        yield TrayWindow(screen)
    finally:
        screen.close()
