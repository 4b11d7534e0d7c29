"""Whether this is the bundle of a system package, and what that changes in what people are told."""

from __future__ import annotations

import sys
from gettext import gettext as _


def is_bundle() -> bool:
    """Whether the programs run from the bundle of a deb, rpm, Arch package or tarball, which pip cannot add to."""
    return bool(getattr(sys, "frozen", False))


def how_to_install(requirement: str) -> str:
    """How to get ``requirement``, written as pip wants it in a shell: pip's command, or that it cannot be had here."""
    if is_bundle():
        return _("the system's package cannot take it in, an installation by pipx can")
    return f"pip install {requirement}"
