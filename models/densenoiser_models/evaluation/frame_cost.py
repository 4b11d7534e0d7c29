"""``densenoiser bench``: times one frame, part by part, in this process on this machine."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import onnxruntime as ort
from rich.console import Console
from rich.table import Table

from ..arguments import PROVIDERS
from ..denoiser import OnnxDenoiser
from ..errors import ModelError
from ..frame import FrameSpec
from ..mask_graph import MaskGraph
from ..model_file import DEFAULT_MODEL, ModelFile, load_model
from ..stft import Analysis, Samples, Synthesis
from .machine import cpu_name, heading

_COLUMNS = ("median us", "p10 us", "p99 us", "real-time factor")
WARM_UP_FRAMES = 100

Step = Callable[[Samples], object]


def part_steps(model: ModelFile, provider: str) -> dict[str, Step]:
    """The parts of processing a frame, each a function of the frame. They must run in the order of the dict."""
    analysis, graph, synthesis = Analysis(model.spec), MaskGraph(model, provider), Synthesis(model.spec)
    spectrum = mask = np.zeros(model.spec.bins, np.complex64)

    def analyse(frame: Samples) -> None:
        nonlocal spectrum
        spectrum = analysis.process(frame)

    def run_graph(_: Samples) -> None:
        nonlocal mask
        mask = graph.process(spectrum)

    def synthesise(_: Samples) -> Samples:
        np.multiply(spectrum, mask, out=mask)
        return synthesis.process(mask)

    return {"analysis": analyse, "graph": run_graph, "synthesis": synthesise}


@contextmanager
def peer_step(name: str) -> Iterator[tuple[Step, float]]:
    """A peer's step, and the factor that scales its time to 10 ms of audio.

    The step gets the first samples of the frame, one hop of its own. ModelError if the peer is not installed, or does
    not work frame by frame.
    """
    # Imported only here, because most installations lack the optional packages that these modules need.
    from .framewise import FramewiseSystem  # noqa: PLC0415
    from .systems import MissingSystemError, load_system  # noqa: PLC0415

    try:
        peer = load_system(name).enhance
    except MissingSystemError as error:
        raise ModelError(str(error)) from error
    if not isinstance(peer, FramewiseSystem):
        raise ModelError(f"{name} does not work frame by frame")
    hop = peer.hop
    with peer.start() as process:
        yield lambda frame: process(frame[:hop]), FrameSpec().hop_seconds * peer.rate / hop


def syllables(spec: FrameSpec, frames: int) -> Samples:
    """Noise that swells and fades four times a second like syllables, shape (frames, hop), with peaks near -10 dBFS."""
    noise = np.random.default_rng(0).standard_normal(frames * spec.hop)
    rhythm = 0.5 - 0.5 * np.cos(2 * np.pi * 4.0 / spec.sample_rate * np.arange(frames * spec.hop))
    return np.asarray(0.1 * rhythm * noise, np.float32).reshape(frames, spec.hop)


def time_steps(steps: Mapping[str, Step], signal: Samples, pace_seconds: float = 0.0) -> dict[str, list[float]]:
    """The seconds that each step took for each frame.

    All steps take turns on each frame, so that all run under the same conditions. With ``pace_seconds`` each frame waits
    until it is due, as with a microphone. The caches are then as cold as in use.
    """
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for frame in signal[:WARM_UP_FRAMES]:
        for step in steps.values():
            step(frame)
    due = time.perf_counter()
    for frame in signal:
        if pace_seconds:
            due += pace_seconds
            time.sleep(max(0.0, due - time.perf_counter()))
        for name, step in steps.items():
            start = time.perf_counter()
            step(frame)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def summarise(seconds: list[float], hop_seconds: float) -> dict[str, float]:
    """The median, p10 and p99 in microseconds per frame, and the median as a share of real time."""
    p10, median, p99 = np.percentile(seconds, [10, 50, 99])
    micro = {"median_us": median * 1e6, "p10_us": p10 * 1e6, "p99_us": p99 * 1e6}
    return {key: round(float(value), 1) for key, value in micro.items()} | {
        "rtf": round(float(median / hop_seconds), 5)
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "Time one 10 ms frame: analysis, graph, synthesis, and the whole, each frame through all in turn."
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a model's name or .onnx path (default: %(default)s)")
    parser.add_argument(
        "--provider", choices=PROVIDERS, default="cpu", help="where the model runs (default: %(default)s)"
    )
    parser.add_argument(
        "--frames", type=_frames, default=3000, metavar="N", help="frames to time (default: %(default)s)"
    )
    parser.add_argument("--paced", action="store_true", help="wait for each frame as a microphone would: colder caches")
    parser.add_argument(
        "--compare",
        nargs="+",
        default=[],
        metavar="NAME",
        help="time other models and filters in the same run, frame by frame in turn: a model's name, or "
        "'RNNoise 0.2', GTCRN, DeepFilterNet3, ... as evaluate names them (extra eval)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    form.add_argument("--markdown", action="store_true", help="print the table in Markdown, with machine and date")


def run(args: argparse.Namespace) -> int:
    """Measures and prints. Returns 0, or 1 if the model or another filter is not available."""
    scales: dict[str, float] = {}
    with ExitStack() as peers:
        try:
            model = load_model(args.model)
            parts = part_steps(model, args.provider)
            steps: dict[str, Step] = {"whole": OnnxDenoiser(model, args.provider).process}
            for name in args.compare:
                steps[name], scales[name] = peers.enter_context(peer_step(name))
        except ModelError as error:
            Console(stderr=True).print(f"densenoiser bench: {error}", style="red", markup=False, soft_wrap=True)
            return 1
        pace = model.spec.hop_seconds if args.paced else 0.0
        signal = syllables(model.spec, args.frames)
        # Timed separately. Each copy of the weights would push the other out of the caches.
        seconds = time_steps(parts, signal, pace) | time_steps(steps, signal, pace)
    report: dict[str, Any] = {
        "model": model.name,
        "sha256": model.sha256,
        "provider": args.provider,
        "frames": args.frames,
        "paced": args.paced,
        "hop_ms": model.spec.hop_seconds * 1e3,
        "cpu": cpu_name(),
        "load_average": round(os.getloadavg()[0], 2),
        "onnxruntime": ort.__version__,
        "python": platform.python_version(),
        "steps": {
            name: summarise([scales.get(name, 1.0) * value for value in values], model.spec.hop_seconds)
            for name, values in seconds.items()
        },
    }
    if args.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    elif args.markdown:
        sys.stdout.write(_markdown(report))
    else:
        Console().print(_table(report))
    return 0


def _table(report: dict[str, Any]) -> Table:
    pace = "paced" if report["paced"] else "back to back"
    table = Table(
        title=f"{report['model']}: {report['frames']} frames of {report['hop_ms']:g} ms, {pace}",
        caption=f"{report['cpu']}, load {report['load_average']}, ONNX Runtime {report['onnxruntime']}",
    )
    table.add_column("step")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for name, row in report["steps"].items():
        table.add_row(*_cells(name, row), style="bold" if name == "whole" else None)
    return table


def _markdown(report: dict[str, Any]) -> str:
    rows = [("step", *_COLUMNS), ("---",) * (1 + len(_COLUMNS))]
    rows += [_cells(name, row) for name, row in report["steps"].items()]
    return heading("densenoiser bench") + "\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cells(name: str, row: dict[str, float]) -> tuple[str, ...]:
    return name, *(f"{row[key]:.1f}" for key in ("median_us", "p10_us", "p99_us")), f"{row['rtf']:.4f}"


def _frames(text: str) -> int:
    if not text.isdecimal() or int(text) < WARM_UP_FRAMES:
        raise argparse.ArgumentTypeError(f"must be a whole number from {WARM_UP_FRAMES} up, is {text!r}")
    return int(text)
