"""``python -m tests.tools.engine_switching``: changes among all models and engines while an application listens.

It prints what the application heard of it: holes in the sound, and where; and what became of the daemon's memory.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table
from tests.tools.probes import rss_mib

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.measurement.demo import load_recording, start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, SERVER_KINDS, PrivateServer
from densenoiser_daemon.measurement.recorder import RATE, Recorder
from densenoiser_daemon.measurement.signal_match import silent_gaps
from densenoiser_models.engines import engines
from densenoiser_models.model_file import list_models

_NEAR_SECONDS = 0.3
"""A hole so soon after a change belongs to it."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 0 unless the daemon ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.engine_switching", description=__doc__)
    parser.add_argument("--server", choices=SERVER_KINDS, default="pulseaudio")
    parser.add_argument("--server-root", metavar="FOLDER", help="run the server in a chroot of this system")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="time from change to change")
    args = parser.parse_args(argv)
    if args.server_root:
        PrivateServer.prefix = ("chroot", args.server_root)
    speech, noise = load_recording()
    sound = 2 * speech + noise
    with tempfile.TemporaryDirectory(prefix="dn-") as name, PrivateServer(args.server, Path(name)) as server:
        soundfile.write(
            server.folder / "noisy.wav", np.tile(sound, 1 + int((60 * args.minutes + 60) * RATE / len(sound))), RATE
        )
        server.start_bus()
        command = [sys.executable, "-m", "densenoiser_daemon.main", "--device", MICROPHONE_NAME, "--strength", "20"]
        daemon = start_daemon(server, [*command, "--verbose"])
        server.play(server.folder / "noisy.wav")
        client = Recorder(server, SOURCE_NAME)
        time.sleep(2.0)
        begin = time.monotonic()
        moments, memory = [], defaultdict(list)
        for model in itertools.cycle([*list_models(), *engines()]):
            if time.monotonic() - begin > 60 * args.minutes or daemon.poll() is not None:
                break
            done = server.run([sys.executable, "-m", "densenoiser_daemon.command.cli", "model", model])
            if done.wait():
                sys.stderr.write(f"{model} was not taken\n")
            moments.append(time.monotonic())
            time.sleep(args.every)
            memory[model].append(rss_mib(daemon.pid))
        ended = daemon.poll()
        recording = client.stop()
        daemon.terminate()
        daemon.wait()
        log = (server.folder / "densenoised.log").read_text(errors="replace")
    gaps = silent_gaps(recording.since(begin))
    places = recording.moments(gaps, begin)
    near = [any(0 <= place - moment + 0.5 < 0.5 + _NEAR_SECONDS for moment in moments) for place in places]
    console = Console()
    console.print(
        f"{args.server}: {len(moments)} changes; the daemon {'ran on' if ended is None else f'ended: {ended}'}"
    )
    lengths = [1000 * length / RATE for _start, length in gaps]
    for words, wanted in (("at a change", True), ("elsewhere", False)):
        found = [round(length, 1) for length, is_near in zip(lengths, near, strict=True) if is_near == wanted]
        console.print(f"holes {words}: {len(found)}, {sum(found):.0f} ms: {found[:40]}")
    table = Table("model", "visits", "memory of the daemon and the engine, first / halfway / last, MiB")
    for model, values in memory.items():
        table.add_row(model, f"{len(values)}", f"{values[0]:.1f} / {values[len(values) // 2]:.1f} / {values[-1]:.1f}")
    console.print(table)
    console.print("\n".join(line for line in log.splitlines() if "ERROR" in line or "Counters" in line))
    return 0 if ended is None else 1


if __name__ == "__main__":
    sys.exit(main())
