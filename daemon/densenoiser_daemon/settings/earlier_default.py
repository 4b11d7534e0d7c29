"""Remembers which microphone was the server's default before "DenseNoiser Mic" became it. It outlives a crash."""

from __future__ import annotations

import contextlib
from pathlib import Path

import platformdirs

from ..system.private_file import make_private_folder, private

_LONGEST = 1000


class EarlierDefault:
    """The name of a source, in a file of the user's state. Used by the audio thread alone; never raises."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or Path(platformdirs.user_state_dir("densenoiser")) / "earlier-default"
        self._name = ""
        with contextlib.suppress(OSError, ValueError), self._path.open(encoding="utf-8") as file:
            self._name = file.read(_LONGEST).strip()

    @property
    def name(self) -> str:
        """The source's name, or "" while none is known."""
        return self._name

    def note(self, name: str) -> None:
        """This source was the default before ours. Where the file cannot be written, it is known until the daemon ends."""
        if name == self._name:
            return
        self._name = name
        with contextlib.suppress(OSError):
            make_private_folder(self._path.parent)
            with open(self._path, "w", encoding="utf-8", opener=private) as file:
                file.write(name + "\n")
