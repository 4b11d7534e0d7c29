"""The part of the daemon's object that changes settings: put in force first, told to whoever listens, then stored."""

# No postponed annotations here: dbus-fast cannot read "None" as text.
from collections.abc import Callable
from dataclasses import replace

from dbus_fast import DBusError

from ..bus.session_bus import NOT_STORED
from ..errors import SettingsError
from ..i18n import _
from ..settings.file import SettingsFile
from ..settings.settings import Settings
from .controls import Controls
from .model_methods import ModelMethods


class StoredSettings(ModelMethods):
    """Used by the control thread alone."""

    def __init__(self, controls: Controls, store: SettingsFile, on_change: Callable[[], None]) -> None:
        """``on_change`` is called after each change of settings."""
        super().__init__(controls)
        self._store = store
        self._on_change = on_change

    def _change(self, **changes: object) -> None:
        before: Settings = self._settings
        self._put_in_force(**changes)
        self._save(before, replace(before, **changes))  # type: ignore[arg-type]

    def _put_in_force(self, **changes: object) -> None:
        """Change the settings until the daemon ends."""
        self._controls.apply(replace(self._settings, **changes))  # type: ignore[arg-type]
        self.look()
        self._on_change()

    def _save(self, before: Settings, after: Settings) -> None:
        """Store what differs. D-Bus error if that fails."""
        try:
            self._store.save(before, after)
        except SettingsError as error:
            sentence = _("it is done, but will be forgotten when the daemon ends: {error}")
            raise DBusError(NOT_STORED, sentence.format(error=error)) from error
