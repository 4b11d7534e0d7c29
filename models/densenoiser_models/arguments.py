"""The argument types and choices that several command lines share. This module imports fast."""

from __future__ import annotations

import argparse
from gettext import gettext as _

from .strength import parse_strength

PROVIDERS = ("auto", "cpu", "cuda")
"""Where a model may run. "auto" takes the faster one."""


def strength(text: str) -> float:
    """Parses an attenuation limit, "full" or a number of dB from 0 up."""
    try:
        return parse_strength(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def positive(text: str) -> int:
    """Parses a whole number from 1 up."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(_("must be a whole number from 1 up, is {text!r}").format(text=text))
    return int(text)
