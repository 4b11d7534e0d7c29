"""A spectrogram that scrolls: columns of levels come in at the right."""

from __future__ import annotations

import math
from typing import Any

from gi.repository import Gdk, GLib, Graphene, Gtk

BANDS = 48
_LOWEST_HZ, _HIGHEST_HZ = 50.0, 20_000.0
_COLUMNS = 200
"""Ten seconds, at twenty columns a second."""
_QUIETEST, _LOUDEST = 40, 190
"""Levels, as the daemon sends them, of the darkest and the brightest colour: -80 and -5 dBFS."""
_MARKS = ((100, "100"), (1000, "1 kHz"), (10_000, "10 kHz"))
# From the background to the brightest, so that lightness alone tells the level.
_DARK = ((0x12, 0x10, 0x1E), (0x3B, 0x1F, 0x66), (0x9C, 0x2E, 0x7F), (0xF0, 0x6E, 0x4E), (0xFD, 0xE7, 0x9A))
_LIGHT = ((0xFC, 0xFB, 0xF7), (0xC9, 0xD6, 0xEA), (0x7A, 0xA5, 0xD6), (0x2E, 0x66, 0xA8), (0x0C, 0x2A, 0x55))


class Spectrogram(Gtk.Widget):  # type: ignore[misc]
    """Draws the last ten seconds. ``title`` is what it shows, for those who do not see too."""

    def __init__(self, title: str) -> None:
        super().__init__(
            hexpand=True,
            vexpand=True,
            overflow=Gtk.Overflow.HIDDEN,
            css_classes=["card"],
            accessible_role=Gtk.AccessibleRole.IMG,
        )
        self.set_size_request(240, 120)
        self.update_property([Gtk.AccessibleProperty.LABEL], [title])
        self._title = title
        self._levels = bytearray(BANDS * _COLUMNS)
        self._texture: Any = None
        self._is_dark: bool | None = None

    @property
    def columns(self) -> bytes:
        """Levels, the newest column last: row by row, the highest band first."""
        return bytes(self._levels)

    def add(self, column: bytes) -> None:
        """The next column: 48 levels, the lowest band first."""
        for row in range(BANDS):
            start = row * _COLUMNS
            self._levels[start : start + _COLUMNS - 1] = self._levels[start + 1 : start + _COLUMNS]
            self._levels[start + _COLUMNS - 1] = column[BANDS - 1 - row]
        self._texture = None
        self.queue_draw()

    def do_snapshot(self, snapshot: Any) -> None:
        """Called by GTK when the widget is drawn."""
        width, height = self.get_width(), self.get_height()
        is_dark = self.get_settings().get_property("gtk-application-prefer-dark-theme") or _is_dark(self)
        if self._texture is None or is_dark != self._is_dark:
            self._is_dark = is_dark
            palette = _PALETTES[is_dark]
            pixels = b"".join(palette[level] for level in self._levels)
            self._texture = Gdk.MemoryTexture.new(
                _COLUMNS, BANDS, Gdk.MemoryFormat.R8G8B8, GLib.Bytes.new(pixels), 3 * _COLUMNS
            )
        area = Graphene.Rect().init(0, 0, width, height)
        snapshot.append_texture(self._texture, area)
        self._write(snapshot, self._title, 8, 4)
        for frequency, words in _MARKS:
            share = math.log(frequency / _LOWEST_HZ) / math.log(_HIGHEST_HZ / _LOWEST_HZ)
            self._write(snapshot, words, width - 52, height * (1 - share) - 9)

    def _write(self, snapshot: Any, words: str, x: float, y: float) -> None:
        colour = Gdk.RGBA()
        colour.parse("#ffffff" if self._is_dark else "#000000")
        colour.alpha = 0.85
        snapshot.save()
        snapshot.translate(Graphene.Point().init(x, y))
        snapshot.append_layout(self.create_pango_layout(words), colour)
        snapshot.restore()


def _is_dark(widget: Any) -> bool:
    """Whether the theme writes light on dark."""
    colour = widget.get_style_context().get_color()
    return bool(colour.red + colour.green + colour.blue > 1.5)


def _palette(stops: tuple[tuple[int, int, int], ...]) -> list[bytes]:
    """The colour of each level, three bytes."""
    colours = []
    for level in range(256):
        place = min(max((level - _QUIETEST) / (_LOUDEST - _QUIETEST), 0.0), 1.0) * (len(stops) - 1)
        lower = min(int(place), len(stops) - 2)
        share = place - lower
        pairs = zip(stops[lower], stops[lower + 1], strict=True)
        colours.append(bytes(round(a + share * (b - a)) for a, b in pairs))
    return colours


_PALETTES = {True: _palette(_DARK), False: _palette(_LIGHT)}
