"""WAV files whose header does not say how long they are: their recorder crashed, or wrote into a pipe."""

from __future__ import annotations

import contextlib
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

LENGTH_UNKNOWN = 0xFFFFFFFF
_MOST_CHUNKS = 100


def data_chunk(file: BinaryIO) -> tuple[int, int] | None:
    """Where the samples of a RIFF WAVE file begin, and how long it says they are, both in bytes; None if it is none."""
    if file.read(4) != b"RIFF" or len(file.read(4)) < 4 or file.read(4) != b"WAVE":
        return None
    for _chunk in range(_MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return None
        name, size = struct.unpack("<4sI", header)
        if name == b"data":
            return file.tell(), size
        file.seek(size + size % 2, 1)
    return None


def wav_with_length(path: Path) -> AbstractContextManager[Path] | None:
    """A copy of the file with the length that it has, if its header says 0 or nothing; else None. OSError."""
    with path.open("rb") as file:
        found = data_chunk(file)
    if found is None or found[1] not in (0, LENGTH_UNKNOWN) or path.stat().st_size <= found[0]:
        return None
    return _mended(path, found[0])


@contextlib.contextmanager
def _mended(path: Path, start: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="densenoiser-") as folder:
        copy = Path(folder) / "mended.wav"
        shutil.copyfile(path, copy)
        size = copy.stat().st_size
        with copy.open("r+b") as file:
            file.seek(4)
            file.write(struct.pack("<I", min(size - 8, LENGTH_UNKNOWN - 1)))
            file.seek(start - 4)
            file.write(struct.pack("<I", min(size - start, LENGTH_UNKNOWN - 1)))
        yield copy
