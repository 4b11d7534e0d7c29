"""Draws the icon of each condition. The icons differ in shape and colour, and a dark rim keeps them clear on any panel."""

from __future__ import annotations

from functools import cache

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .status import Condition

SIZE = 64
"""Side of an icon, pixels; panels scale it down to 16-48."""
_SCALE = 2
_RIM = 3
"""Width of the dark rim, in icon pixels: one pixel on a 22 pixel panel."""
_LINE = 6
_LIGHT = (245, 246, 248)
_DARK = (32, 34, 38)
_TINTS = {
    Condition.ABSENT: (190, 192, 196),
    Condition.OFF: _LIGHT,
    Condition.IDLE: _LIGHT,
    Condition.ACTIVE: (92, 214, 120),
    Condition.MUTED: (255, 118, 108),
    Condition.TROUBLE: (255, 196, 64),
}
Box = tuple[float, float, float, float]
_CAPSULE: Box = (22, 4, 42, 38)
_CRADLE: Box = (13, 15, 51, 49)
_WAVES: Box = (3, -7, 61, 51)
_BADGE: Box = (34, 32, 64, 62)


@cache
def draw(condition: Condition) -> Image.Image:
    """The icon, RGBA, ``SIZE`` square, transparent around. The same object for the same condition: do not change it."""
    body = _Glyph()
    body.stand()
    if condition is not Condition.ABSENT:
        body.capsule(filled=condition is Condition.ACTIVE)
    mark = _Glyph()
    match condition:
        case Condition.ACTIVE:
            mark.waves()
        case Condition.MUTED:
            mark.slash()
        case Condition.OFF:
            mark.pause()
        case Condition.TROUBLE:
            mark.warning()
    return _compose(body.mask, mark.mask, _TINTS[condition])


class _Glyph:
    """A shape in white on black, drawn on a grid of ``SIZE`` units."""

    def __init__(self) -> None:
        side = SIZE * _SCALE
        self.mask = Image.new("L", (side, side), 0)
        self._pen = ImageDraw.Draw(self.mask)

    def stand(self) -> None:
        self._pen.arc(_scaled(_CRADLE), 0, 180, fill=255, width=_LINE * _SCALE)
        self._line((32, 48), (32, 58))
        self._line((21, 59), (43, 59))

    def capsule(self, filled: bool) -> None:
        box, width = _scaled(_CAPSULE), _LINE * _SCALE
        radius = (box[2] - box[0]) // 2
        self._pen.rounded_rectangle(box, radius, fill=255 if filled else 0, outline=255, width=width)

    def waves(self) -> None:
        for start in (-38, 142):
            self._pen.arc(_scaled(_WAVES), start, start + 76, fill=255, width=_LINE * _SCALE)

    def slash(self) -> None:
        self._line((8, 6), (56, 60))

    def pause(self) -> None:
        left, top, right, bottom = _BADGE
        self._pen.rectangle(_scaled((left + 4, top + 4, left + 12, bottom - 2)), fill=255)
        self._pen.rectangle(_scaled((right - 12, top + 4, right - 4, bottom - 2)), fill=255)

    def warning(self) -> None:
        left, top, right, bottom = _BADGE
        middle = (left + right) / 2
        corners = [(middle, top - 2), (right - 1, bottom), (left + 1, bottom)]
        self._pen.polygon([(x * _SCALE, y * _SCALE) for x, y in corners], fill=255)
        self._pen.rectangle(_scaled((middle - 2, top + 9, middle + 2, bottom - 12)), fill=0)
        self._pen.rectangle(_scaled((middle - 2, bottom - 8, middle + 2, bottom - 4)), fill=0)

    def _line(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        points = [(x * _SCALE, y * _SCALE) for x, y in (start, end)]
        self._pen.line(points, fill=255, width=_LINE * _SCALE)


def _compose(body: Image.Image, mark: Image.Image, tint: tuple[int, int, int]) -> Image.Image:
    """Light body, tinted mark cut out of it with its own rim, dark rim under both."""
    gap = _grown(mark)
    body = ImageChops.subtract(body, gap)
    shape = ImageChops.lighter(body, mark)
    picture = Image.new("RGBA", shape.size, (*_DARK, 0))
    picture.paste((*_DARK, 255), mask=ImageChops.lighter(_grown(shape), gap))
    picture.paste((*tint, 255) if not mark.getbbox() else (*_LIGHT, 255), mask=body)
    picture.paste((*tint, 255), mask=mark)
    return picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def _grown(mask: Image.Image) -> Image.Image:
    """Wider by the rim on all sides, one icon pixel at a time: half the time of a single wide filter."""
    for _ in range(_RIM):
        mask = mask.filter(ImageFilter.MaxFilter(2 * _SCALE + 1))
    return mask


def _scaled(box: Box) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(side * _SCALE) for side in box)
    return left, top, right, bottom
