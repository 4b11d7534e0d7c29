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
_FORMAT = Gdk.MemoryFormat.B8G8R8A8_PREMULTIPLIED
"""That of cairo, which draws where there is no graphics card."""
_MARKS = ((100, "100"), (1000, "1 kHz"), (10_000, "10 kHz"))
# From the background to the brightest, so that lightness alone tells the level.
_DARK = ((0x12, 0x10, 0x1E), (0x3B, 0x1F, 0x66), (0x9C, 0x2E, 0x7F), (0xF0, 0x6E, 0x4E), (0xFD, 0xE7, 0x9A))
_LIGHT = ((0xFC, 0xFB, 0xF7), (0xC9, 0xD6, 0xEA), (0x7A, 0xA5, 0xD6), (0x2E, 0x66, 0xA8), (0x0C, 0x2A, 0x55))


class Spectrogram(Gtk.Widget):  # type: ignore[misc]
    """Draws the last ten seconds. ``title`` is what it shows, for those who do not see too."""

    def __init__(self, title: str) -> None:
        super().__init__(accessible_role=Gtk.AccessibleRole.IMG)
        self.set_hexpand(True)
        self.set_vexpand(True)
        self.set_size_request(240, 120)
        self.update_property([Gtk.AccessibleProperty.LABEL], [title])
        self._words = [self.create_pango_layout(words) for words in (title, *(words for _hz, words in _MARKS))]
        self._rows = [bytearray(_COLUMNS) for _band in range(BANDS)]
        """Levels, the highest band first, the newest column last."""
        self._texture: Any = None
        self._palette: list[bytes] = []

    def add(self, column: bytes, is_drawn: bool = True) -> None:
        """The next column: 48 levels, the lowest band first. One that is not drawn yet comes with the next one."""
        for row, level in zip(self._rows, reversed(column), strict=True):
            del row[0]
            row.append(level)
        if is_drawn:
            self._texture = None
            self.queue_draw()

    def fill(self, columns: bytes) -> None:
        """Show these columns, the newest last, and nothing else."""
        count = len(columns) // BANDS
        for band, row in enumerate(reversed(self._rows)):
            row[:] = (bytes(_COLUMNS) + columns[band::BANDS])[count:][-_COLUMNS:]
        self._texture = None
        self.queue_draw()

    def do_snapshot(self, snapshot: Any) -> None:
        """Called by GTK when the widget is drawn."""
        width, height = self.get_width(), self.get_height()
        palette = _PALETTES[_is_dark(self)]
        if self._texture is None or palette is not self._palette:
            self._palette = palette
            levels = b"".join(self._rows)
            pixels = bytearray(4 * len(levels))
            for byte in range(4):
                pixels[byte::4] = levels.translate(palette[byte])
            content = GLib.Bytes.new(bytes(pixels))  # of a bytearray it would take each number on its own
            self._texture = Gdk.MemoryTexture.new(_COLUMNS, BANDS, _FORMAT, content, 4 * _COLUMNS)
        snapshot.append_texture(self._texture, Graphene.Rect().init(0, 0, width, height))
        colour = Gdk.RGBA()
        colour.parse("#ffffff" if palette is _PALETTES[True] else "#000000")
        self._write(snapshot, self._words[0], colour, 8, 4)
        for words, (frequency, _text) in zip(self._words[1:], _MARKS, strict=True):
            share = math.log(frequency / _LOWEST_HZ) / math.log(_HIGHEST_HZ / _LOWEST_HZ)
            self._write(snapshot, words, colour, width - 52, height * (1 - share) - 9)

    def _write(self, snapshot: Any, words: Any, colour: Any, x: float, y: float) -> None:
        snapshot.save()
        snapshot.translate(Graphene.Point().init(x, y))
        snapshot.append_layout(words, colour)
        snapshot.restore()


def _is_dark(widget: Any) -> bool:
    """Whether the theme writes light on dark."""
    colour = widget.get_style_context().get_color()
    return bool(colour.red + colour.green + colour.blue > 1.5)


def _palette(stops: tuple[tuple[int, int, int], ...]) -> list[bytes]:
    """For each byte of a pixel, as ``_FORMAT`` has them, its value for each level."""
    colours = []
    for level in range(256):
        place = min(max((level - _QUIETEST) / (_LOUDEST - _QUIETEST), 0.0), 1.0) * (len(stops) - 1)
        lower = min(int(place), len(stops) - 2)
        share = place - lower
        pairs = zip(stops[lower], stops[lower + 1], strict=True)
        red, green, blue = (round(a + share * (b - a)) for a, b in pairs)
        colours.append((blue, green, red, 255))
    return [bytes(values) for values in zip(*colours, strict=True)]


_PALETTES = {True: _palette(_DARK), False: _palette(_LIGHT)}
