"""Training: one visible loop, on one process or many, that stops at any time and goes on where it was."""

from __future__ import annotations

import copy
import csv
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ..corpus.mixer import Batch, Mixer, Recipe
from ..corpus.pool import Pool
from ..errors import ModelError
from ..networks import build_network
from .lessons import Lessons
from .loss import spectral_loss
from .optimizer import MuonAndAdamW

CHECKPOINT_FORMAT = 2
BAD_STEPS_IN_A_ROW = 20
VALIDATION_SEED = 7_777_777


@dataclass(frozen=True, slots=True)
class FitConfig:
    """Everything that decides what is trained; stored in every checkpoint.

    ``steps`` and ``cooldown`` may differ on resume: the rate is constant until the last ``cooldown`` steps, then falls
    linearly to a hundredth (warm-up, stable, decay: Hu et al., "MiniCPM", 2024). ``batch`` counts crops of
    ``frames`` frames in one pass; a step averages ``passes`` of them, spread over the processes. ``taught`` is a folder
    of lessons, which half of the crops are then taken from; ``start`` a checkpoint whose averaged weights a new run
    begins with. With ``workers`` each process has so many others draw its batches ahead, the same ones, as a GPU needs.
    """

    network: str = "densenet-small"
    pool: str = ""
    taught: str = ""
    validation: str = ""
    start: str = ""
    steps: int = 6000
    cooldown: int = 1200
    warm_up: int = 300
    batch: int = 8
    passes: int = 2
    frames: int = 300
    rate: float = 2e-3
    weight_decay: float = 0.01
    clip: float = 3.0
    ema: float = 0.999
    validate_every: int = 250
    validation_batches: int = 8
    seed: int = 0
    workers: int = 0
    device: str = "cpu"
    precision: str = "fp32"


class Fit:
    """The state of a training run: network, its moving average, optimizer, step."""

    def __init__(self, config: FitConfig, out: Path) -> None:
        self.config, self.out = config, out
        self.rank = int(os.environ.get("RANK", "0"))
        self.processes = int(os.environ.get("WORLD_SIZE", "1"))
        if config.passes % self.processes:
            raise ModelError(f"passes ({config.passes}) must be a multiple of the {self.processes} processes")
        torch.manual_seed(config.seed)
        self.device = torch.device(config.device)
        self.net = build_network(config.network).to(self.device)
        self.average = copy.deepcopy(self.net).eval().requires_grad_(False)
        self.optimizer = MuonAndAdamW(self.net.parameters(), config.rate, config.weight_decay)
        self.step, self.bad_steps, self.seconds = 0, 0, 0.0
        self.history: list[dict[str, float]] = []

    # -- state on disk

    @property
    def checkpoint(self) -> Path:
        return self.out / "last.pt"

    def save(self) -> None:
        """Write ``last.pt`` whole or not at all (first process only)."""
        if self.rank:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        partial = self.out / "last.pt.partial"
        torch.save(self.state(), partial)
        partial.replace(self.checkpoint)
        with (self.out / "history.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["step", "hours", "seconds", "rate", "train", "validation"])
            writer.writeheader()
            writer.writerows(self.history)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds. Batches are numbered by step, so no generator state is needed to go on exactly."""
        return {
            "format": CHECKPOINT_FORMAT,
            "config": asdict(self.config),
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
        }

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; ModelError if it is of another network or cannot be read."""
        state = self._read(path)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]

    def start_with(self, path: Path) -> None:
        """Begin with the averaged weights of another run; ModelError if it cannot be read or is of another network."""
        state = self._read(path)
        for net in (self.net, self.average):
            net.load_state_dict(state["average"])

    def _read(self, path: Path) -> dict[str, Any]:
        state = read_checkpoint(path)
        if state["config"]["network"] != self.config.network:
            raise ModelError(f"{path} holds a {state['config']['network']}, not a {self.config.network}")
        return state

    # -- one step

    def rate(self) -> float:
        """The learning rate of the current step."""
        config = self.config
        warm = min(1.0, (self.step + 1) / config.warm_up) if config.warm_up else 1.0
        cool = min(1.0, max(config.steps - self.step, 0) / config.cooldown) if config.cooldown else 1.0
        return config.rate * warm * max(cool, 0.01)

    def passes(self, step: int) -> range:
        """Numbers of the batches that this process takes in a step."""
        first = step * self.config.passes
        return range(first + self.rank, first + self.config.passes, self.processes)

    def loss(self, net: nn.Module, batch: Batch) -> Tensor:
        batch = Batch(**{name: getattr(batch, name).to(self.device) for name in Batch.__dataclass_fields__})
        level = batch.level[:, None, None]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            mask, gains = net(batch.noisy_low * level[..., None], batch.noisy_high * level)
        return spectral_loss(batch, mask.float(), gains.float())

    def train_step(self, draw: Callable[[int], Batch]) -> float:
        """One step of the optimizer; the mean loss. A loss or gradient that is not finite changes nothing."""
        self.optimizer.set_rate(self.rate())
        self.net.train()
        self.optimizer.zero_grad()
        statistics = [buffer.clone() for buffer in self.net.buffers()]
        total = torch.zeros(())
        try:
            for number in self.passes(self.step):
                loss = self.loss(self.net, draw(number)) / self.config.passes
                loss.backward()
                total += loss.detach().cpu()
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise ModelError(
                f"out of memory with {self.config.batch} crops in a pass; go on with --batch {self.config.batch // 2} "
                f"--passes {self.config.passes * 2}, which takes the same steps in half the memory"
            ) from error
        if self.processes > 1:
            self._share_gradients(total)
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip)
        if torch.isfinite(norm) and torch.isfinite(total):
            self.optimizer.step()
            self.bad_steps = 0
        else:
            for buffer, before in zip(self.net.buffers(), statistics, strict=True):
                buffer.copy_(before)
            self.bad_steps += 1
            if self.bad_steps >= BAD_STEPS_IN_A_ROW:
                raise ModelError(
                    f"the loss was not finite for {self.bad_steps} steps up to {self.step}; "
                    "resume from the last checkpoint with a lower --rate"
                )
        self.step += 1
        self._follow()
        return float(total)

    def _share_gradients(self, total: Tensor) -> None:
        gradients = [p.grad for p in self.net.parameters() if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients] + [total.reshape(1).to(self.device)])
        dist.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients] + [1])[:-1], strict=True):
            gradient.copy_(part.view_as(gradient))
        total.copy_(flat[-1])

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the network, faster in the first steps."""
        keep = min(self.config.ema, self.step / (self.step + 10))
        for mean, now in zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)

    # -- the loop

    @torch.no_grad()
    def validate(self, batches: list[Batch]) -> float:
        """Loss of the averaged network over a fixed set."""
        return sum(float(self.loss(self.average, batch)) for batch in batches) / len(batches)

    def run(self, report: Callable[[dict[str, float]], None], stop_after: float = float("inf")) -> None:
        """Train to ``config.steps``, or until SIGTERM, SIGINT or ``stop_after`` seconds; then save."""
        config = self.config
        draw = self._draw()
        held_out = Mixer(Pool(Path(config.validation)), Recipe(), VALIDATION_SEED, config.batch, 2 * config.frames)
        batches = [held_out.draw(i) for i in range(config.validation_batches)] if not self.rank else []
        stop = _StopSignal()
        begun = time.monotonic()
        losses: list[float] = []
        seconds_before = self.seconds
        while self.step < config.steps and not self._agree(stop.asked or time.monotonic() - begun > stop_after):
            losses.append(self.train_step(draw))
            self.seconds = seconds_before + time.monotonic() - begun
            if self.step % 25 == 0:
                row = {
                    "step": self.step,
                    "hours": self.step * config.passes * config.batch * config.frames / 360_000,
                    "seconds": round(self.seconds, 1),
                    "rate": self.rate(),
                    "train": sum(losses) / len(losses),
                }
                losses.clear()
                if self.step % config.validate_every == 0 and not self.rank:
                    row["validation"] = self.validate(batches)
                self.history.append(row)
                report(row)
                if self.step % config.validate_every == 0:
                    self.save()
        self.save()

    def _draw(self) -> Callable[[int], Batch]:
        """Batches by number: of the pool, or half of it and half of the lessons."""
        config, recipe = self.config, Recipe()
        if config.taught and config.batch < 2:
            raise ModelError("half of a pass are lessons: --batch must be 2 or more with --taught")
        taught = config.batch // 2 if config.taught else 0
        mixer = Mixer(Pool(Path(config.pool)), recipe, config.seed, config.batch - taught, config.frames)
        if not taught:
            return self._ahead(mixer.draw)
        lessons = Lessons(Path(config.taught), recipe.level_db, config.seed, taught, config.frames)

        def both(number: int) -> Batch:
            mixed, taught = mixer.draw(number), lessons.draw(number)
            return Batch(*(torch.cat([getattr(b, n) for b in (mixed, taught)]) for n in Batch.__dataclass_fields__))

        return self._ahead(both)

    def _ahead(self, draw: Callable[[int], Batch]) -> Callable[[int], Batch]:
        """``draw`` by the workers, if there are any, for the steps that are left, one after the other."""
        if not self.config.workers:
            return draw
        numbers = [number for step in range(self.step, self.config.steps) for number in self.passes(step)]
        loader = DataLoader(
            _Numbered(draw),
            batch_size=None,
            sampler=numbers,
            num_workers=self.config.workers,
            worker_init_fn=_leave_interrupts_to_the_run,
        )
        batches = iter(loader)
        return lambda _number: cast("Batch", next(batches))

    def _agree(self, stop: bool) -> bool:
        """True in all processes if any wants to stop."""
        if self.processes == 1:
            return stop
        flag = torch.tensor([float(stop)])
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag.item())


class _Numbered(Dataset[Batch]):
    """Batches by number, as torch's loader asks for them."""

    def __init__(self, draw: Callable[[int], Batch]) -> None:
        self._draw = draw

    def __getitem__(self, number: int) -> Batch:
        return self._draw(number)


def _leave_interrupts_to_the_run(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _StopSignal:
    """Set by the first SIGTERM or SIGINT; the second one ends the process as ever."""

    def __init__(self) -> None:
        self.asked = False
        self._before = {s: signal.signal(s, self._ask) for s in (signal.SIGTERM, signal.SIGINT)}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        for s, handler in self._before.items():
            signal.signal(s, handler)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The state in a checkpoint file; ModelError if it is missing, damaged or of another version."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many unrelated types here
        raise ModelError(f"cannot read the checkpoint {path}: {error}") from error
    if not isinstance(state, dict) or state.get("format") != CHECKPOINT_FORMAT:
        raise ModelError(f"{path} is no checkpoint of this version")
    return state
