"""Hands on the keyboard of an X display, and another program that has a key already."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from Xlib import XK, X, display


class Keyboard:
    """Presses and releases, as xdotool makes them."""

    def __init__(self, name: str) -> None:
        """``name`` is the display's."""
        if shutil.which("xdotool") is None:
            pytest.skip("xdotool is not installed")
        self._display = name

    def press(self, keys: str) -> None:
        """Such as "ctrl+alt+t"; it stays down."""
        self._do("keydown", keys)

    def release(self, keys: str) -> None:
        self._do("keyup", keys)

    def tap(self, keys: str) -> None:
        self._do("key", keys)

    def _do(self, *words: str) -> None:
        subprocess.run(["xdotool", *words], env={"DISPLAY": self._display}, check=True, timeout=20)


@contextlib.contextmanager
def taken(name: str, key: str) -> Iterator[None]:
    """Another program has Control+Alt and this key on the display of this name."""
    other = display.Display(name)
    try:
        code = other.keysym_to_keycode(XK.string_to_keysym(key))
        modifiers = X.ControlMask | X.Mod1Mask
        other.screen().root.grab_key(code, modifiers, False, X.GrabModeAsync, X.GrabModeAsync)
        other.sync()
        yield
    finally:
        other.close()


def count_repeats(name: str, key: str, seconds: float) -> int:
    """How often a program hears the press of a key that is held so long: more than once if the server repeats it."""
    listener = display.Display(name)
    try:
        code = listener.keysym_to_keycode(XK.string_to_keysym(key))
        listener.screen().root.grab_key(code, X.AnyModifier, False, X.GrabModeAsync, X.GrabModeAsync)
        listener.sync()
        subprocess.run(
            ["xdotool", "keydown", key, "sleep", f"{seconds}", "keyup", key],
            env={"DISPLAY": name},
            check=True,
            timeout=20,
        )
        listener.sync()
        count = 0
        while listener.pending_events():
            count += listener.next_event().type == X.KeyPress
        return count
    finally:
        listener.close()
