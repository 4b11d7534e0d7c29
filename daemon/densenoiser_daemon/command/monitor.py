"""``densenoiser monitor``: live meters in the terminal."""

from __future__ import annotations

import math

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from densenoiser_models.shown_text import one_line

from ..i18n import _
from . import status_text
from .daemon_client import DaemonClient, Properties

_FLOOR_DBFS = -60.0
_LOUD_DBFS = -6.0
_WIDTH = 40


async def monitor(client: DaemonClient) -> None:
    """Draw until the daemon ends (NotRunningError) or the caller is interrupted."""
    console = Console()
    with Live(console=console, refresh_per_second=10, transient=console.is_terminal) as live:
        async for values in client.changes(with_levels=True):
            live.update(draw(values))


def draw(values: Properties) -> RenderableType:
    """One picture of the daemon: what goes in, what comes out, what was removed."""
    meters = Table.grid(padding=(0, 2))
    meters.add_row(_("before"), meter(values["InputLevel"]), _level(values["InputLevel"]))
    meters.add_row(_("after"), meter(values["OutputLevel"]), _level(values["OutputLevel"]))
    removed = values["NoiseReduction"]
    meters.add_row(_("removed"), _bar(removed / -_FLOOR_DBFS, "cyan"), _("{level:6.1f} dB").format(level=removed))
    facts = Table.grid(padding=(0, 2))
    for label, text in status_text.lines(values):
        facts.add_row(Text(label, style="dim"), Text(one_line(text)))
    return Panel(Group(meters, Text(), facts), title="DenseNoiser", subtitle=_("Ctrl+C ends"), expand=False)


def meter(level_dbfs: float) -> Text:
    """A bar from -60 dBFS to full scale; red where it comes near clipping."""
    return _bar(1.0 - level_dbfs / _FLOOR_DBFS, "red" if level_dbfs > _LOUD_DBFS else "green")


def _bar(share: float, style: str) -> Text:
    # A level of -inf is an empty bar; so is a reduction that is not a number yet.
    filled = round(_WIDTH * min(max(share, 0.0), 1.0)) if math.isfinite(share) else 0
    return Text("█" * filled, style=style).append("░" * (_WIDTH - filled), style="dim")


def _level(level_dbfs: float) -> Text:
    return Text(_("silence") if math.isinf(level_dbfs) else _("{level:6.1f} dBFS").format(level=level_dbfs))
