"""``densenoiser-train``: from recordings to a model, step by step."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..arguments import Parser, positive
from ..errors import AudioFileError, ModelError
from ..model_file import DEFAULT_MODEL, user_models_folder, weights_folder

ADAPTED_MODEL = "densenet-next"
"""The model whose weights are kept to go on from; those of earlier networks are of no use to this code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it did its work, 1 with a message if it could not, 2 for wrong options."""
    options = _parser().parse_args(argv)
    try:
        status: int = options.run(options)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("densenoiser"):
            raise
        print(  # noqa: T201
            f"densenoiser-train {options.command} needs the Python package {error.name}; "
            "install it with: pip install 'densenoiser[train]'",
            file=sys.stderr,
        )
        return 1
    except (AudioFileError, ModelError) as error:
        print(f"densenoiser-train {options.command}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="densenoiser-train", description="Train DenseNoiser's networks.")
    commands = parser.add_subparsers(dest="command", required=True)

    pool = commands.add_parser("pool", help="take recordings to the spectrum once, for training")
    _add_sources(pool)
    pool.add_argument("--out", type=Path, required=True, help="folder of the pool; about 1.5 GB an hour of speech")
    pool.add_argument(
        "--synthetic-hours", type=float, default=1.0, help="hours of generated machine noise (%(default)s)"
    )
    pool.add_argument("--made-hours", type=float, default=0.0, help="hours of made noise of other kinds (%(default)s)")
    pool.add_argument(
        "--noise-speeds", type=int, default=2, help="times a noise is taken at another speed (%(default)s)"
    )
    pool.add_argument(
        "--rooms",
        type=Path,
        nargs="+",
        default=(),
        help="folders of recorded room responses; half the rooms are theirs",
    )
    pool.add_argument(
        "--manifest",
        type=Path,
        help="table that names the kind of each noise (columns path and noise_class), for recipes",
    )
    pool.add_argument(
        "--samples", action="store_true", help="keep samples in place of spectra, to be mixed on a GPU; 0.35 GB an hour"
    )
    pool.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)")
    pool.set_defaults(run=_pool)

    mix = commands.add_parser("mix", help="write a fixed set of noisy and clean pairs, for evaluation")
    _add_sources(mix)
    mix.add_argument("--out", type=Path, required=True, help="folder for clean/, noisy/ and pairs.csv")
    mix.add_argument("--pairs", type=int, default=160, help="how many (%(default)s)")
    mix.add_argument("--seconds", type=float, default=8.0, help="length of each (%(default)s)")
    mix.add_argument("--snr", type=float, nargs=2, default=(-5.0, 15.0), metavar=("LOW", "HIGH"),
                     help="active speech over noise, dB (-5 15)")  # fmt: skip
    mix.add_argument("--level", type=float, nargs=2, default=(-35.0, -15.0), metavar=("LOW", "HIGH"),
                     help="active speech level, dBFS (-35 -15)")  # fmt: skip
    mix.set_defaults(run=_mix)

    _add_fit(commands)
    export = commands.add_parser("export", help="write NAME.onnx and NAME.json from a checkpoint")
    export.add_argument("checkpoint", type=Path, help="last.pt of a run")
    export.add_argument("--out", type=Path, default=weights_folder(), help="folder (%(default)s)")
    export.add_argument("--name", default=DEFAULT_MODEL, help="name of the model (%(default)s)")
    export.add_argument("--description", default="Causal DenseNet, 48 kHz, 20 ms", help="for the sidecar")
    export.add_argument("--manifest", type=Path, help="table of the training data and its licences, for the sidecar")
    export.add_argument("--metrics", type=Path, help="summary.json of the evaluation, for the sidecar")
    export.set_defaults(run=_export)
    adapt = commands.add_parser("adapt", help="train the shipped model on for your own noise, and install the result")
    adapt.add_argument("noise", type=Path, help="recording of your noise alone, 20 s or more; a minute is good")
    adapt.add_argument("--speech", type=Path, nargs="+", required=True, help="folders of clean speech, any layout")
    adapt.add_argument("--name", default="my-place", help="name of the new model (%(default)s)")
    adapt.add_argument("--minutes", type=float, default=5.0, help="time to train (%(default)s)")
    adapt.add_argument("--checkpoint", type=Path, default=weights_folder() / f"{ADAPTED_MODEL}.pt",
                       help="weights to start from (those of densenet-next)")  # fmt: skip
    adapt.add_argument("--out", type=Path, default=user_models_folder(), help="folder to install in (%(default)s)")
    adapt.set_defaults(run=_adapt)
    return parser


def _add_fit(commands: argparse._SubParsersAction[Parser]) -> None:
    fit = commands.add_parser("fit", help="train a network; start with torchrun for more than one process")
    fit.add_argument("--out", type=Path, required=True, help="folder of the run; an unfinished run there is resumed")
    fit.add_argument("--pool", type=Path, required=True, help="pool to train on")
    fit.add_argument(
        "--validation", type=Path, required=True, help="pool that decides how good it is, of other recordings"
    )
    fit.add_argument("--recipe", default="small", help="what to train and how: a name or a .toml file (%(default)s)")
    fit.add_argument("--rate", type=float, help="learning rate, in place of the recipe's")
    fit.add_argument("--start", type=Path, help="checkpoint whose averaged weights a new run begins with")
    fit.add_argument("--steps", type=positive, default=6000, help="optimizer steps in all (%(default)s)")
    fit.add_argument("--cooldown", type=int, default=1200,
                     help="the last steps, over which the rate falls to nearly nothing (%(default)s)")  # fmt: skip
    fit.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long, and save")
    fit.add_argument("--passes", type=positive, default=2,
                     help="parts of a step, shared among the processes; more take less memory (%(default)s)")  # fmt: skip
    fit.add_argument("--validate-every", type=positive, default=500,
                     help="steps between validations and checkpoints (%(default)s)")  # fmt: skip
    fit.add_argument("--validation-batches", type=positive, default=24,
                     help="batches in a validation, of crops twice as long (%(default)s)")  # fmt: skip
    fit.add_argument("--seed", type=int, default=0, help="decides the first weights and every batch (%(default)s)")
    fit.add_argument("--workers", type=int, default=0,
                     help="processes that draw batches ahead, for a GPU (%(default)s)")  # fmt: skip
    fit.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(%(default)s)")
    fit.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto",
                     help="auto: bf16 where the processor has units for it")  # fmt: skip
    fit.add_argument("--compile", action="store_true",
                     help="let torch compile the steps first: some minutes, then 1.4 times as fast on a CPU")  # fmt: skip
    fit.add_argument(
        "--profile", action="store_true", help="take a few steps, print what they spend their time on, and end"
    )
    fit.set_defaults(run=_fit)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--speech", type=Path, nargs="+", required=True, help="folders of clean speech, any layout")
    parser.add_argument("--noise", type=Path, nargs="+", required=True, help="folders of noise, any layout")
    parser.add_argument("--seed", type=int, default=0, help="decides every draw (%(default)s)")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True),
    )  # fmt: skip


def _pool(options: argparse.Namespace) -> int:
    from ..corpus.pool import build_pool  # noqa: PLC0415
    from ..corpus.sample_pool import build_sample_pool  # noqa: PLC0415

    with _progress() as progress:
        task = progress.add_task("pool", total=None)
        for done, total in (build_sample_pool if options.samples else build_pool)(
            options.out, options.speech, options.noise, options.synthetic_hours, options.seed, options.workers,
            options.noise_speeds, options.rooms, options.manifest, options.made_hours,
        ):  # fmt: skip
            progress.update(task, completed=done, total=total)
    left_out = len((options.out / "left_out.csv").read_text(encoding="utf-8").splitlines()) - 1
    _say(f"{options.out}: {done - left_out} recordings; {left_out} left out, listed in left_out.csv")
    return 0


def _mix(options: argparse.Namespace) -> int:
    from ..evaluation.pair_maker import PairPlan, Sources, write_pairs  # noqa: PLC0415

    plan = PairPlan(options.pairs, options.seconds, tuple(options.snr), tuple(options.level), seed=options.seed)
    speech, noise = Sources(options.speech), Sources(options.noise)
    with _progress() as progress:
        for _ in progress.track(write_pairs(options.out, speech, noise, plan), total=plan.pairs, description="mix"):
            pass
    for reason in (speech.left_out | noise.left_out).values():
        _say(f"left out: {reason}")
    _say(f"{options.out}: {plan.pairs} pairs, listed in pairs.csv")
    return 0


def _fit(options: argparse.Namespace) -> int:
    from .progress import choose_precision, fit, profile  # noqa: PLC0415  (torch takes a second to load)
    from .recipe import find_recipe  # noqa: PLC0415
    from .trainer import Run  # noqa: PLC0415

    recipe = find_recipe(options.recipe)
    if options.rate is not None:
        recipe = replace(recipe, rate=options.rate)
    precision, why = (
        choose_precision(options.device) if options.precision == "auto" else (options.precision, "as asked")
    )
    if os.environ.get("RANK", "0") == "0":
        _say(f"{recipe.network} in {precision}: {why}")
    run = Run(
        options.pool, options.validation, options.steps, options.cooldown, options.passes, options.validate_every,
        options.validation_batches, options.seed, options.workers, options.device, precision, options.compile,
    )  # fmt: skip
    if options.profile:
        profile(recipe, run, options.out)
        return 0
    fit(recipe, run, options.out, options.start, options.minutes * 60)
    return 0


def _export(options: argparse.Namespace) -> int:
    from .export import export  # noqa: PLC0415
    from .provenance import read_manifest, read_metrics  # noqa: PLC0415

    data = read_manifest(options.manifest) if options.manifest else []
    metrics = read_metrics(options.metrics) if options.metrics else None
    done = export(options.checkpoint, options.out, options.name, options.description, data, metrics)
    _say(
        f"{done.path}: {done.parameters} parameters, {done.nodes} nodes, {done.million_macs_per_second:.1f} MMAC/s; "
        f"frame by frame equal to {done.streaming_error:.0e}, in ONNX Runtime to {done.onnx_error:.0e}"
    )
    return 0


def _adapt(options: argparse.Namespace) -> int:
    from .adapt import adapt  # noqa: PLC0415

    with _progress() as progress:
        task = progress.add_task("adapt", total=None)
        done = adapt(
            options.checkpoint, options.noise, options.speech, options.out, options.name, options.minutes * 60,
            lambda row: progress.update(task, completed=int(row["step"]), description=f"loss {row['train']:.4f}"),
        )  # fmt: skip
    _say(f"loss on your noise: {done.own_before:.4f} before, {done.own_after:.4f} after")
    _say(f"loss on other noise: {done.general_before:.4f} before, {done.general_after:.4f} after")
    if done.installed is None:
        _say("not installed: the result is no better than the model it came from")
        return 1
    _say(f"installed {done.installed.path}; choose it with --model {options.name}")
    return 0


def _say(text: str) -> None:
    print(text)  # noqa: T201
