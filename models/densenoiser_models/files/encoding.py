"""How a result is encoded: as its source is, as far as its own format can."""

from __future__ import annotations

from dataclasses import dataclass, replace
from gettext import gettext as _
from pathlib import Path

import soundfile as sf

from ..errors import AudioFileError
from ..shown_text import one_line

_FORMAT_OF_SUFFIX = {"AIF": "AIFF", "AIFC": "AIFF", "OGA": "OGG", "OPUS": "OGG", "SND": "AU", "WAVE": "WAV"}
_VORBIS_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 250)
"""Kilobits a second and channel at the qualities 0, 0.1, ... 1 of libvorbis, about, at 44.1 kHz."""
_VORBIS_HEADER_BYTES = 200


@dataclass(frozen=True, slots=True)
class Form:
    """Format, subtype and bit rate, as soundfile takes them."""

    format: str
    subtype: str
    compression_level: float | None = None
    bitrate_mode: str | None = None


def form_for(path: Path, source: sf.SoundFile, original: Path) -> Form:
    """The form in which to write ``path``; ``source`` is the open file ``original``.

    The format is that of the suffix, or the source's if there is none. The subtype is the source's if the format can hold
    it, else the format's default. A lossy source's bit rate is kept if the result has its subtype. AudioFileError if the
    suffix names no writable format.
    """
    suffix = path.suffix[1:].upper()
    format_ = _FORMAT_OF_SUFFIX.get(suffix, suffix)
    if format_ == source.format or not suffix:
        candidates = [(source.format, source.subtype)]
    else:
        known = format_ in sf.available_formats()
        default = "OPUS" if suffix == "OPUS" else sf.default_subtype(format_) if known else ""
        candidates = [(format_, source.subtype), (format_, default or "")]
    for format_, subtype in candidates:
        if format_ != "RAW" and subtype and sf.check_format(format_, subtype):
            kbps = _kbps(source, original) if subtype == source.subtype else None
            return _with_bit_rate(Form(format_, subtype), kbps, source)
    raise AudioFileError(
        _("cannot write {path}: {format} is not a format that can be written").format(
            path=one_line(path), format=one_line(path.suffix or source.format)
        )
    )


def _kbps(source: sf.SoundFile, original: Path) -> float | None:
    """Bit rate of a lossy file, kbit/s, or None if it is not known. OSError."""
    if not original.is_file() or not source.frames:
        return None
    if source.subtype == "VORBIS":  # its rate follows the sound; the header has the one that was meant
        with original.open("rb") as file:
            head = file.read(_VORBIS_HEADER_BYTES)
        at = head.find(b"\x01vorbis")
        nominal = int.from_bytes(head[at + 20 : at + 24], "little", signed=True) if at >= 0 else 0
        return nominal * 1e-3 if nominal > 0 else None
    return float(original.stat().st_size * 8e-3 * source.samplerate / source.frames)


def _with_bit_rate(form: Form, kbps: float | None, source: sf.SoundFile) -> Form:
    """``form`` at this bit rate, by the scales of libsndfile (``sndfile.h``, SFC_SET_COMPRESSION_LEVEL): 0 is the best."""
    if kbps is None:
        return form
    if form.subtype == "OPUS":
        return replace(form, compression_level=_level(1.0 - (kbps / source.channels - 6.0) / 250.0))
    if form.subtype == "VORBIS":
        quality = max(0, sum(kbps / source.channels >= step for step in _VORBIS_KBPS) - 1)
        return replace(form, compression_level=_level(1.0 - quality / 10.0))
    if form.subtype == "MPEG_LAYER_III":
        best, worst = (320.0, 32.0) if source.samplerate >= 32_000 else (160.0, 8.0)
        return replace(form, compression_level=_level((best - kbps) / (best - worst)), bitrate_mode="CONSTANT")
    return form


def _level(level: float) -> float:
    return min(1.0, max(0.0, level))
