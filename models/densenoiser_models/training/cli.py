"""``densenoiser-train``: from recordings to a model, step by step."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import AudioFileError, ModelError
from ..model_file import DEFAULT_MODEL, user_models_folder, weights_folder


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it did its work, 1 with a message if it could not, 2 for wrong options."""
    options = _parser().parse_args(argv)
    try:
        status: int = options.run(options)
    except (AudioFileError, ModelError) as error:
        print(f"densenoiser-train {options.command}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="densenoiser-train", description="Train DenseNoiser's networks.")
    commands = parser.add_subparsers(dest="command", required=True)

    pool = commands.add_parser("pool", help="take recordings to the spectrum once, for training")
    _add_sources(pool)
    pool.add_argument("--out", type=Path, required=True, help="folder of the pool; about 1.5 GB an hour of speech")
    pool.add_argument(
        "--synthetic-hours", type=float, default=1.0, help="hours of generated machine noise (%(default)s)"
    )
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

    teach = commands.add_parser("teach", help="write what another filter makes of a pool's mixtures, to learn from")
    teach.add_argument("--pool", type=Path, required=True, help="pool to mix from")
    teach.add_argument("--teacher", default="DeepFilterNet3", help="a system that the evaluation knows (%(default)s)")
    teach.add_argument("--out", type=Path, required=True, help="folder of the lessons; 0.76 GB an hour")
    teach.add_argument("--hours", type=float, default=2.5, help="how much (%(default)s)")
    teach.add_argument("--seed", type=int, default=0, help="decides every draw (%(default)s)")
    teach.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)")
    teach.set_defaults(run=_teach)

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
    adapt.add_argument("--checkpoint", type=Path, default=weights_folder() / f"{DEFAULT_MODEL}.pt",
                       help="weights to start from (the default model's)")  # fmt: skip
    adapt.add_argument("--out", type=Path, default=user_models_folder(), help="folder to install in (%(default)s)")
    adapt.set_defaults(run=_adapt)
    return parser


def _add_fit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    fit = commands.add_parser("fit", help="train a network; start with torchrun for more than one process")
    fit.add_argument("--out", type=Path, required=True, help="folder of the run; an unfinished run there is resumed")
    fit.add_argument("--pool", required=True, help="pool to train on")
    fit.add_argument("--taught", default="", help="folder of lessons; half of the crops are theirs")
    fit.add_argument("--start", default="", help="checkpoint whose weights a new run begins with")
    fit.add_argument("--validation", required=True, help="pool that decides how good it is, of other recordings")
    fit.add_argument("--hours", type=float, default=float("inf"), help="stop after this many hours and save")
    _add_config(fit)
    fit.set_defaults(run=_fit)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--speech", type=Path, nargs="+", required=True, help="folders of clean speech, any layout")
    parser.add_argument("--noise", type=Path, nargs="+", required=True, help="folders of noise, any layout")
    parser.add_argument("--seed", type=int, default=0, help="decides every draw (%(default)s)")


_CONFIG_HELP = {
    "network": "what to train",
    "steps": "optimizer steps in all",
    "cooldown": "the last steps, over which the rate falls to nearly nothing",
    "warm_up": "first steps, over which the rate rises",
    "batch": "crops in one pass",
    "passes": "passes averaged in a step, spread over the processes",
    "frames": "frames of 10 ms in a crop",
    "rate": "learning rate",
    "weight_decay": "weight decay of Muon and AdamW",
    "clip": "largest gradient norm",
    "ema": "share of the averaged weights that a step keeps",
    "validate_every": "steps between validations and checkpoints",
    "validation_batches": "batches in a validation, of crops twice as long",
    "seed": "decides the first weights and every batch",
    "workers": "processes that draw batches ahead, for a GPU; 0: none",
    "device": "cpu or cuda",
    "precision": "fp32 or bf16",
}


def _add_config(parser: argparse.ArgumentParser) -> None:
    from .trainer import FitConfig  # noqa: PLC0415  (torch takes a second to load; the other commands do without)

    for field in fields(FitConfig):
        if field.name in _CONFIG_HELP:
            parser.add_argument(
                f"--{field.name.replace('_', '-')}",
                type=type(field.default),
                default=field.default,
                help=f"{_CONFIG_HELP[field.name]} (%(default)s)",
            )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True),
    )  # fmt: skip


def _pool(options: argparse.Namespace) -> int:
    from ..corpus.pool import build_pool  # noqa: PLC0415

    with _progress() as progress:
        task = progress.add_task("pool", total=None)
        for done, total in build_pool(
            options.out, options.speech, options.noise, options.synthetic_hours, options.seed, options.workers,
            options.noise_speeds, options.rooms,
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


def _teach(options: argparse.Namespace) -> int:
    from .lessons import LESSON_SECONDS, write_lessons  # noqa: PLC0415

    lessons = max(1, round(options.hours * 3600 / LESSON_SECONDS))
    with _progress() as progress:
        task = progress.add_task("teach", total=lessons)
        for done in write_lessons(options.out, options.pool, options.teacher, lessons, options.seed, options.workers):
            progress.update(task, completed=done)
    _say(f"{options.out}: {lessons} lessons of {options.teacher}")
    return 0


def _fit(options: argparse.Namespace) -> int:
    from .progress import fit  # noqa: PLC0415
    from .trainer import FitConfig  # noqa: PLC0415

    config = FitConfig(**{field.name: getattr(options, field.name) for field in fields(FitConfig)})
    fit(config, options.out, options.hours * 3600)
    return 0


def _export(options: argparse.Namespace) -> int:
    from .export import export, read_manifest, read_metrics  # noqa: PLC0415

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
