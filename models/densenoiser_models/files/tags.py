"""Keeps what a recording says about itself beyond libsndfile's own texts: all tags, cover and chapters.

It needs mutagen (extra ``tags``). Without it, cover and chapters that get lost are named.
"""

from __future__ import annotations

from collections.abc import Callable
from gettext import gettext as _
from pathlib import Path
from typing import Any

from ..bundle import how_to_install
from ..shown_text import one_line

_HEAD_BYTES = 1 << 20
_COVERS = (b"APIC", b"METADATA_BLOCK_PICTURE", b"metadata_block_picture", b"image/jpeg", b"image/png")
_CHAPTERS = (b"CHAP\0", b"CHAPTER001", b"chapter001")


def keep_tags(source: Path, target: Path, warn: Callable[[str], None]) -> None:
    """Copy what ``source`` says about itself to ``target``, which has the same format or another. Names what gets lost."""
    try:
        import mutagen  # noqa: PLC0415  (an optional extra)
    except ModuleNotFoundError:
        lost = _seen(source)
        remedy = _("; for that: {how}").format(how=how_to_install("'densenoiser[tags]'"))
    else:
        try:
            lost = _copied(mutagen.File(source), mutagen.File(target))
        except (mutagen.MutagenError, OSError, ValueError, KeyError):
            lost = _seen(source)
        remedy = ""
    if lost:
        sentence = _("{path}: not kept: {lost}")
        warn(sentence.format(path=one_line(source), lost=", ".join(lost)) + remedy)


def _seen(source: Path) -> list[str]:
    """What there is, by its marks in the first megabyte."""
    with source.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    found = ((_("cover"), _COVERS), (_("chapters"), _CHAPTERS))
    return [name for name, marks in found if any(mark in head for mark in marks)]


def _copied(source: Any, target: Any) -> list[str]:
    """Copy from one of mutagen's files to another; what could not be kept."""
    if source is None or source.tags is None:
        return []
    if target is None:
        return [_("tags")]
    if target.tags is None:
        target.add_tags()
    pictures = list(getattr(source, "pictures", ()))
    if hasattr(source.tags, "getall"):  # ID3
        return _copied_frames(source, target)
    if hasattr(target.tags, "getall"):
        return [_("cover")] if pictures else []
    for key, values in source.tags.items():
        target.tags[key] = values
    lost = []
    if pictures and hasattr(target, "add_picture"):
        target.clear_pictures()
        for picture in pictures:
            target.add_picture(picture)
    elif pictures:
        lost = [_("cover")]
    target.save()
    return lost


def _copied_frames(source: Any, target: Any) -> list[str]:
    if not hasattr(target.tags, "getall"):
        return [_("cover")] if source.tags.getall("APIC") else []
    for frame in source.tags.values():
        target.tags.add(frame)
    target.save()
    return []
