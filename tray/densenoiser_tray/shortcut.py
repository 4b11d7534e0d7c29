"""The four shortcuts: their names, which desktops and settings remember, and the words for people."""

from __future__ import annotations

from enum import StrEnum

from .i18n import _


class Shortcut(StrEnum):
    """A key from anywhere on the desktop."""

    TOGGLE = "toggle"
    MUTE = "mute"
    PUSH_TO_TALK = "push-to-talk"
    PUSH_TO_MUTE = "push-to-mute"

    @property
    def words(self) -> str:
        """What it does, in the user's language."""
        return {
            Shortcut.TOGGLE: _("Switch noise removal on or off"),
            Shortcut.MUTE: _("Mute or unmute"),
            Shortcut.PUSH_TO_TALK: _("Push to talk: heard while the key is held"),
            Shortcut.PUSH_TO_MUTE: _("Push to mute: silent while the key is held"),
        }[self]


def known(name: str) -> Shortcut | None:
    """The shortcut of this name."""
    return Shortcut(name) if name in set(Shortcut) else None
