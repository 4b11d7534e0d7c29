"""What people chose for tray and window, kept in an INI file: language, notifications, whether the first steps were shown."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

_SECTION = "desktop"


def language() -> str:
    """The chosen language, such as "ru"; empty: the desktop's."""
    return _read("language")


def set_language(code: str) -> None:
    """In force when a program starts. OSError if the folder refuses."""
    _write("language", code)


def has_notifications() -> bool:
    """Whether the tray tells of trouble by notifications."""
    return _read("notifications") != "off"


def set_notifications(wanted: bool) -> None:
    """OSError if the folder refuses."""
    _write("notifications", "on" if wanted else "off")


def has_seen_first_steps() -> bool:
    """Whether the window has shown its first steps."""
    return _read("first-steps") == "seen"


def set_seen_first_steps() -> None:
    """OSError if the folder refuses."""
    _write("first-steps", "seen")


def _path() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "densenoiser" / "desktop.ini"


def _file() -> configparser.ConfigParser:
    """Empty if it cannot be read: then all is as it is at first."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(_path(), encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        parser.clear()
    return parser


def _read(key: str) -> str:
    return _file().get(_SECTION, key, fallback="")


def _write(key: str, value: str) -> None:
    parser = _file()
    if not parser.has_section(_SECTION):
        parser.add_section(_SECTION)
    parser.set(_SECTION, key, value)
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as stream:
        parser.write(stream)
    fresh.replace(path)
