"""Keys taken from the X server for ourselves, wherever the focus is: presses and releases."""

from __future__ import annotations

import itertools
import os
import queue
import select
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from Xlib import XK, X, display, error

from .i18n import _
from .key import Key
from .shortcut import Shortcut

_LOOK_SECONDS = 0.1
"""While a key is held it is looked at so often: another grab, as of a locked screen, may swallow its release."""
_Request = tuple[Mapping[Shortcut, Key], "Future[dict[Shortcut, str]]"]


class KeyGrabs:
    """A connection to the X server and the thread "keys", which alone uses it. Callbacks come from there and must not block."""

    def __init__(self, turn: Callable[[Shortcut, bool], None], ended: Callable[[], None]) -> None:
        """``turn`` is told of presses and releases; ``ended`` that the X server is gone. OSError without a server."""
        self._turn, self._ended = turn, ended
        try:
            self._display = display.Display()
        except (error.DisplayError, OSError) as reason:
            raise OSError(_("The display cannot be used: {error}").format(error=reason)) from reason
        self._root = self._display.screen().root
        self._grabbed: dict[tuple[int, int], Shortcut] = {}
        """Keycode and modifiers, without the locks."""
        self._held: dict[int, Shortcut] = {}
        """By keycode."""
        self._locks = self._lock_masks()
        self._keys: Mapping[Shortcut, Key] = {}
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._waiting, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name="keys", daemon=True)
        self._thread.start()

    def grab(self, keys: Mapping[Shortcut, Key]) -> Future[dict[Shortcut, str]]:
        """Hold these keys and no others. The answer says why for each that could not be had. Any thread."""
        answer: Future[dict[Shortcut, str]] = Future()
        self._requests.put((keys, answer))
        self._call()
        return answer

    def stop(self) -> None:
        """Give all keys back. Any thread but the callbacks'."""
        self._requests.put(None)
        self._call()
        self._thread.join()
        os.close(self._wake)
        os.close(self._waiting)

    def _call(self) -> None:
        os.write(self._wake, b".")

    def _run(self) -> None:
        try:
            while self._serve():
                pass
            self._display.close()
        except (error.ConnectionClosedError, OSError):
            self._refuse_all()
            self._ended()

    def _serve(self) -> bool:
        """One turn; whether there is another."""
        while self._display.pending_events():
            self._hear()
        ready, _, _ = select.select([self._display, self._waiting], [], [], _LOOK_SECONDS if self._held else None)
        if self._waiting in ready:
            os.read(self._waiting, 1)
            request = self._requests.get()
            if request is None:
                return False
            keys, answer = request
            self._keys = dict(keys)
            answer.set_result(self._take())
        for code in [code for code in self._held if not self._is_down(code)]:
            self._turn(self._held.pop(code), False)
        return True

    def _refuse_all(self) -> None:
        while not self._requests.empty():
            request = self._requests.get()
            if request is not None:
                request[1].set_result(dict.fromkeys(request[0], _("the X server is gone")))

    def _hear(self) -> None:
        event = self._display.next_event()
        if event.type == X.MappingNotify:
            self._display.refresh_keyboard_mapping(event)
            self._locks = self._lock_masks()
            self._take()
        elif event.type == X.KeyPress:
            modifiers = event.state & (X.ControlMask | X.Mod1Mask | X.ShiftMask | X.Mod4Mask)
            shortcut = self._grabbed.get((event.detail, modifiers))
            if shortcut is not None and event.detail not in self._held:
                self._held[event.detail] = shortcut
                self._turn(shortcut, True)
        elif event.type == X.KeyRelease and event.detail in self._held and not self._is_down(event.detail):
            self._turn(self._held.pop(event.detail), False)

    def _is_down(self, code: int) -> bool:
        """Whether the key is pressed now. It is between the releases and presses that a held key repeats."""
        return bool(self._display.query_keymap()[code // 8] & 1 << code % 8)

    def _take(self) -> dict[Shortcut, str]:
        for (code, modifiers), _shortcut in self._grabbed.items():
            for locks in self._locks:
                self._root.ungrab_key(code, modifiers | locks)
        self._grabbed = {}
        faults = {}
        for shortcut, key in self._keys.items():
            fault = self._take_one(shortcut, key)
            if fault:
                faults[shortcut] = fault
        self._display.sync()
        return faults

    def _take_one(self, shortcut: Shortcut, key: Key) -> str:
        """Why it could not be had, or "" if it was."""
        code = self._display.keysym_to_keycode(key.symbol)
        if not code:
            return _("this keyboard has no key {key}").format(key=key)
        caught = error.CatchError(error.BadAccess)
        for locks in self._locks:
            self._root.grab_key(code, key.modifiers | locks, False, X.GrabModeAsync, X.GrabModeAsync, onerror=caught)
        self._display.sync()
        if caught.get_error() is not None:
            for locks in self._locks:
                self._root.ungrab_key(code, key.modifiers | locks)
            return _("another program has the key {key}; choose another").format(key=key)
        self._grabbed[code, key.modifiers] = shortcut
        return ""

    def _lock_masks(self) -> tuple[int, ...]:
        """Every combination of the locks: a grab holds only for the modifiers that it names, and these are not meant."""
        masks = {X.LockMask}
        for position, codes in enumerate(self._display.get_modifier_mapping()):
            symbols = {self._display.keycode_to_keysym(code, 0) for code in codes if code}
            if symbols & {XK.XK_Num_Lock, XK.XK_Scroll_Lock}:
                masks.add(1 << position)
        chosen = itertools.chain.from_iterable(itertools.combinations(masks, n) for n in range(len(masks) + 1))
        return tuple(sum(some) for some in chosen)
