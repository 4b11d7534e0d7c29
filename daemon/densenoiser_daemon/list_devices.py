"""``densenoised --list-devices``: the microphones as the sound server has them, without a running daemon."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from densenoiser_models.shown_text import one_line

from .audio.backend import Microphone
from .errors import DensenoiserError
from .i18n import _


def print_microphones(microphones: tuple[Microphone, ...], chosen: str | None, server: str) -> None:
    """A table on standard output; ``chosen`` is the name of the one that would be taken now. DensenoiserError."""
    table = Table(title=_plain(_("Microphones of {server}").format(server=server)), title_justify="left")
    for heading in ("", _("index"), _("name"), _("description"), _("rate, Hz")):
        table.add_column(heading, overflow="fold")
    for m in microphones:
        mark = "→" if m.name == chosen else ""
        table.add_row(mark, str(m.index), _plain(m.name), _plain(m.description), str(m.sample_rate))
    console = Console()
    try:
        console.print(table)
        if not microphones:
            console.print(_("There is no microphone; plug one in."))
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter's last flush fails
        raise DensenoiserError(_("cannot write to standard output: {error}").format(error=error.strerror)) from error


def _plain(text: str) -> Text:
    """A foreign name as it is: what looks like markup in it is none."""
    return Text(one_line(text))
