"""Checkpoints: the whole state of a run in one file, written whole or not at all, read by any device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelError
from .recipe import recipe_from

CHECKPOINT_FORMAT = 3
"""Keys: ``recipe`` (a table), ``net``, ``average`` (the weights to ship), ``optimizer``, ``step``, ``hours`` (of audio),
``seconds`` (of training), ``history`` (rows of the curve)."""


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """``state`` at ``path``, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    torch.save({"format": CHECKPOINT_FORMAT, **state}, partial)
    partial.replace(path)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The state in a checkpoint file; ModelError if it is missing, damaged or of another version."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many unrelated types here
        raise ModelError(f"cannot read the checkpoint {path}: {error}") from error
    if not isinstance(state, dict) or state.get("format") not in (2, CHECKPOINT_FORMAT):
        raise ModelError(f"{path} is no checkpoint of this version")
    return _from_format_2(state) if state["format"] == 2 else state


def slim(state: dict[str, Any], parts: Sequence[str] = ("average",)) -> dict[str, Any]:
    """A state with only these of its parts ``net``, ``average`` and ``optimizer``."""
    return {key: state[key] for key in ("recipe", "step", "hours", "seconds", "history", *parts)}


def _from_format_2(state: dict[str, Any]) -> dict[str, Any]:
    """Earlier ones named what was trained in a flat ``config``, and counted crops in a pass."""
    config = state["config"]
    passes, batch = config.get("passes", 1), config.get("batch", 16)
    step_hours = passes * batch * config.get("frames", 300) / 360_000
    kept = {key: config[key] for key in ("network", "frames", "rate", "clip", "ema") if key in config}
    recipe = recipe_from({**kept, "crops": passes * batch})
    parts: dict[str, Any] = {key: state[key] for key in ("net", "average", "optimizer") if key in state}
    return {
        "format": CHECKPOINT_FORMAT,
        "recipe": recipe.as_table(),
        "step": state["step"],
        "hours": state.get("hours", state["step"] * step_hours),
        "seconds": state["seconds"],
        "history": state["history"],
        **parts,
    }
