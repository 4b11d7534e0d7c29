"""The argument types and choices that several command lines share. This module imports fast."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from gettext import gettext as _
from typing import Any

from .strength import parse_strength

PROVIDERS = ("auto", "cpu", "cuda")
"""Where a model may run. "auto" takes the faster one."""


class Parser(argparse.ArgumentParser):
    """An argument parser that says what a mistyped command, value or option was probably meant to be."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            # More than argparse says, which lists all choices and leaves the search to the reader.
            sentence = _("unknown: {word!r}{nearest}; there are: {choices}")
            known = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(
                action,
                sentence.format(word=value, nearest=_nearest(str(value), known), choices=", ".join(known)),
            )

    def parse_args(  # type: ignore[override]  # argparse's overloads say the same
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            nearest = _nearest(word, self._options_of(parsed)) if word.startswith("-") else ""
            self.error(_("unknown: {word!r}{nearest}; see: {program} --help").format(
                word=unknown[0], nearest=nearest, program=self.prog
            ))  # fmt: skip
        return parsed

    def _options_of(self, parsed: argparse.Namespace) -> list[str]:
        """The options of the parser and of the command that was given."""
        options = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                command = action.choices.get(getattr(parsed, action.dest, ""))
                options += command._option_string_actions if command is not None else []
        return options


def _nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like ``word``, as a part of a sentence; empty if none is."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return _(", did you mean {word!r}").format(word=near[0]) if near else ""


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
