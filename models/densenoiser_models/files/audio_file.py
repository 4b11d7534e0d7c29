"""Reads and writes audio files. Errors name the file, and a file is written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from gettext import gettext as _
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from ..errors import AudioFileError
from ..shown_text import one_line
from .encoding import Form
from .wav_header import LENGTH_UNKNOWN as _LENGTH_UNKNOWN
from .wav_header import data_chunk, wav_with_length

_SMALL_BLOCK = 512
_A_LITTLE = 1 << 20
"""Bytes. A disk with fewer free ones is full."""


Warn = Callable[[str], None]
"""Takes a sentence about something that was not as it should be, and did not stop the work."""


@contextlib.contextmanager
def reading(path: Path, warn: Warn = lambda _sentence: None) -> Iterator[sf.SoundFile]:
    """Opens the file for ``blocks``. AudioFileError that names it if it cannot be read.

    A pipe is read to its end first. A recording whose recorder never wrote its length is read as far as it goes.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise AudioFileError(_("cannot read {path}: no such file").format(path=one_line(path))) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise AudioFileError(_("cannot read {path}: it is a folder, not a file").format(path=one_line(path)))
    if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
        raise AudioFileError(_("cannot read {path}: it is a device, not a file").format(path=one_line(path)))
    with contextlib.ExitStack() as stack:
        try:
            readable = path if stat.S_ISREG(mode) else stack.enter_context(_drained(path))
            source = stack.enter_context(sf.SoundFile(os.fsencode(readable)))
            if not source.frames and (whole := wav_with_length(readable)) is not None:
                warn(_("{path} was never finished by its recorder; what is there is used").format(path=one_line(path)))
                source = stack.enter_context(sf.SoundFile(os.fsencode(stack.enter_context(whole))))
        except (sf.SoundFileError, OSError, TypeError, ValueError) as error:  # TypeError: a headerless .raw
            raise _unreadable(path, error) from error
        yield source


@contextlib.contextmanager
def _drained(path: Path) -> Iterator[Path]:
    """All that comes out of a pipe, as a file. OSError."""
    with tempfile.TemporaryDirectory(prefix="densenoiser-") as folder:
        copy = Path(folder) / "audio"
        with path.open("rb") as pipe, copy.open("wb") as file:
            shutil.copyfileobj(pipe, file)
        yield copy


def _unreadable(path: Path, error: Exception) -> AudioFileError:
    return AudioFileError(_("cannot read {path}: {reason}").format(path=one_line(path), reason=_reason(error)))


def blocks(source: sf.SoundFile, path: Path, warn: Warn = lambda _sentence: None) -> Iterator[NDArray[np.float32]]:
    """Yields the rest of ``source`` in blocks of a second, shape (samples, channels), float32, finite.

    A file that ends too early gives what is there, and a warning. AudioFileError that names ``path`` if nothing of it can
    be read, or if a sample is not finite.
    """
    got, expected = 0, source.frames
    while True:
        try:
            block = source.read(source.samplerate, dtype="float32", always_2d=True)
        except (sf.SoundFileError, OSError) as error:
            block = _rest(source, got)
            if not got and not len(block):
                raise _unreadable(path, error) from error
        if not len(block):
            if got < expected or _is_cut_off(path):
                text = _("{path} ends too early, after {seconds:.1f} s; what is there is used")
                warn(text.format(path=one_line(path), seconds=got / source.samplerate))
            return
        got += len(block)
        if not np.isfinite(block).all():
            raise AudioFileError(
                _("cannot use {path}: it holds samples that are not numbers (NaN or infinite)").format(
                    path=one_line(path)
                )
            )
        yield block


def _rest(source: sf.SoundFile, start: int) -> NDArray[np.float32]:
    """What can be read from the sample ``start`` on of a file that cannot be read to its end."""
    parts = [np.zeros((0, source.channels), np.float32)]
    with contextlib.suppress(sf.SoundFileError, OSError):
        source.seek(start)
        while len(part := source.read(_SMALL_BLOCK, dtype="float32", always_2d=True)):
            parts.append(part)
    return np.concatenate(parts)


def _is_cut_off(path: Path) -> bool:
    """Whether a WAV file is shorter than its header says. libsndfile reads what is there without a word."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        found = data_chunk(file)
        return found is not None and found[1] != _LENGTH_UNKNOWN and sum(found) > path.stat().st_size


def partial_file(path: Path, run: int) -> Path:
    """The temporary path of ``path`` while it is being written. ``run`` is the number of the command's main process.

    Its name is short, whatever the length of the other one.
    """
    return path.with_name(f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}.{run}.partial")


@contextlib.contextmanager
def replacing(path: Path, run: int, force: bool, mode: int) -> Iterator[Path]:
    """Gives a path to write to. The file there becomes ``path`` when the block ends without an error.

    Otherwise nothing is left behind. Its permissions are ``mode``, or those of the file that it replaces. A process that
    is killed meanwhile leaves ``partial_file(path, run)``. AudioFileError if the file cannot be written, or exists and
    ``force`` is off. Only a regular file is ever replaced; a link to one stays a link.
    """
    try:
        path = _place(path, force)
    except OSError as error:
        raise _unwritable(path, error) from error
    partial = partial_file(path, run)
    try:
        partial.touch(0o600)  # nobody else reads it while it is written
        yield partial
        _place(path, force)
        with contextlib.suppress(FileNotFoundError):
            mode = path.stat().st_mode
        partial.chmod(stat.S_IMODE(mode) & 0o777)
        partial.replace(path)
    except (sf.SoundFileError, OSError, AssertionError) as error:  # soundfile asserts that every sample was written
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def writing(path: Path, like: sf.SoundFile, form: Form) -> sf.SoundFile:
    """Opens ``path`` to write, with the rate, channels and texts of ``like``. SoundFileError, OSError."""
    target = sf.SoundFile(
        os.fsencode(path),
        "w",
        like.samplerate,
        like.channels,
        form.subtype,
        format=form.format,
        compression_level=form.compression_level,
        bitrate_mode=form.bitrate_mode,
    )
    for name, text in like.copy_metadata().items():  # title, artist and what else libsndfile knows of
        with contextlib.suppress(sf.SoundFileError):
            setattr(target, name, text)
    return target


def _place(path: Path, force: bool) -> Path:
    """Where to write for ``path``: itself, or the regular file that it links to. AudioFileError, OSError."""
    if not os.path.lexists(path):
        path.parent.stat()
        return path
    if not force:
        raise AudioFileError(_("{path} exists; --force overwrites it").format(path=one_line(path)))
    if not path.is_file():
        raise AudioFileError(_("{path} is no regular file, so it is not overwritten").format(path=one_line(path)))
    return path.resolve() if path.is_symlink() else path


def _unwritable(path: Path, error: Exception) -> AudioFileError:
    reason = _reason(error)
    if not reason or reason.startswith("System error"):  # libsndfile keeps no errno
        with contextlib.suppress(OSError):
            reason = _("the disk is full") if shutil.disk_usage(path.parent).free < _A_LITTLE else reason
    return AudioFileError(
        _("cannot write {path}: {reason}").format(path=one_line(path), reason=reason or _("the disk may be full"))
    )


def _reason(error: Exception) -> str:
    return one_line(getattr(error, "error_string", None) or getattr(error, "strerror", None) or error)
