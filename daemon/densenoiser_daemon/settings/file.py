"""The settings file: TOML that people may edit. Their comments are kept.

A fault in the file costs only the faulty key. It is named with file, line and the nearest valid spelling.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
import tomlkit
from tomlkit.exceptions import TOMLKitError

from ..errors import SettingsError
from ..i18n import _
from ..system.private_file import make_private_folder, private
from .keys import FORMAT, KNOWN, judge
from .settings import TABLES, Settings, declared
from .toml_lines import Key, key_lines
from .values import shown

# What people write is a tenth of this. TOML takes a time that grows as the square: 1 s for a key of 8000 dots.
_LARGEST_BYTES = 16 * 1024
_MOST_PROBLEMS = 20
_LONGEST_REASON = 200
_BYTE_ORDER_MARK = "\ufeff"


class SettingsFile:
    """Reads the file at start and writes each change. Used by one thread at a time."""

    def __init__(self, path: Path | None = None) -> None:
        """``path`` is by default ``densenoiser/settings.toml`` under the XDG configuration folder."""
        self.path = path if path is not None else default_path()
        self.problems: tuple[str, ...] = ()
        """What the last ``load`` found wrong, one sentence each."""

    def load(self) -> Settings:
        """What is stored; defaults for whatever is missing or wrong, with ``problems`` saying which. Never raises."""
        self.problems = ()
        try:
            text = self._read().removeprefix(_BYTE_ORDER_MARK)
            table = tomllib.loads(text)
        except FileNotFoundError:
            return Settings()
        except SettingsError as error:
            self.problems = (_("{error}; using the defaults").format(error=error),)
            return Settings()
        except (ValueError, RecursionError) as error:  # a number of more than 4300 digits is the former alone
            sentence = _("{path}: not valid TOML: {error}; using the defaults")
            self.problems = (sentence.format(path=self.path, error=str(error)[:_LONGEST_REASON]),)
            return Settings()
        newer = self._newer(table)
        values: dict[str, Any] = {}
        faults: dict[Key, str] = {}
        for key, value, fault in judge(table, is_newer=bool(newer)):
            if fault is None:
                values[key[0]] = value
            elif len(faults) < _MOST_PROBLEMS:
                faults[key] = fault
            elif key[0] not in KNOWN:
                break  # an unknown key, after which there are only such
        self.problems = ((newer,) if newer else ()) + self._located(text, faults)
        return Settings(**values)

    def _located(self, text: str, faults: dict[Key, str]) -> tuple[str, ...]:
        """The faults in the file's order, each with file and line."""
        if not faults:
            return ()
        lines = key_lines(text)
        located = sorted((lines[key], fault) for key, fault in faults.items())
        problems = [f"{self.path}:{line}: {fault}" for line, fault in located]
        if len(faults) == _MOST_PROBLEMS:
            problems.append(_("{path}: there may be more faults; mend these first").format(path=self.path))
        return tuple(problems)

    def save(self, before: Settings, after: Settings) -> None:
        """Store what differs, leaving every other line as it is; the file is whole at any moment. SettingsError.

        A file that is not valid TOML is kept beside the new one as ``settings.toml.broken``.
        """
        changed = {f.name for f in dataclasses.fields(after) if getattr(before, f.name) != getattr(after, f.name)}
        if not changed:
            return
        target = self.path.resolve()  # a link into somebody's collection of configurations stays a link
        try:
            mark, document = self._document(target)
            for name in sorted(changed):
                _set(document, name, getattr(after, name))
            content = (mark + tomlkit.dumps(document)).encode()
            if len(content) > _LARGEST_BYTES:
                raise SettingsError(self._too_large())
            make_private_folder(target.parent)
            _write_whole(target, content)
        except OSError as error:
            raise SettingsError(
                _("cannot store the settings in {path}: {reason}").format(path=self.path, reason=error.strerror)
            ) from error

    def _document(self, target: Path) -> tuple[str, tomlkit.TOMLDocument]:
        """Byte-order mark, if any, and content of the file as it is now, which somebody may have edited since ``load``.

        A new one if there is none.
        """
        try:
            text = self._read()
            body = text.removeprefix(_BYTE_ORDER_MARK)
            document = tomlkit.parse(body)
        except FileNotFoundError:
            return "", _new_document()
        except (TOMLKitError, ValueError, RecursionError):
            target.replace(target.with_name(target.name + ".broken"))
            return "", _new_document()
        newer = self._newer(document)
        if newer:
            raise SettingsError(newer)
        return text[: len(text) - len(body)], document

    def _newer(self, table: Mapping[str, Any]) -> str:
        """Why the file must be left alone, or "" if it need not."""
        version = table.get("version", FORMAT)
        if not isinstance(version, int) or version <= FORMAT:
            return ""
        return _(
            "{path} is from a newer DenseNoiser (its version is {version}, this one writes {known}): "
            "it is left as it is, and changes last until the daemon ends"
        ).format(path=self.path, version=shown(version), known=FORMAT)

    def _read(self) -> str:
        """FileNotFoundError if there is none, SettingsError for anything that is not a readable text of a sane size."""
        try:
            if self.path.exists() and not self.path.is_file():
                raise SettingsError(_("{path} is not a file; remove it").format(path=self.path))
            with self.path.open("rb") as file:
                data = file.read(_LARGEST_BYTES + 1)
            if len(data) > _LARGEST_BYTES:
                raise SettingsError(self._too_large())
            return data.decode()
        except FileNotFoundError:
            raise
        except UnicodeDecodeError as error:
            raise SettingsError(
                _("{path}: byte {position} is not UTF-8").format(path=self.path, position=error.start)
            ) from error
        except OSError as error:
            raise SettingsError(
                _("cannot read {path}: {reason}").format(path=self.path, reason=error.strerror)
            ) from error

    def _too_large(self) -> str:
        return _("{path} is larger than {limit} bytes").format(path=self.path, limit=_LARGEST_BYTES)


def _new_document() -> tomlkit.TOMLDocument:
    document = tomlkit.document()
    document.add(tomlkit.comment(_("DenseNoiser's settings; see densenoiser(1).")))
    document.add("version", tomlkit.item(FORMAT))
    return document


def default_path() -> Path:
    """Where the settings of this user are."""
    return Path(platformdirs.user_config_dir("densenoiser")) / "settings.toml"


def _set(document: tomlkit.TOMLDocument, name: str, value: Any) -> None:
    write = declared()[name]["write"]
    if name not in TABLES:
        document[name] = write(value)
        return
    table = document.get(name)
    if not isinstance(table, tomlkit.items.AbstractTable):
        document.pop(name, None)
        table = tomlkit.table()
        document.add(name, table)
    for key in set(table) - set(value):
        del table[key]
    if not value:
        del document[name]
    for key, item in value.items():
        table[key] = write(item)


def _write_whole(target: Path, content: bytes) -> None:
    """Replace ``target`` by ``content`` such that a crash at any moment leaves the old file or the new one."""
    # One name, not a random one: what a crash leaves here, the next save takes away.
    unfinished = target.with_name(target.name + ".new")
    try:
        with open(unfinished, "wb", opener=private) as file:
            os.fchmod(file.fileno(), 0o600)  # a crash may have left one of another mode
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
