"""A recipe: everything that decides what a network learns, from a TOML file, kept in every checkpoint."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from ..corpus.mixer import Mixture
from ..errors import ModelError
from .loss import LossWeights

_FOLDERS = [Path(__file__).parents[1] / "recipes", Path(__file__).parents[2] / "recipes"]
"""In an installed package, and in a checkout."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained, on which mixtures, by which loss and optimizer."""

    network: str = "densenet-small"
    crops: int = 16
    """In a step, of all passes and processes together."""
    frames: int = 300
    """In a crop, of 10 ms."""
    rate: float = 1.2e-3
    """Learning rate; see ``Trainer.rate`` for its course."""
    warm_up: int = 300
    """First steps, over which the rate rises."""
    weight_decay: float = 0.01
    clip: float = 3.0
    """Largest norm of the gradient."""
    ema: float = 0.998
    """Share of the averaged weights that a step keeps."""
    mixture: Mixture = field(default_factory=Mixture)
    loss: LossWeights = field(default_factory=LossWeights)

    @property
    def step_hours(self) -> float:
        """Audio in a step, h."""
        return self.crops * self.frames / 360_000

    def as_table(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and tables, as in the file."""
        table: dict[str, Any] = _plain(asdict(self))
        return table


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return list(value) if isinstance(value, tuple) else value


def find_recipe(name: str) -> Recipe:
    """The recipe of that name (``small``), or in that file (``mine.toml``); ModelError that says what is wrong."""
    known = {path.stem: path for folder in _FOLDERS for path in sorted(folder.glob("*.toml"))}
    path = Path(name) if name.endswith(".toml") else known.get(name)
    if path is None:
        raise ModelError(f"no recipe {name!r}; there are {', '.join(known)}, or give the path of a .toml file")
    try:
        return recipe_from(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ModelError) as error:
        raise ModelError(f"cannot use the recipe {path}: {error}") from error


def recipe_from(table: Mapping[str, Any]) -> Recipe:
    """The recipe in a table; what it leaves out keeps its default. ModelError that names the key at fault."""
    recipe: Recipe = _build(Recipe, table, "")
    return recipe


def _build(kind: type[Any], table: Mapping[str, Any], prefix: str) -> Any:
    hints = get_type_hints(kind)
    names = [f.name for f in fields(kind)]
    values = {}
    for key, value in table.items():
        if key not in names:
            raise ModelError(f"unknown key {prefix}{key}; known are {', '.join(prefix + name for name in names)}")
        values[key] = _value(hints[key], value, prefix + key)
    return kind(**values)


def _value(hint: Any, value: Any, key: str) -> Any:
    if is_dataclass(hint) and isinstance(value, Mapping):
        return _build(hint, value, f"{key}.")  # type: ignore[arg-type]
    if hint == tuple[float, float] and isinstance(value, list | tuple) and len(value) == 2 and all(map(_number, value)):
        return float(value[0]), float(value[1])
    if hint == Mapping[str, float] and isinstance(value, Mapping) and all(map(_number, value.values())):
        return {name: float(odds) for name, odds in value.items()}
    if hint is float and _number(value):
        return float(value)
    if hint in (int, str) and type(value) is hint:
        return value
    raise ModelError(f"{key} = {value!r} is not what belongs there, a {getattr(hint, '__name__', hint)}")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
