"""The page to choose on: every control shows what the daemon has, and changes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gi.repository import Adw, Gtk

from densenoiser_tray.i18n import _
from densenoiser_tray.menu import headline, microphone_labels, model_label, strength_label
from densenoiser_tray.status import Condition, DaemonSnapshot

from .accessible import name
from .daemon import Daemon
from .remedy import Remedy
from .rows import ChoiceRow, SwitchRow, row

_STRONGEST_DB = 40.0
"""The slider's right end: there the strength is full."""


class Home(Adw.PreferencesPage):  # type: ignore[misc]
    """Follows ``daemon``."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__()
        self._daemon = daemon
        self._is_showing = False
        self._status = Adw.ActionRow(title_lines=2, subtitle_lines=2)
        self._listeners = Adw.ActionRow(title=_("Listening"))
        self._delay = Adw.ActionRow(title=_("Delay"))
        self._trouble = Remedy(daemon)
        self._enabled = self._switch(_("Remove noise"), _("Off: programs hear the microphone as it is"), "Enabled")
        self._muted = self._switch(_("Mute"), _("Programs hear silence"), "Muted")
        self._default = self._switch(
            _("Use as the default microphone"), _("For programs in which nothing else is chosen"), "Default"
        )
        self._strength = Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0.0, _STRONGEST_DB, 1.0)
        self._strength.set_size_request(180, -1)
        self._strength.connect("value-changed", lambda *_: self._change_strength())
        self._strength_row = row(_("Strength"), self._strength)
        name(self._strength, _("Strength"))
        self._microphones = ChoiceRow(_("Microphone"), lambda chosen: self._change("Microphone", "s", chosen))
        self._models = ChoiceRow(_("Filter"), lambda chosen: self._change("Model", "s", chosen))
        self._groups(
            (None, (self._status, *self._trouble.rows)),
            (None, (self._enabled.row, self._muted.row, self._strength_row)),
            (None, (self._microphones, self._models, self._default.row)),
            (_("Now"), (self._listeners, self._delay)),
        )
        daemon.connect("changed", lambda *_: self._show())
        # Another page may be looked at: each new text has the whole window laid out anew.
        daemon.connect("levels", lambda *_: self._show_delay() if self.get_mapped() else None)
        self.connect("map", lambda *_: self._show_delay())
        self._show()

    def _groups(self, *groups: tuple[str | None, Sequence[Any]]) -> None:
        for title, rows in groups:
            group = Adw.PreferencesGroup(title=title or "")
            for part in rows:
                group.add(part)
            self.add(group)

    def _switch(self, title: str, subtitle: str, wanted: str) -> SwitchRow:
        return SwitchRow(title, subtitle, lambda is_on: self._change(wanted, "b", is_on))

    def _show(self) -> None:
        snapshot = self._daemon.snapshot
        if not snapshot.is_running:
            return
        self._is_showing = True
        self._status.set_title(headline(snapshot))
        self._status.set_icon_name(_icon(snapshot))
        self._trouble.show(snapshot)
        self._enabled.show(snapshot.enabled)
        self._muted.show(snapshot.muted)
        self._default.show(snapshot.is_wished_default)
        self._strength.set_value(min(snapshot.strength_db, _STRONGEST_DB))
        self._strength_row.set_subtitle(strength_label(snapshot.strength_db))
        self._microphones.show(microphone_labels(snapshot), snapshot.microphone)
        self._models.show(
            {n: model_label(n) for n in dict.fromkeys((*snapshot.models, snapshot.model))}, snapshot.model
        )
        nobody = _("You alone") if self._daemon.listening else _("Nobody: the microphone is released")
        self._listeners.set_subtitle(", ".join(snapshot.listeners) or nobody)
        self._show_delay()
        self._is_showing = False

    def _show_delay(self) -> None:
        filter_ms = self._daemon.value("AlgorithmicLatency", 0.0)
        transport_ms = self._daemon.value("TransportLatency", 0.0)
        text = _("{filter:.0f} ms in the filter").format(filter=filter_ms)
        if transport_ms:
            text = _("{all:.0f} ms, {filter:.0f} of them in the filter").format(
                all=filter_ms + transport_ms, filter=filter_ms
            )
        self._delay.set_subtitle(text)

    def _change(self, wanted: str, signature: str, value: Any) -> None:
        if not self._is_showing:
            self._daemon.set(wanted, signature, value)

    def _change_strength(self) -> None:
        position = self._strength.get_value()
        strength = math.inf if position >= _STRONGEST_DB else position
        self._strength_row.set_subtitle(strength_label(strength))
        self._change("Strength", "d", strength)


def _icon(snapshot: DaemonSnapshot) -> str:
    return {
        Condition.TROUBLE: "dialog-warning-symbolic",
        Condition.MUTED: "microphone-disabled-symbolic",
        Condition.OFF: "microphone-sensitivity-high-symbolic",
        Condition.IDLE: "microphone-sensitivity-muted-symbolic",
    }.get(snapshot.condition, "audio-input-microphone-symbolic")
