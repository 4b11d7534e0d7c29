"""A training run as a person sees it: progress with the time left, curves, and more processes under torchrun."""

from __future__ import annotations

import os
from pathlib import Path

import torch
import torch.distributed as dist
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from .trainer import Fit, FitConfig


def fit(config: FitConfig, out: Path, seconds: float) -> None:
    """Train into ``out``, going on from its checkpoint if there is one; at most ``seconds``.

    Under torchrun (RANK and WORLD_SIZE set) the processes share every step; only the first one reports and writes.
    """
    if "RANK" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if config.device == "cuda" else "gloo")
        if config.device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    training = Fit(config, out)
    if training.checkpoint.exists():
        training.load(training.checkpoint)
    elif config.start:
        training.start_with(Path(config.start))
    board = SummaryWriter(out / "tensorboard") if not training.rank else None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=Console(stderr=True), disable=bool(training.rank)) as progress:
            task = progress.add_task("fit", total=config.steps, completed=training.step)

            def report(row: dict[str, float]) -> None:
                progress.update(task, completed=row["step"], description=f"loss {row['train']:.4f}")
                if board is None:
                    return
                for name in ("train", "validation", "rate"):
                    if name in row:
                        board.add_scalar(name, row[name], int(row["step"]))
                if "validation" in row:
                    progress.console.print(
                        f"step {row['step']:.0f}, {row['hours']:.1f} h of audio: "
                        f"train {row['train']:.4f}, validation {row['validation']:.4f}"
                    )
                    draw_curves(training.history, out / "curves.png")

            training.run(report, seconds)
    finally:
        if board is not None:
            board.close()
        if dist.is_initialized():
            dist.destroy_process_group()


def draw_curves(history: list[dict[str, float]], path: Path) -> None:
    """Training and validation loss over hours of audio, as a PNG."""
    from matplotlib.figure import Figure  # noqa: PLC0415  (slow to load, and not needed to train)

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name in ("train", "validation"):
        rows = [row for row in history if name in row]
        axes.plot([row["hours"] for row in rows], [row[name] for row in rows], label=name)
    axes.set(xlabel="hours of audio", ylabel="loss", yscale="log")
    axes.legend()
    figure.savefig(path, dpi=110)
