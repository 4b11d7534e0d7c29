"""What the tray remembers of the shortcuts: the keys on X11, and whether the desktop was asked for its own."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from .shortcut import Shortcut, known

log = logging.getLogger(__name__)

_LARGEST_BYTES = 16 * 1024


class StoredShortcuts:
    """The file ``shortcuts.toml`` beside the daemon's settings. Comments that people write into it are kept."""

    def __init__(self) -> None:
        """Reads it. A file that cannot be read counts as empty, and the log says why."""
        base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        self._path = Path(base) / "densenoiser" / "shortcuts.toml"
        self.keys: dict[Shortcut, str] = {}
        """The chosen keys in stored form, such as "<Control><Alt>m"."""
        self.is_bound = False
        """Whether the user has asked the desktop for shortcuts."""
        document = self._document()
        table = document.get("keys")
        if isinstance(table, Mapping):
            for name, key in table.items():
                shortcut = known(name)
                if shortcut is not None and isinstance(key, str) and key:
                    self.keys[shortcut] = str(key)
                elif shortcut is None:
                    log.warning("%s: there is no shortcut %r", self._path, name)
        self.is_bound = document.get("bound") is True

    @property
    def are_wanted(self) -> bool:
        """Whether the user has chosen any."""
        return bool(self.keys) or self.is_bound

    def set_key(self, shortcut: Shortcut, key: str) -> None:
        """Store a key, or with "" that there is none. OSError if the file cannot be written."""
        keys = {name: text for name, text in self.keys.items() if name is not shortcut} | (
            {shortcut: key} if key else {}
        )
        document = self._document()
        document["keys"] = {str(name): text for name, text in keys.items()}
        self._write(document)
        self.keys = keys

    def set_bound(self) -> None:
        """Store that the desktop was asked. OSError if the file cannot be written."""
        if not self.is_bound:
            self.is_bound = True
            document = self._document()
            document["bound"] = True
            self._write(document)

    def _document(self) -> tomlkit.TOMLDocument:
        try:
            with self._path.open("rb") as file:
                return tomlkit.parse(file.read(_LARGEST_BYTES))
        except FileNotFoundError:
            pass
        except (OSError, TOMLKitError, ValueError, RecursionError) as error:
            log.warning("%s: %s", self._path, error)
        return tomlkit.document()

    def _write(self, document: tomlkit.TOMLDocument) -> None:
        """Replace the file such that a crash at any moment leaves the old one or the new one."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._path.with_name(self._path.name + ".new")
        unfinished.write_text(tomlkit.dumps(document), encoding="utf-8")
        unfinished.replace(self._path)
