"""The training loop, in one process or many: it stops at any time, and goes on exactly where it was."""

from __future__ import annotations

import copy
import csv
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..corpus.mixer import Batch, Mixture
from ..corpus.sample_pool import is_sample_pool
from ..errors import ModelError
from ..networks import build_network
from .batches import Draw, drawn_ahead, pool_batches
from .checkpoint import read_checkpoint, write_checkpoint
from .loss import spectral_loss
from .optimizer import MuonAndAdamW
from .recipe import Recipe, recipe_from

BAD_STEPS_IN_A_ROW = 20
VALIDATION_SEED = 7_777_777
HELD_OUT_MIXTURE = Mixture()
"""Validation is the same whatever a recipe mixes, so that the losses of two recipes can be compared."""
_ROW_STEPS = 25
"""A row of the history stands for so many steps."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a recipe is carried out here and now. None of it changes what is learnt, but for ``steps`` and ``cooldown``."""

    pool: Path
    validation: Path
    """Pool of recordings that are not trained on."""
    steps: int = 6000
    """In all, counted from the beginning of the first run."""
    cooldown: int = 1200
    """The last steps, over which the rate falls to a hundredth."""
    passes: int = 2
    """Parts of a step that follow each other, or that processes share; more take less memory."""
    validate_every: int = 500
    validation_batches: int = 24
    """Eight do not tell 100 from 172 hours of the long run (.0829, .0832); sixteen do (.0791, .0777)."""
    seed: int = 0
    workers: int = 0
    """Processes beside each one of training that draw its batches ahead. A pool of samples needs none."""
    device: str = "cpu"
    precision: str = "fp32"
    compiled: bool = False
    """Let torch compile network and loss: one to four minutes at the start, then steps 1.4 times as fast on a CPU."""


class Trainer:
    """The state of a run: network, moving average of its weights, optimizer, step."""

    def __init__(self, recipe: Recipe, run: Run, out: Path) -> None:
        """``out`` is the folder of the run; nothing is read from it. ModelError if the recipe does not fit the run."""
        self.recipe, self.plan, self.out = recipe, run, out
        self.rank = int(os.environ.get("RANK", "0"))
        self.processes = int(os.environ.get("WORLD_SIZE", "1"))
        if run.passes % self.processes:
            raise ModelError(f"passes ({run.passes}) must be a multiple of the {self.processes} processes")
        if recipe.crops % run.passes:
            raise ModelError(f"a step's crops ({recipe.crops}) must be a multiple of the passes ({run.passes})")
        torch.manual_seed(run.seed)
        self.device = torch.device(run.device)
        self.net = build_network(recipe.network).to(self.device)
        self.average = copy.deepcopy(self.net).eval().requires_grad_(False)
        self.optimizer = MuonAndAdamW(self.net.parameters(), recipe.rate, recipe.weight_decay)
        self.step, self.bad_steps, self.hours, self.seconds = 0, 0, 0.0, 0.0
        self.history: list[dict[str, float]] = []
        self._forward: Callable[..., Any] = torch.compile(self.net, dynamic=False) if run.compiled else self.net
        self._judge = torch.compile(spectral_loss, dynamic=False) if run.compiled else spectral_loss

    def train(self, report: Callable[[dict[str, float]], None], stop_after: float = float("inf")) -> None:
        """Train to the last step, or until SIGTERM, SIGINT or ``stop_after`` seconds; then save.

        ``report`` gets each new row of the history.
        """
        draw = self.batches()
        held_out = self._held_out()
        stop = _StopSignal()
        begun, seconds_before = time.monotonic(), self.seconds
        losses: list[float] = []
        while self.step < self.plan.steps and not self._agree(stop.asked or time.monotonic() - begun > stop_after):
            losses.append(self.train_step(draw))
            self.seconds = seconds_before + time.monotonic() - begun
            if self.step % _ROW_STEPS == 0:
                row = self._row(losses)
                if self.step % self.plan.validate_every == 0 and not self.rank:
                    row["validation"] = self.validate(held_out)
                self.history.append(row)
                report(row)
                losses.clear()
                if self.step % self.plan.validate_every == 0:
                    self.save()
        self.save()

    def train_step(self, draw: Draw) -> float:
        """One step of the optimizer; the mean loss. A loss or gradient that is not finite changes nothing."""
        self.net.train()
        self.optimizer.zero_grad()
        statistics = [buffer.clone() for buffer in self.net.buffers()]
        loss = self._gradients(draw)
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.clip)
        if torch.isfinite(norm) and torch.isfinite(loss):
            self.optimizer.set_rate(self.rate())
            self.optimizer.step()
            self.bad_steps = 0
        else:
            for buffer, before in zip(self.net.buffers(), statistics, strict=True):
                buffer.copy_(before)
            self._note_bad_step()
        self.step += 1
        self.hours += self.recipe.step_hours
        self._follow()
        return float(loss)

    def rate(self) -> float:
        """The learning rate of this step: it rises, stays, and falls linearly over the last ``cooldown`` steps.

        Warm-up, stable, decay (Hu et al., "MiniCPM", 2024): a run can be prolonged, and annealed at any time.
        """
        warm = min(1.0, (self.step + 1) / self.recipe.warm_up) if self.recipe.warm_up else 1.0
        left = self.plan.steps - self.step
        cool = min(1.0, max(left, 0) / self.plan.cooldown) if self.plan.cooldown else 1.0
        return self.recipe.rate * warm * max(cool, 0.01)

    @torch.no_grad()
    def validate(self, batches: list[Batch]) -> float:
        """Mean loss of the averaged network over ``batches``."""
        return sum(float(self.loss(self.average, batch)) for batch in batches) / len(batches)

    def loss(self, net: Callable[..., Any], batch: Batch) -> Tensor:
        """Of one batch, as ``net`` filters it."""
        batch = Batch(**{name: getattr(batch, name).to(self.device) for name in Batch.__dataclass_fields__})
        level = batch.level[:, None, None]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.precision == "bf16"):
            mask, gains = net(batch.noisy_low * level[..., None], batch.noisy_high * level)
        judge = spectral_loss if net is self.average else self._judge
        return judge(batch, mask.float(), gains.float(), self.recipe.loss)

    @property
    def checkpoint(self) -> Path:
        """The file that ``save`` writes."""
        return self.out / "last.pt"

    def save(self) -> None:
        """Write checkpoint and history (first process only)."""
        if self.rank:
            return
        write_checkpoint(self.checkpoint, self.state())
        with (self.out / "history.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["step", "hours", "seconds", "rate", "train", "validation"])
            writer.writeheader()
            writer.writerows(self.history)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds. Batches are numbered by step, so it needs no generator's state to go on exactly."""
        return {
            "recipe": self.recipe.as_table(),
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "hours": self.hours,
            "seconds": self.seconds,
            "history": self.history,
        }

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; ModelError if it is of another network or cannot be read."""
        state = self._read(path)
        self._take_weights(path, state["net"], state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.hours, self.seconds = state["step"], state["hours"], state["seconds"]
        self.history = state["history"]

    def start_with(self, path: Path) -> None:
        """Begin with the averaged weights of another run; ModelError if it cannot be read or is of another network."""
        state = self._read(path)
        self._take_weights(path, state["average"], state["average"])

    def _read(self, path: Path) -> dict[str, Any]:
        state = read_checkpoint(path)
        network = recipe_from(state["recipe"]).network
        if network != self.recipe.network:
            raise ModelError(f"{path} holds a {network}, not a {self.recipe.network}")
        return state

    def _take_weights(self, path: Path, net: dict[str, Tensor], average: dict[str, Tensor]) -> None:
        try:
            self.net.load_state_dict(net)
            self.average.load_state_dict(average)
        except RuntimeError as error:
            raise ModelError(f"the weights in {path} do not fit {self.recipe.network}: {error}") from error

    def _gradients(self, draw: Draw) -> Tensor:
        """Add up the gradients of this step, over all passes and processes; the mean loss."""
        total = torch.zeros(())
        try:
            for number in self._numbers(self.step):
                loss = self.loss(self._forward, draw(number)) / self.plan.passes
                loss.backward()
                total += loss.detach().cpu()
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise ModelError(
                f"out of memory with {self.recipe.crops // self.plan.passes} crops in a pass; go on with "
                f"--passes {self.plan.passes * 2}, which takes the same steps in half the memory"
            ) from error
        if self.processes > 1:
            self._share_gradients(total)
        return total

    def _numbers(self, step: int) -> range:
        """Numbers of the batches that this process takes in a step."""
        first = step * self.plan.passes
        return range(first + self.rank, first + self.plan.passes, self.processes)

    def _share_gradients(self, total: Tensor) -> None:
        gradients = [p.grad for p in self.net.parameters() if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients] + [total.reshape(1).to(self.device)])
        dist.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients] + [1])[:-1], strict=True):
            gradient.copy_(part.view_as(gradient))
        total.copy_(flat[-1])

    def _note_bad_step(self) -> None:
        self.bad_steps += 1
        if self.bad_steps >= BAD_STEPS_IN_A_ROW:
            raise ModelError(
                f"the loss was not finite for {self.bad_steps} steps up to {self.step + 1}; "
                "resume from the last checkpoint with a lower --rate"
            )

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the network, faster in the first steps."""
        keep = min(self.recipe.ema, self.step / (self.step + 10))
        for mean, now in zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)

    def batches(self) -> Draw:
        """The batches of this run, from the step it is at on."""
        draw = pool_batches(self.plan.pool, self.recipe, self.plan.seed, self.plan.passes, self.plan.device)
        if not self.plan.workers or is_sample_pool(self.plan.pool):
            return draw
        numbers = [number for step in range(self.step, self.plan.steps) for number in self._numbers(step)]
        return drawn_ahead(draw, numbers, self.plan.workers)

    def _held_out(self) -> list[Batch]:
        """Fixed mixtures of other recordings, of crops twice as long (first process only)."""
        if self.rank:
            return []
        plan = replace(self.recipe, mixture=HELD_OUT_MIXTURE, frames=2 * self.recipe.frames)
        draw = pool_batches(self.plan.validation, plan, VALIDATION_SEED, self.plan.passes, self.plan.device)
        return [draw(i) for i in range(self.plan.validation_batches)]

    def _row(self, losses: list[float]) -> dict[str, float]:
        return {
            "step": self.step,
            "hours": self.hours,
            "seconds": round(self.seconds, 1),
            "rate": self.rate(),
            "train": sum(losses) / len(losses),
        }

    def _agree(self, stop: bool) -> bool:
        """True in all processes if any wants to stop."""
        if self.processes == 1:
            return stop
        flag = torch.tensor([float(stop)])
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag.item())


class _StopSignal:
    """Set by the first SIGTERM or SIGINT; the second one ends the process as ever."""

    def __init__(self) -> None:
        self.asked = False
        self._before = {s: signal.signal(s, self._ask) for s in (signal.SIGTERM, signal.SIGINT)}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        for s, handler in self._before.items():
            signal.signal(s, handler)
