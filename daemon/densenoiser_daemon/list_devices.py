"""``densenoised --list-devices``: the microphones as the sound server has them, without a running daemon."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from .audio.backend import Microphone
from .i18n import _


def print_microphones(microphones: tuple[Microphone, ...], chosen: str | None, server: str) -> None:
    """A table on standard output; ``chosen`` is the name of the one that would be taken now."""
    table = Table(title=_("Microphones of {server}").format(server=server), title_justify="left")
    for heading in ("", _("index"), _("name"), _("description"), _("rate, Hz")):
        table.add_column(heading, overflow="fold")
    for m in microphones:
        mark = "→" if m.name == chosen else ""
        table.add_row(mark, str(m.index), m.name, m.description, str(m.sample_rate))
    console = Console()
    console.print(table)
    if not microphones:
        console.print(_("There is no microphone; plug one in."))
