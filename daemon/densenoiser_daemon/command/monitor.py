"""``densenoiser monitor``: live meters in the terminal, with keys; lines of text where no terminal is."""

from __future__ import annotations

import asyncio
import math
import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from densenoiser_models.shown_text import one_line

from ..errors import DensenoiserError
from ..i18n import _
from . import status_text
from .daemon_client import DaemonClient, Properties
from .keyboard import pressed_keys
from .terminal import say

STRENGTHS_DB = (0.0, 6.0, 12.0, 20.0, 30.0, math.inf)
"""What + and - go through."""
_FLOOR_DBFS = -60.0
_LOUD_DBFS = -6.0
_WIDTH = 40
_LINE_SECONDS = 1.0


async def monitor(client: DaemonClient) -> None:
    """Draw until q is pressed, the daemon ends (NotRunningError) or the caller is interrupted."""
    console = Console()
    if console.is_terminal:
        await _draw_live(client, console)
        return
    said_at = -math.inf
    async for values in client.changes(with_levels=True):
        if time.monotonic() - said_at >= _LINE_SECONDS:
            said_at = time.monotonic()
            say(f"{time.strftime('%H:%M:%S')}  {line(values)}")


def line(values: Properties, bars: int = 0, marks: str = "#.") -> str:
    """The picture in one line; with bars of so many characters, full and empty ones as in ``marks``."""
    meters = [
        (_("before"), 1.0 - values["InputLevel"] / _FLOOR_DBFS, _level(values["InputLevel"])),
        (_("after"), 1.0 - values["OutputLevel"] / _FLOOR_DBFS, _level(values["OutputLevel"])),
    ]
    texts = [f"{label} {_bar(share, '', bars, marks).plain} {level}" for label, share, level in meters]
    return one_line("  ".join([*texts, status_text.headline(values)]))


def draw(values: Properties, hint: str = "", marks: str = "█░") -> RenderableType:
    """One picture of the daemon: what goes in, what comes out, what was removed. ``hint`` says how to go on."""
    meters = Table.grid(padding=(0, 2))
    meters.add_row(_("before"), meter(values["InputLevel"], marks), Text(_level(values["InputLevel"])))
    meters.add_row(_("after"), meter(values["OutputLevel"], marks), Text(_level(values["OutputLevel"])))
    removed = values["NoiseReduction"]
    bar = _bar(removed / -_FLOOR_DBFS, "cyan", _WIDTH, marks)
    meters.add_row(_("removed"), bar, _("{level:6.1f} dB").format(level=removed))
    facts = Table.grid(padding=(0, 2))
    for label, text in status_text.lines(values):
        if label != _("Levels"):
            facts.add_row(Text(label, style="dim"), Text(one_line(text)))
    return Panel(
        Group(meters, Text(), facts), title="DenseNoiser", subtitle=Text(hint or _("Ctrl+C ends")), expand=False
    )


def meter(level_dbfs: float, marks: str = "█░") -> Text:
    """A bar from -60 dBFS to full scale; red where it comes near clipping."""
    return _bar(1.0 - level_dbfs / _FLOOR_DBFS, "red" if level_dbfs > _LOUD_DBFS else "green", _WIDTH, marks)


def stepped(strength_db: float, up: bool) -> float:
    """The next strength above or below; the same at either end."""
    others = [db for db in STRENGTHS_DB if (db > strength_db if up else db < strength_db)]
    if not others:
        return strength_db
    return min(others) if up else max(others)


async def press(client: DaemonClient, key: str, values: Properties) -> None:
    """Do what a key stands for; nothing for other keys. DensenoiserError if the daemon refuses."""
    match key.lower():
        case "t":
            await client.call("Toggle")
        case "m":
            await client.set("Muted", "b", not values["Muted"])
        case "+" | "=" | "-":
            await client.set("Strength", "d", stepped(values["Strength"], up=key != "-"))


async def _draw_live(client: DaemonClient, console: Console) -> None:
    marks = "█░" if console.encoding.lower().startswith("utf") else "#."
    # rich draws nothing over the last picture on a terminal that it does not know; a carriage return works on all.
    is_plain = console.is_dumb_terminal
    with (
        pressed_keys() as keys,
        Live(console=console, refresh_per_second=10, transient=True, auto_refresh=not is_plain) as live,
    ):
        hint = _("Ctrl+C ends") if keys is None else _("t: on or off  m: mute  + -: strength  q: end")
        shown: Properties = {}

        async def follow() -> None:
            async for values in client.changes(with_levels=True):
                shown.update(values)
                if is_plain:
                    text = line(values, bars=10, marks=marks)
                    console.file.write("\r" + text[: console.width - 1].ljust(console.width - 1))
                    console.file.flush()
                else:
                    live.update(draw(values, hint, marks))

        async def obey(keys: asyncio.Queue[str]) -> None:
            nonlocal hint
            while (key := await keys.get()).lower() != "q":
                if shown:
                    try:
                        await press(client, key, shown)
                    except DensenoiserError as error:
                        hint = str(error)

        tasks = [asyncio.ensure_future(follow())]
        if keys is not None:
            tasks.append(asyncio.ensure_future(obey(keys)))
        try:
            done, _others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _bar(share: float, style: str, width: int, marks: str) -> Text:
    # A level of -inf is an empty bar; so is a reduction that is not a number yet.
    filled = round(width * min(max(share, 0.0), 1.0)) if math.isfinite(share) else 0
    return Text(marks[0] * filled, style=style).append(marks[1] * (width - filled), style="dim")


def _level(level_dbfs: float) -> str:
    return _("silence") if math.isinf(level_dbfs) else _("{level:6.1f} dB").format(level=level_dbfs)
