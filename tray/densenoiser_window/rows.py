"""Rows with a control, as the pages use them. Showing what is changes nothing."""

from __future__ import annotations

from typing import Any

from gi.repository import Adw, Gtk


class SwitchRow:
    """A row with a switch."""

    def __init__(self, title: str, subtitle: str, change: Any) -> None:
        self._switch = Gtk.Switch(valign=Gtk.Align.CENTER)
        self._is_showing = False
        self.row = row(title, self._switch, subtitle)
        self.row.set_activatable_widget(self._switch)
        self._switch.connect("notify::active", lambda *_: self._is_showing or change(self._switch.get_active()))

    def show(self, is_on: bool) -> None:
        """Shows what is."""
        self._is_showing = True
        self._switch.set_active(is_on)
        self._is_showing = False


class ChoiceRow(Adw.ComboRow):  # type: ignore[misc]
    """A row that opens a list of names."""

    def __init__(self, title: str, change: Any) -> None:
        super().__init__(title=title, use_subtitle=False)
        self._change = change
        self._keys: list[str] = []
        self._labels: list[str] = []
        self._is_showing = False
        self.connect("notify::selected", lambda *_: self._on_selected())

    def show(self, labels: dict[str, str], chosen: str) -> None:
        """Offers ``labels`` by their keys. Nothing is changed by that."""
        self._is_showing = True
        if (list(labels), list(labels.values())) != (self._keys, self._labels):
            self._keys, self._labels = list(labels), list(labels.values())
            self.set_model(Gtk.StringList.new(self._labels))
        if chosen in self._keys:
            self.set_selected(self._keys.index(chosen))
        self._is_showing = False

    def _on_selected(self) -> None:
        place = self.get_selected()
        if not self._is_showing and place < len(self._keys):
            self._change(self._keys[place])


def row(title: str, control: Any, subtitle: str = "") -> Any:
    """A row with a control at its end."""
    row = Adw.ActionRow(title=title, subtitle=subtitle)
    row.add_suffix(control)
    return row
