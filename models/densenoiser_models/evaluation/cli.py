"""The command that scores noise filters over a folder of pairs. It resumes where an earlier run stopped."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from ..arguments import positive
from ..errors import AudioFileError, ModelError
from ..files.enhance import EXIT_INTERRUPTED
from ..model_file import DEFAULT_MODEL
from .alignment import delay_clips, measure_delay, without_delay
from .long_run import measure_drift
from .metrics import Score, available
from .pair_set import read_pairs, sample
from .peers import PEERS
from .report import check_harness, summarise, tables, write_files
from .scores import CLEAN, Row, score_system
from .systems import MissingSystemError, System, load_system


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "Score noise filters on a folder of pairs (clean/NAME, noisy/NAME, pairs.csv). Scores are kept as they are "
        "made: the same command goes on where it stopped, and only new models, files and metrics cost time."
    )
    parser.add_argument(
        "pairs", type=Path, metavar="PAIRS", help="the folder of pairs; densenoiser-train mix makes one"
    )
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="scores, tables and summaries")
    parser.add_argument(
        "--systems",
        nargs="+",
        default=[*PEERS, DEFAULT_MODEL, CLEAN],
        metavar="NAME",
        help=f"of {', '.join([*PEERS, CLEAN])}; models by name or .onnx path (default: those and {DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--nisqa-weights", type=Path, metavar="FILE", help="nisqa.tar of the NISQA project (non-commercial licence)"
    )
    parser.add_argument(
        "--drift", type=positive, metavar="MINUTES", help="also stream each model this long and compare its ends"
    )
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="only N pairs; the same ones, and more, for a larger N"
    )
    parser.add_argument(
        "--safety",
        type=positive,
        metavar="N",
        help="levels of clean, quiet and high speech and of noise on N pairs only",
    )


def run(args: argparse.Namespace) -> int:
    """Scores every system that is installed.

    Returns 0, or 1 if the pairs cannot be read, a system fails or the self-check fails, or 130 if interrupted.
    """
    console, complaints = Console(), Console(stderr=True)
    try:
        pairs = read_pairs(args.pairs)
    except AudioFileError as error:
        complaints.print(f"evaluation: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    if args.limit:
        pairs = sample(pairs, args.limit)
    metrics, missing = available(args.nisqa_weights)
    folder = args.output / "scores"
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[Row]] = {}
    drifts: dict[str, Score] = {}
    failed = False
    with Progress(console=complaints, disable=not complaints.is_terminal) as progress:
        for name in args.systems:
            task = progress.add_task(name, total=len(pairs))
            try:
                system = System(CLEAN, "1", lambda clean: clean) if name == CLEAN else load_system(name)
                rows[system.name] = score_system(
                    system, pairs, metrics, folder, partial(progress.advance, task), args.safety
                )
                if args.drift and name not in {*PEERS, CLEAN}:
                    aligned = without_delay(system.enhance, measure_delay(system.enhance, delay_clips(pairs)))
                    drifts[system.name] = measure_drift(aligned, pairs, args.drift)
            except MissingSystemError as error:
                missing.append(str(error))
            except (AudioFileError, ModelError) as error:
                missing.append(f"{name}: {error}")
                failed = True
            except KeyboardInterrupt:
                complaints.print("interrupted; what is scored is kept, and the same command goes on from there")
                return EXIT_INTERRUPTED
    summary = summarise(rows)
    for name, drift in drifts.items():
        summary[name] |= drift
    write_files(args.output, rows, summary)
    for table in tables(summary):
        console.print(table)
    wrong = check_harness(summary)
    for line in missing:
        complaints.print(f"left out: {line}", style="yellow", markup=False, soft_wrap=True)
    for line in wrong:
        complaints.print(line, style="red", markup=False, soft_wrap=True)
    return 1 if failed or wrong else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``python -m densenoiser_models.evaluation``. Returns the exit code of ``run``."""
    parser = argparse.ArgumentParser(prog="python -m densenoiser_models.evaluation")
    add_arguments(parser)
    return run(parser.parse_args(argv))
