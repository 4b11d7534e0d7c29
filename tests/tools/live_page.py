"""``python -m tests.tools.live_page``: what the window's live page costs, beside a run without a window.

On a private server, with a voice in noise at the microphone and an application that listens; drawn without a graphics card.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table
from tests.support.window import Window
from tests.support.x_server import x_server
from tests.tools.probes import cpu_percent, rss_mib

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.command.daemon_client import DaemonClient
from densenoiser_daemon.measurement.demo import cpu_seconds, load_recording, start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, SERVER_KINDS, PrivateServer
from densenoiser_daemon.measurement.recorder import RATE, Recorder


@dataclass
class Run:
    """What was measured with or without the window."""

    daemon_percent: float
    transport_ms: float
    xruns: int
    dropped: int
    memory_mib: tuple[float, float]
    """Of the daemon, at the beginning and at the end."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; always 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.live_page", description=__doc__)
    parser.add_argument("--server", choices=SERVER_KINDS, default="pulseaudio")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each run")
    args = parser.parse_args(argv)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dn-")))
        server = stack.enter_context(PrivateServer(args.server, folder))
        display = stack.enter_context(x_server("560x780x24"))
        server.start_bus()
        stack.enter_context(mock.patch.dict("os.environ", server.environment))
        speech, noise = load_recording()
        sound = 2 * speech + noise
        repeats = 1 + int((120 * args.minutes + 90) * RATE / len(sound))
        soundfile.write(folder / "noisy.wav", np.tile(sound, repeats), RATE)
        daemon = start_daemon(server, [sys.executable, "-m", "densenoiser_daemon.main", "--device", MICROPHONE_NAME])
        server.play(folder / "noisy.wav")
        client = Recorder(server, SOURCE_NAME)
        time.sleep(5)
        alone = _measure(daemon.pid, 60 * args.minutes)
        window = Window(server.environment, display, False, "--frame-times").await_there()
        window.act("page tab", "Live")
        time.sleep(15)
        memory, began, at = rss_mib(window.process.pid), cpu_seconds(window.process.pid), time.monotonic()
        watched = _measure(daemon.pid, 60 * args.minutes)
        percent = 100 * (cpu_seconds(window.process.pid) - began) / (time.monotonic() - at)
        memory_after = rss_mib(window.process.pid)
        frames = window.close().strip().splitlines()[-1]
        client.stop()
        daemon.terminate()
        daemon.wait()
    table = Table(title=f"{args.server}, {args.minutes:g} minutes each")
    for title in ("", "daemon, % of a core", "transport ms", "xruns", "dropped", "daemon MiB"):
        table.add_column(title)
    for name, run in (("without a window", alone), ("live page", watched)):
        memories = f"{run.memory_mib[0]:.1f} to {run.memory_mib[1]:.1f}"
        figures = f"{run.daemon_percent:.1f}", f"{run.transport_ms:.1f}", f"{run.xruns}", f"{run.dropped}", memories
        table.add_row(name, *figures)
    Console().print(table)
    Console().print(f"The window: {percent:.1f} % of a core, {memory:.1f} to {memory_after:.1f} MiB; {frames}.")
    return 0


def _measure(pid: int, seconds: float) -> Run:
    before, memory = _properties(), rss_mib(pid)
    transports = []
    percents = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        percents.append(cpu_percent(pid, min(10.0, max(0.1, end - time.monotonic()))))
        transports.append(_properties()["TransportLatency"])
    after = _properties()
    xruns, dropped = (after["Counters"][name] - before["Counters"][name] for name in ("xruns", "dropped_frames"))
    mean = float(np.mean(percents))
    return Run(mean, float(np.median(transports)), xruns, dropped, (memory, rss_mib(pid)))


def _properties() -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with DaemonClient() as client:
            return await client.properties()

    return asyncio.run(ask())


if __name__ == "__main__":
    sys.exit(main())
