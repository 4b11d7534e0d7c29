"""``python -m tests.tools.soak``: runs the daemon on a private sound server, and measures what an application gets.

The figures in docs/measurements.md come from here: delay, dropouts, CPU, memory, idle cost, first sound.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table
from tests.tools import load_comparison
from tests.tools.probes import await_release, cpu_percent, microphone_readers, rss_mib, time_first_sound

from densenoiser_daemon.audio.pulse.virtual_microphone import SINK_NAME, SOURCE_NAME
from densenoiser_daemon.errors import BackendError
from densenoiser_daemon.measurement.demo import load_recording, start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, SERVER_KINDS, PrivateServer, available_kinds
from densenoiser_daemon.measurement.recorder import RATE, Recorder, Recording
from densenoiser_daemon.measurement.signal_match import breaks, delays, following, silent_gaps
from densenoiser_daemon.system import realtime
from densenoiser_models.evaluation.machine import heading
from densenoiser_models.stft import Samples

# The sound never falls to the server's digital silence (16 bits on PulseAudio), so exact zeros are holes in the delivery.
_STRENGTH_DB = "20"
_SETTLING_SECONDS = 2.0
_CONNECTIONS = 10
_GAP_REACH_SECONDS = 0.15
_BREAK_REACH_SECONDS = 0.5
"""Positions of breaks are known to a window of a quarter of a second, in either recording."""


@dataclass(frozen=True, slots=True)
class SoakReport:
    """What one run on one server measured. Times in ms unless named otherwise."""

    server: str
    seconds: float
    latency_median: float
    latency_p95: float
    latency_quarters: tuple[float, ...]
    """Medians of the four quarters of the run."""
    latency_windows: int
    sink_latency_median: float
    """Of it, up to the monitor of our sink: without the remapped source, and with another reader's block in its place."""
    gaps: int
    """Holes of 1 ms and more in what the application got."""
    gap_ms: float
    inherited_gaps: int
    """Those of them that the microphone itself had just before: the server's own, which pass through us."""
    microphone_gaps: int
    """Holes in what another application got from the microphone itself."""
    breaks: int
    """Places where the sound jumps against the signal that is played, by more than a correction of the clocks explains."""
    break_ms: float
    inherited_breaks: int
    """Those of them that the microphone itself had at about the same time."""
    microphone_breaks: int
    """Such places in what another application got from the microphone itself."""
    scheduling: str
    """Of the most urgent thread of each program."""
    counters: str
    """As the daemon logged them."""
    frame_cost_us: tuple[float, float]
    """Median and 99th percentile of the last minute, from a captured frame to its being queued, STFT and model included."""
    cpu_percent: float
    rss_first_mib: float
    rss_last_mib: float
    idle_cpu_percent: float
    idle_readers: int
    """Streams on the microphone after that time."""
    first_sounds: tuple[float, ...]
    """From each connection of an application to its first sound."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--server",
        choices=SERVER_KINDS,
        action="append",
        help="sound server; may be given twice (default: each that is installed)",
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="length of the run (default: %(default)s)")
    parser.add_argument(
        "--idle-seconds", type=float, default=60.0, help="length of the idle measurement (default: %(default)s)"
    )
    parser.add_argument("--model", help="model to filter with")
    parser.add_argument(
        "--load",
        type=int,
        metavar="N",
        help="count dropouts while stress-ng keeps N cores busy, with and without real-time scheduling",
    )
    parser.add_argument(
        "--ladspa",
        type=Path,
        metavar="FILE",
        help="with --load: RNNoise's LADSPA library, for a chain to compare with",
    )
    parser.add_argument(
        "--server-root", metavar="FOLDER", help="run the sound servers in a chroot of this system; see tests/servers"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print the table in Markdown, with machine and date")


def run(args: argparse.Namespace) -> int:
    """Soak on each server; exit code 0. BackendError if none is installed."""
    if args.server_root:
        PrivateServer.prefix = ("chroot", args.server_root)
    kinds = args.server or available_kinds()
    if not kinds:
        raise BackendError(
            "no sound server is installed: install pipewire, pipewire-pulse and wireplumber, or pulseaudio"
        )
    if args.load:
        load_comparison.print_reports(
            [r for kind in kinds for r in load_comparison.compare(kind, args.minutes, args.load, args.ladspa)],
            args.json,
        )
        return 0
    reports = [soak(kind, args.minutes * 60.0, args.idle_seconds, args.model) for kind in kinds]
    if args.json:
        sys.stdout.write(json.dumps([asdict(report) for report in reports], indent=2) + "\n")
    elif args.markdown:
        sys.stdout.write(_markdown(reports))
    else:
        _print(reports)
    return 0


def _print(reports: list[SoakReport]) -> None:
    servers = [report.server for report in reports]
    table = Table("", *servers, title="densenoised, measured from outside", title_justify="left")
    for label, text in _ROWS:
        table.add_row(label, *(text(report) for report in reports))
    Console().print(table)


def _markdown(reports: list[SoakReport]) -> str:
    rows = [["", *(report.server for report in reports)], ["---"] * (1 + len(reports))]
    rows += [[label, *(text(report) for report in reports)] for label, text in _ROWS]
    return heading("python -m tests.tools.soak") + "\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


_ROWS = (
    (
        "added latency, median / p95",
        lambda r: f"{r.latency_median:.1f} / {r.latency_p95:.1f} ms ({r.latency_windows} windows)",
    ),
    ("of it, up to our sink's monitor", lambda r: f"{r.sink_latency_median:.1f} ms"),
    ("medians of the quarters", lambda r: " ".join(f"{q:.1f}" for q in r.latency_quarters) + " ms"),
    ("dropouts", lambda r: _with_origin(r.gaps, r.gap_ms, r.inherited_gaps, r.microphone_gaps)),
    (
        "breaks in the known signal",
        lambda r: _with_origin(r.breaks, r.break_ms, r.inherited_breaks, r.microphone_breaks),
    ),
    ("scheduling", lambda r: r.scheduling),
    ("counters", lambda r: r.counters),
    ("a frame in the daemon, median / p99", lambda r: f"{r.frame_cost_us[0]:.0f} / {r.frame_cost_us[1]:.0f} us"),
    ("CPU while filtering", lambda r: f"{r.cpu_percent:.1f} %"),
    ("memory, first / last", lambda r: f"{r.rss_first_mib:.1f} / {r.rss_last_mib:.1f} MiB"),
    ("while idle", lambda r: f"{r.idle_cpu_percent:.2f} % CPU, {r.idle_readers} streams on the microphone"),
    (
        "first sound, median / max of 10",
        lambda r: f"{np.median(r.first_sounds):.0f} / {max(r.first_sounds):.0f} ms",
    ),
    ("each first sound", lambda r: " ".join(f"{t:.0f}" for t in r.first_sounds) + " ms"),
)


def _with_origin(count: int, milliseconds: float, inherited: int, microphone: int) -> str:
    return f"{count} ({milliseconds:.0f} ms); {inherited} of them from the microphone, which had {microphone}"


def soak(kind: str, seconds: float, idle_seconds: float, model: str | None = None) -> SoakReport:
    """One run on one kind of private server."""
    speech, noise = load_recording()
    with tempfile.TemporaryDirectory(prefix="densenoiser-") as name, PrivateServer(kind, Path(name)) as server:
        sound = 2 * speech + noise
        repeats = 1 + int((seconds + 90.0) * RATE / len(sound))
        soundfile.write(server.folder / "noisy.wav", np.tile(sound, repeats), RATE, subtype="PCM_16")
        arguments = [sys.executable, "-m", "densenoiser_daemon.main", "--device", MICROPHONE_NAME, "--verbose"]
        arguments += ["--strength", _STRENGTH_DB, *(["--model", model] if model is not None else [])]
        daemon = start_daemon(server, arguments)
        idle_cpu = cpu_percent(daemon.pid, idle_seconds)
        idle_readers = microphone_readers(server)
        server.play(server.folder / "noisy.wav")
        time.sleep(_SETTLING_SECONDS)
        first_sounds = [time_first_sound(server) for _n in range(_CONNECTIONS)]
        places = (MICROPHONE_NAME, SOURCE_NAME, f"{SINK_NAME}.monitor")
        microphone, application, sink = (Recorder(server, place) for place in places)
        time.sleep(_SETTLING_SECONDS)
        rss_first = rss_mib(daemon.pid)
        programs = {name: process.pid for name, process in server.processes.items() if name != "dbus-daemon"}
        programs["densenoised"] = daemon.pid
        scheduling = ", ".join(f"{name} {realtime.scheduling(pid)}" for name, pid in programs.items())
        cpu = cpu_percent(daemon.pid, seconds)
        rss_last = rss_mib(daemon.pid)
        heard, got, passed = microphone.stop(), application.stop(), sink.stop()
        await_release(server)
        daemon.terminate()
        daemon.wait()
        log = (server.folder / "densenoised.log").read_text(errors="replace")
        with server.control() as pulse:
            info = pulse.server_info()
            server_name = f"{info.server_name} {info.server_version}"
    return _report(
        server_name,
        seconds,
        sound,
        heard,
        got,
        passed,
        scheduling,
        log,
        cpu,
        (idle_cpu, idle_readers),
        (rss_first, rss_last),
        first_sounds,
    )


def _report(
    server: str,
    seconds: float,
    sound: Samples,
    heard: Recording,
    got: Recording,
    passed: Recording,
    scheduling: str,
    log: str,
    cpu: float,
    idle: tuple[float, int],
    rss: tuple[float, float],
    first_sounds: list[float],
) -> SoakReport:
    latencies = np.array([d.seconds for d in delays(heard, got)]) * 1e3
    begin = got.arrivals[0] + _SETTLING_SECONDS
    gaps, own_gaps = silent_gaps(got.since(begin)), silent_gaps(heard.since(begin))
    jumps, own_jumps = breaks(got.since(begin), sound), breaks(heard.since(begin), sound)
    counts = re.findall(r"Counters\(([^)]*)\)", log)
    costs = re.findall(r"a frame cost (\d+) us in the median, (\d+) us", log)
    return SoakReport(
        server=server,
        seconds=seconds,
        latency_median=float(np.median(latencies)) if len(latencies) else float("nan"),
        latency_p95=float(np.percentile(latencies, 95)) if len(latencies) else float("nan"),
        latency_quarters=tuple(float(np.median(q)) for q in np.array_split(latencies, 4) if len(q)),
        latency_windows=len(latencies),
        sink_latency_median=float(np.median([d.seconds for d in delays(heard, passed)] or [np.nan])) * 1e3,
        gaps=len(gaps),
        gap_ms=sum(length for _start, length in gaps) / RATE * 1e3,
        inherited_gaps=following(got.moments(gaps, begin), heard.moments(own_gaps, begin), _GAP_REACH_SECONDS),
        microphone_gaps=len(own_gaps),
        breaks=len(jumps),
        break_ms=sum(abs(jump) for _start, jump in jumps) / RATE * 1e3,
        inherited_breaks=following(got.moments(jumps, begin), heard.moments(own_jumps, begin), _BREAK_REACH_SECONDS),
        microphone_breaks=len(own_jumps),
        scheduling=scheduling,
        counters=counts[-1] if counts else "",
        frame_cost_us=(float(costs[-1][0]), float(costs[-1][1])) if costs else (float("nan"), float("nan")),
        cpu_percent=cpu,
        rss_first_mib=rss[0],
        rss_last_mib=rss[1],
        idle_cpu_percent=idle[0],
        idle_readers=idle[1],
        first_sounds=tuple(seconds * 1e3 for seconds in first_sounds),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit code is that of ``run``, or the error's."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.soak", description=__doc__)
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv))
    except BackendError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
