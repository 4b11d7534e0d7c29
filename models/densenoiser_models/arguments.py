"""Command-line arguments that several programs share: their types and choices. Light to import."""

from __future__ import annotations

import argparse
from gettext import gettext as _

from .strength import parse_strength

PROVIDERS = ("auto", "cpu", "cuda")
"""Where a model may run; "auto" takes the faster one."""


def strength(text: str) -> float:
    """An attenuation limit: "full", or a number of dB from 0 up."""
    try:
        return parse_strength(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def positive(text: str) -> int:
    """A whole number from 1 up."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(_("must be a whole number from 1 up, is {text!r}").format(text=text))
    return int(text)
