"""A training run as a person sees it: progress with the time left, curves, and more processes under torchrun."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
import torch.distributed as dist
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from torch.profiler import ProfilerActivity
from torch.profiler import profile as torch_profile
from torch.utils.tensorboard import SummaryWriter

from ..networks.memory_kernels import use_fast_memory
from .recipe import Recipe
from .trainer import Run, Trainer


def fit(recipe: Recipe, run: Run, out: Path, start: Path | None, seconds: float) -> None:
    """Train into ``out`` for at most ``seconds``, going on from its checkpoint if there is one, else from ``start``.

    Under torchrun (RANK and WORLD_SIZE set) the processes share every step; only the first one reports and writes.
    """
    if "RANK" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if run.device == "cuda" else "gloo")
        if run.device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    memory = use_fast_memory(run.device, run.precision)
    training = Trainer(recipe, run, out)
    if not training.rank:
        Console(stderr=True).print(memory, soft_wrap=True)
    if training.checkpoint.exists():
        training.load(training.checkpoint)
    elif start is not None:
        training.start_with(start)
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
            task = progress.add_task("fit", total=run.steps, completed=training.step)

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

            training.train(report, seconds)
    finally:
        if board is not None:
            board.close()
        if dist.is_initialized():
            dist.destroy_process_group()


def profile(recipe: Recipe, run: Run, out: Path, steps: int = 4) -> None:
    """Take a few steps, and print how much of the time each kind of operation took; nothing is stored."""
    console = Console()
    console.print(use_fast_memory(run.device, run.precision), soft_wrap=True)
    training = Trainer(recipe, run, out)
    draw = training.batches()
    training.train_step(draw)  # compiles
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (run.device == "cuda")
    begun = time.monotonic()
    with torch_profile(activities=activities) as profiler:
        for _ in range(steps):
            training.train_step(draw)
    seconds = (time.monotonic() - begun) / steps
    spent = {e.key: e.self_device_time_total or e.self_cpu_time_total for e in profiler.key_averages()}
    total = sum(spent.values())
    table = Table("operation", "share")
    for key, part in sorted(spent.items(), key=lambda item: -item[1])[:15]:
        table.add_row(key[:60], f"{part / total:.1%}")
    console.print(table)
    times = recipe.step_hours * 3600 / seconds
    console.print(f"{seconds:.2f} s a step of {recipe.step_hours * 3600:.0f} s of audio: {times:.1f} times real time")


def choose_precision(device: str) -> tuple[str, str]:
    """The precision that is fastest on this processor, and why.

    A processor without matrix units for bf16 emulates it, fifty times more slowly than fp32.
    """
    if device == "cuda":
        return "bf16", "a GPU multiplies bf16 fastest"
    if "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split():
        return "bf16", "the processor has matrix units for it (AMX)"
    return "fp32", "the processor has no matrix units for bf16 (AMX)"


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
