"""Names for those who do not see: each control says what it is."""

from __future__ import annotations

from typing import Any

from gi.repository import Gtk


def name(widget: Any, words: str) -> None:
    """``widget`` is called ``words`` on the accessibility bus."""
    widget.update_property([Gtk.AccessibleProperty.LABEL], [words])
