"""Reads and writes audio files. Errors name the file, and a file is written whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from gettext import gettext as _
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from ..errors import AudioFileError

_FORMAT_OF_SUFFIX = {"AIF": "AIFF", "AIFC": "AIFF", "OGA": "OGG", "OPUS": "OGG", "SND": "AU", "WAVE": "WAV"}


def format_for(path: Path, source_format: str, source_subtype: str) -> tuple[str, str]:
    """The format and subtype for writing ``path``.

    The format is that of the suffix, or the source's if there is none. The subtype is the source's if the format can
    hold it, else the format's default. AudioFileError if the suffix names no writable format.
    """
    suffix = path.suffix[1:].upper()
    format_ = _FORMAT_OF_SUFFIX.get(suffix, suffix)
    if format_ == source_format or not suffix:
        candidates = [(source_format, source_subtype)]
    else:
        subtype = (
            "OPUS" if suffix == "OPUS" else sf.default_subtype(format_) if format_ in sf.available_formats() else ""
        )
        candidates = [(format_, source_subtype), (format_, subtype)]
    for candidate in candidates:
        if candidate[0] != "RAW" and candidate[1] and sf.check_format(*candidate):
            return candidate
    raise AudioFileError(
        _("cannot write {path}: {format} is not a format that can be written").format(
            path=path, format=path.suffix or source_format
        )
    )


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sf.SoundFile]:
    """Opens the file for ``blocks``. AudioFileError that names it if it cannot be read."""
    if path.is_dir():
        raise AudioFileError(_("cannot read {path}: it is a folder, not a file").format(path=path))
    if not path.exists():
        raise AudioFileError(_("cannot read {path}: no such file").format(path=path))
    try:
        source = sf.SoundFile(path)
    except (sf.SoundFileError, OSError, TypeError) as error:  # TypeError: a headerless .raw
        raise AudioFileError(_("cannot read {path}: {reason}").format(path=path, reason=_reason(error))) from error
    with source:
        yield source


def blocks(source: sf.SoundFile, path: Path) -> Iterator[NDArray[np.float32]]:
    """Yields the rest of ``source`` in blocks of a second, shape (samples, channels), float32, finite.

    AudioFileError that names ``path`` if it cannot be read to its end, or if a sample is not finite.
    """
    while True:
        try:
            block = source.read(source.samplerate, dtype="float32", always_2d=True)
        except (sf.SoundFileError, OSError) as error:
            raise AudioFileError(
                _("cannot read {path} to its end: {reason}").format(path=path, reason=_reason(error))
            ) from error
        if not len(block):
            return
        if not np.isfinite(block).all():
            raise AudioFileError(
                _("cannot use {path}: it holds samples that are not numbers (NaN or infinite)").format(path=path)
            )
        yield block


def partial_file(path: Path, run: int) -> Path:
    """The temporary path of ``path`` while it is being written. ``run`` is the number of the command's main process."""
    return path.with_name(f".{path.name}.{run}.partial")


@contextlib.contextmanager
def writing(
    path: Path, sample_rate: int, channels: int, format_: str, subtype: str, run: int, force: bool = False
) -> Iterator[sf.SoundFile]:
    """Opens a file that gets the name ``path`` when the block ends without an error. Otherwise nothing is left behind.

    A process that is killed meanwhile leaves ``partial_file(path, run)``. AudioFileError if the file cannot be written,
    or exists and ``force`` is off.
    """
    partial = partial_file(path, run)
    try:
        _refuse_existing(path, force)
        with sf.SoundFile(partial, "w", sample_rate, channels, subtype, format=format_) as target:
            yield target
        _refuse_existing(path, force)
        partial.replace(path)
    except (sf.SoundFileError, OSError, AssertionError) as error:  # soundfile asserts that every sample was written
        raise AudioFileError(
            _("cannot write {path}: {reason}").format(path=path, reason=_reason(error) or _("the disk may be full"))
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _refuse_existing(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise AudioFileError(_("{path} exists; --force overwrites it").format(path=path))


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", None) or getattr(error, "strerror", None) or error)
