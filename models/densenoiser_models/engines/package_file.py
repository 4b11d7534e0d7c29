"""Finds what an installed package brings without importing it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path


def package_file(package: str, name: str) -> Path:
    """A file of an installed package, whose own dependencies may be missing. ImportError if it is not there."""
    try:
        found = [file for file in metadata.files(package) or () if file.name == name]
    except metadata.PackageNotFoundError as error:
        raise ImportError(f"{package} is not installed") from error
    if not found:
        raise ImportError(f"{package} holds no {name}")
    return Path(str(found[0].locate()))
