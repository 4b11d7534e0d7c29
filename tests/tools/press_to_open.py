"""``python -m tests.tools.press_to_open``: how soon push-to-talk opens the microphone, and how soon its release closes it.

Counted from the desktop's "Activated", before the portal passes it on, to the first frame with sound that the daemon has
written; the delay of the sound itself comes on top. On a private server of each kind, with the real portal.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table
from tests.support.fake_shortcuts import desktop
from tests.support.noted_writes import read_writes
from tests.support.tray_calls import triggers
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.measurement.demo import start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, SERVER_KINDS, PrivateServer
from densenoiser_daemon.measurement.recorder import RATE, Recorder

BOUND_MS = 60.0
_PATIENCE_SECONDS = 30.0


@dataclass
class Delays:
    """Milliseconds, one figure a press."""

    server: str
    opened: list[float] = field(default_factory=list)
    closed: list[float] = field(default_factory=list)


def measure(kind: str, presses: int) -> Delays:
    """Press and release so often on a private server."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dn-")))
        server = PrivateServer(kind, folder)
        _hide_services(Path(server.environment["XDG_DATA_HOME"]))
        stack.enter_context(server)
        server.start_bus()
        stack.enter_context(mock.patch.dict(os.environ, server.environment))
        tone = np.sin(2 * np.pi * 440 * np.arange(RATE * 60) / RATE) * 0.3
        soundfile.write(folder / "tone.wav", np.tile(tone, 1 + presses // 40), RATE)
        server.play(folder / "tone.wav")
        notes = folder / "writes"
        command = [sys.executable, "-m", "tests.support.noted_writes", str(notes), "--device", MICROPHONE_NAME]
        start_daemon(server, [*command, "--strength", "0", "--verbose"])  # the tone is no speech, and shall pass
        ear = Recorder(server, SOURCE_NAME)
        stack.callback(ear.stop)
        running = stack.enter_context(desktop(folder, server.environment, push_to_talk="F8"))
        server.environment["DISPLAY"] = ":no-such-display"  # a graphical session in name
        server.run([sys.executable, "-m", "densenoiser_tray.main", "--without-icon"])
        wait_until(lambda: triggers().get("push-to-talk") == "F8", _PATIENCE_SECONDS, "the shortcuts")
        wait_until(lambda: _last(notes) == "sound", _PATIENCE_SECONDS, "sound")
        chance = random.Random(1)
        found = Delays(kind)
        running.press("push-to-talk")
        running.release("push-to-talk")  # from now on it rests muted
        for _ in range(presses):
            wait_until(lambda: _last(notes) == "silence", _PATIENCE_SECONDS, "silence")
            time.sleep(chance.uniform(0.2, 0.3))
            moment = time.monotonic()
            running.press("push-to-talk")
            wait_until(lambda: _last(notes) == "sound", _PATIENCE_SECONDS, "sound after a press")
            found.opened.append(1000.0 * (read_writes(notes)[-1][1] - moment))
            time.sleep(chance.uniform(0.2, 0.3))
            moment = time.monotonic()
            running.release("push-to-talk")
            wait_until(lambda: _last(notes) == "silence", _PATIENCE_SECONDS, "silence after a release")
            found.closed.append(1000.0 * (read_writes(notes)[-1][1] - moment))
        return found


def _last(notes: Path) -> str:
    written = read_writes(notes)
    return written[-1][0] if written else ""


def _hide_services(data: Path) -> None:
    """The bus shall start nothing of the machine's own desktop."""
    services = data / "dbus-1" / "services"
    services.mkdir(parents=True)
    for name in ("org.freedesktop.portal.Documents", "org.freedesktop.impl.portal.PermissionStore"):
        text = f"[D-BUS Service]\nName={name}\nExec=/bin/false\n"
        (services / f"{name}.service").write_text(text, encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 0 if no press took longer than the bound."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.press_to_open", description=__doc__)
    parser.add_argument("--server", choices=SERVER_KINDS, action="append", help="default: each")
    parser.add_argument("--presses", type=int, default=50)
    args = parser.parse_args(argv)
    table = Table("server", "presses", "opened, median / worst, ms", "closed, median / worst, ms")
    worst = 0.0
    for kind in args.server or SERVER_KINDS:
        found = measure(kind, args.presses)
        worst = max(worst, *found.opened)
        cells = [f"{statistics.median(ms):.1f} / {max(ms):.1f}" for ms in (found.opened, found.closed)]
        table.add_row(kind, f"{args.presses}", *cells)
    console = Console()
    console.print(table)
    console.print(f"bound: {BOUND_MS:.0f} ms, {'kept' if worst <= BOUND_MS else 'not kept'}")
    return 0 if worst <= BOUND_MS else 1


if __name__ == "__main__":
    sys.exit(main())
