"""Preferences of tray and window: what is not the daemon's business."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gi.repository import Adw

from densenoiser_tray import autostart, preferences, programs
from densenoiser_tray.i18n import _

from .keys import Shortcuts
from .rows import ChoiceRow, SwitchRow

_LANGUAGES = {"en": "English", "ru": "Русский"}


class Preferences(Adw.PreferencesWindow):  # type: ignore[misc]
    """Shows what is, and changes it at once."""

    def __init__(self, parent: Any) -> None:
        super().__init__(transient_for=parent, modal=True, search_enabled=False, title=_("Preferences"))
        self.set_default_size(460, 600)
        login = SwitchRow(
            _("Start at login"), _("The daemon, and the icon on the panel"), lambda on: self._do(_start_at_login, on)
        )
        login.show(autostart.is_on())
        told = SwitchRow(
            _("Notifications"), _("When noise is not removed"), lambda on: self._do(preferences.set_notifications, on)
        )
        told.show(preferences.has_notifications())
        language = ChoiceRow(_("Language of tray and window"), lambda code: self._do(preferences.set_language, code))
        language.show({"": _("As the desktop"), **_LANGUAGES}, preferences.language())
        language.set_subtitle(_("From the next start on"))
        page = Adw.PreferencesPage()
        group = Adw.PreferencesGroup()
        for row in (login.row, told.row, language):
            group.add(row)
        page.add(group)
        page.add(Shortcuts(self._tell))
        self.add(page)

    def _do(self, change: Any, value: Any) -> None:
        try:
            change(value)
        except OSError as error:
            self._tell(f"{error.filename}: {error.strerror}")

    def _tell(self, words: str) -> None:
        self.add_toast(Adw.Toast(title=words, timeout=8))


def _start_at_login(wanted: bool) -> None:
    autostart.switch(wanted, programs.find("densenoiser-tray") or Path("densenoiser-tray"))
