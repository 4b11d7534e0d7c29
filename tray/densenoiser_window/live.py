"""The page to look at: the microphone and what programs hear, side by side in time."""

from __future__ import annotations

from typing import Any

from gi.repository import Gtk

from densenoiser_tray.i18n import _
from densenoiser_tray.status import DaemonSnapshot

from .accessible import name
from .daemon import Daemon
from .spectrogram import Spectrogram

_QUIETEST_DBFS = -70.0
_COLUMNS_A_DRAWING, _COLUMNS_A_NUMBER = 2, 8
"""Without a graphics card it is drawing that costs, not columns."""
_HOLD_UPDATES = 15
"""How long a peak is held: 1.5 s, at ten levels a second."""


class Live(Gtk.Box):  # type: ignore[misc]
    """Two spectrograms, a level each, and what was removed."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=12)
        self._daemon = daemon
        for side in ("start", "end", "top", "bottom"):
            getattr(self, f"set_margin_{side}")(12)
        self._levels = _QUIETEST_DBFS, _QUIETEST_DBFS, 0.0
        self._columns = 0
        self._hint = Gtk.Label(wrap=True, xalign=0.0, css_classes=["dim-label"])
        self._open = Gtk.Button(label=_("Open the microphone now"), halign=Gtk.Align.START)
        self._open.connect("clicked", lambda *_: self._daemon.listen("nothing"))
        self._removed = Gtk.Label(xalign=0.0, css_classes=["title-3"])
        self.before, self.after = Spectrogram(_("The microphone")), Spectrogram(_("What programs hear"))
        self._before_level, self._after_level = (
            _Level(_("Level of the microphone")),
            _Level(_("Level that programs hear")),
        )
        for part in (
            self._hint,
            self._open,
            self.before,
            self._before_level,
            self.after,
            self._after_level,
            self._removed,
        ):
            self.append(part)

    def show(self, snapshot: DaemonSnapshot) -> None:
        """Says why nothing moves, where nothing does."""
        words = (
            ""
            if snapshot.listeners or self._daemon.listening
            else _("Nobody is listening now. It moves as soon as a program uses DenseNoiser Mic.")
        )
        self._hint.set_label(words)
        self._hint.set_visible(bool(words))
        self._open.set_visible(bool(words))

    def leave(self) -> None:
        """It is not looked at any longer."""
        if self._daemon.listening == "nothing":
            self._daemon.listen("")

    def show_levels(self, before: float, after: float, removed: float) -> None:
        """dBFS, dBFS and dB. They are drawn with the next columns: each drawing of the window costs."""
        self._levels = before, after, removed

    def show_spectra(self, before: bytes, after: bytes) -> None:
        """The next column of each."""
        self._columns += 1
        is_drawn = self._columns % _COLUMNS_A_DRAWING == 0
        self.before.add(before, is_drawn)
        self.after.add(after, is_drawn)
        if is_drawn:
            self._draw_levels(is_read=self._columns % _COLUMNS_A_NUMBER == 0)

    def _draw_levels(self, is_read: bool) -> None:
        """Numbers follow more slowly than bars: they are to be read."""
        before, after, removed = self._levels
        self._before_level.show_level(before, is_read)
        self._after_level.show_level(after, is_read)
        if is_read:
            self._removed.set_label(_("{removed:.0f} dB of noise removed").format(removed=max(removed, 0.0)))


class _Level(Gtk.Box):  # type: ignore[misc]
    """A bar with its number, and the highest level of the last moments."""

    def __init__(self, title: str) -> None:
        super().__init__(spacing=12)
        self._bar: Any = Gtk.LevelBar(min_value=0.0, max_value=-_QUIETEST_DBFS, hexpand=True, valign=Gtk.Align.CENTER)
        name(self._bar, title)
        self._text = Gtk.Label(width_chars=24, xalign=1.0, css_classes=["numeric"])
        self._peak, self._age = _QUIETEST_DBFS, 0
        self.append(self._bar)
        self.append(self._text)

    def show_level(self, dbfs: float, is_read: bool) -> None:
        level = max(dbfs, _QUIETEST_DBFS)
        self._age += 1
        if level >= self._peak or self._age > _HOLD_UPDATES:
            self._peak, self._age = level, 0
        self._bar.set_value(level - _QUIETEST_DBFS)
        if is_read:
            self._text.set_label(_("{level:.0f} dB, peak {peak:.0f} dB").format(level=level, peak=self._peak))
