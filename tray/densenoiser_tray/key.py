"""A key of the keyboard with its modifiers, as it is stored: "<Control><Alt>m"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from Xlib import XK, X

from .i18n import _

LONGEST_NAME = 100
_MODIFIERS = {
    "control": X.ControlMask,
    "ctrl": X.ControlMask,
    "primary": X.ControlMask,
    "alt": X.Mod1Mask,
    "shift": X.ShiftMask,
    "super": X.Mod4Mask,
}
_SHOWN = ((X.ControlMask, "Ctrl"), (X.Mod1Mask, "Alt"), (X.ShiftMask, "Shift"), (X.Mod4Mask, "Super"))
_PARTS = re.compile(r"((?:<[A-Za-z]+>)*)([A-Za-z0-9_]+)")
_ALONE = re.compile(r"F\d+|Pause|Scroll_Lock|Menu|XF86.*|(Control|Alt|Shift|Super)_[LR]")
"""Keys that write nothing and move nothing, so that they may be taken from all programs without a modifier."""

XK.load_keysym_group("xf86")


@dataclass(frozen=True, slots=True)
class Key:
    """What is pressed. ``modifiers`` are masks of X, ``symbol`` is X's number for the key."""

    modifiers: int
    symbol: int
    name: str

    @classmethod
    def parse(cls, text: str) -> Key:
        """From its stored form. ValueError, worded for people, for anything else."""
        if len(text) > LONGEST_NAME:
            raise ValueError(_("the name of a key has at most {most} characters").format(most=LONGEST_NAME))
        parts = _PARTS.fullmatch(text)
        if parts is None:
            raise ValueError(_('"{text}" is not a key; write it as in <Control><Alt>m').format(text=text))
        modifiers = 0
        for name in re.findall(r"[A-Za-z]+", parts[1]):
            if name.lower() not in _MODIFIERS:
                raise ValueError(
                    _('"{name}" is no modifier; there are Control, Alt, Shift and Super').format(name=name)
                )
            modifiers |= _MODIFIERS[name.lower()]
        name = parts[2].lower() if len(parts[2]) == 1 else parts[2]
        symbol = XK.string_to_keysym(name)
        if not symbol:
            raise ValueError(_('there is no key with the name "{name}"').format(name=name))
        if not modifiers & ~X.ShiftMask and not _ALONE.fullmatch(name):
            raise ValueError(
                _('"{name}" alone is needed for writing; press it together with Control, Alt or Super').format(
                    name=name
                )
            )
        return cls(modifiers, symbol, name)

    def __str__(self) -> str:
        """For people: Ctrl+Alt+M."""
        names = [name for mask, name in _SHOWN if self.modifiers & mask]
        return "+".join([*names, self.name.upper() if len(self.name) == 1 else self.name])
