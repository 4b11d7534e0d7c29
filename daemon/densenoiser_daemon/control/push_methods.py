"""The part of the daemon's object that is about keys held down: the microphone is open, or muted, for as long as they are."""
# ruff: noqa: N802  (names as D-Bus has them)

import logging

# No postponed annotations here: dbus-fast cannot read "None" as text.
from collections.abc import Callable
from dataclasses import replace

from dbus_fast import DBusError
from dbus_fast.annotations import DBusBool
from dbus_fast.service import dbus_method

from ..settings.file import SettingsFile
from .controls import Controls
from .stored_settings import StoredSettings

log = logging.getLogger(__name__)

TALK = "talk"
MUTE = "mute"


class PushMethods(StoredSettings):
    """Used by the control thread alone.

    Presses are put in force and not stored: storing takes longer than the press may. What is left after the last
    release is stored if it differs from what was stored before.
    """

    def __init__(
        self,
        controls: Controls,
        store: SettingsFile,
        on_change: Callable[[], None],
        caller: Callable[[], str],
        follow: Callable[[bool], None],
    ) -> None:
        """``caller`` names who calls; ``follow`` is told whether the caller holds a key, and its end comes to ``lose``."""
        super().__init__(controls, store, on_change)
        self._caller = caller
        self._follow = follow
        self._held: set[tuple[str, str]] = set()
        """Callers and keys."""
        self._rest = False
        """While a key is held: whether it is muted when all are released."""
        self._stored = False
        """While a key is held: whether it was muted before."""

    @dbus_method()
    def PushToTalk(self, pressed: DBusBool) -> None:
        """Unmute for as long as a key is pressed. Its release mutes, and so does the caller's end. Presses are not stored."""
        self._turn(TALK, pressed)

    @dbus_method()
    def PushToMute(self, pressed: DBusBool) -> None:
        """Mute for as long as a key is pressed. Its release undoes that; the caller's end does not. Presses are not stored."""
        self._turn(MUTE, pressed)

    def lose(self, caller: str = "") -> None:
        """A caller has left the bus, by default all have. With keys held it leaves the microphone muted."""
        lost = {held for held in self._held if caller in ("", held[0])}
        if not lost:
            return
        self._held -= lost
        self._rest = True
        try:
            self._settle()
        except DBusError as error:  # nobody is there to be told
            log.warning("%s", error.text)

    def _turn(self, key: str, pressed: bool) -> None:
        caller = self._caller()
        if not self._held:
            self._rest = self._stored = self._settings.muted
        if key == TALK:
            self._rest = True
        if pressed:
            self._held.add((caller, key))
        else:
            self._held.discard((caller, key))
        self._follow(any(name == caller for name, _key in self._held))
        self._settle()

    def _settle(self) -> None:
        """Put in force what the held keys say. Without any, store what is left."""
        keys = {key for _caller, key in self._held}
        self._put_in_force(muted=MUTE in keys or (TALK not in keys and self._rest))
        if not keys:
            self._save(replace(self._settings, muted=self._stored), self._settings)

    def _set_muted(self, wanted: bool) -> None:
        """Mute or unmute and store it. Held keys have no say any longer."""
        stored = self._stored if self._held else self._settings.muted
        self._held.clear()
        self._put_in_force(muted=wanted)
        self._save(replace(self._settings, muted=stored), self._settings)
