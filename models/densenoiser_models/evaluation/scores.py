"""Scores one system over a set of pairs. Each score is stored at once, so that a run can resume where it stopped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .alignment import delay_clips, measure_delay, without_delay
from .metrics import Metric, Score, safety
from .pair_set import Pair, sample
from .peers import Enhance
from .systems import System

SCORES_VERSION = 1
"""Increase it when a metric's definition changes. Older scores are then computed again."""
SAFETY = "levels"
CLEAN = "clean"
"""The system name under which the clean reference itself is rated, as the ceiling of the predicted ratings."""


@dataclass(frozen=True, slots=True)
class Row:
    """The scores of one pair by one system. ``groups`` names the metrics that have been computed."""

    pair: str
    digest: str
    groups: tuple[str, ...]
    scores: Score


class ScoreFile:
    """A file with the rows of one system, one JSON object per line. Rows of other versions are ignored."""

    def __init__(self, folder: Path, system: System) -> None:
        safe = re.sub(r"[^\w.-]+", "_", system.name)
        self.path = folder / f"{safe}.jsonl"
        self._version = f"{SCORES_VERSION}:{system.version}"

    def read(self) -> dict[str, Row]:
        """The newest row of each pair. It skips rows of other versions, and a last line that was cut short."""
        rows: dict[str, Row] = {}
        if not self.path.is_file():
            return rows
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if record["version"] == self._version:
                scores = {name: float(value) for name, value in record["scores"].items()}
                rows[record["pair"]] = Row(record["pair"], record["digest"], tuple(record["groups"]), scores)
        return rows

    def append(self, row: Row) -> None:
        """Appends a row."""
        record = {"version": self._version, "pair": row.pair, "digest": row.digest, "groups": row.groups}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record | {"scores": row.scores}) + "\n")


def score_system(
    system: System,
    pairs: Sequence[Pair],
    metrics: Mapping[str, Metric],
    folder: Path,
    on_row: Callable[[], None],
    safety_pairs: int | None = None,
) -> list[Row]:
    """All rows of ``system``, those on disk and those computed now. ``on_row`` is called after each.

    ``safety_pairs`` is the number of pairs that get the safety scores, or None for all. Those take up to three more runs
    of the system.
    """
    file = ScoreFile(folder, system)
    known = file.read()
    tried = set() if system.name == CLEAN else {pair.name for pair in sample(pairs, safety_pairs or len(pairs))}
    rows = []
    enhance: Enhance | None = None
    for pair in pairs:
        digest = pair.digest()
        row = known.get(pair.name)
        if row is None or row.digest != digest:
            row = Row(pair.name, digest, (), {})
        wanted = [*metrics, SAFETY] if pair.name in tried else [*metrics]
        groups = [group for group in wanted if group not in row.groups]
        if groups:
            if enhance is None:
                enhance = without_delay(system.enhance, measure_delay(system.enhance, delay_clips(pairs)))
            scores = dict(_scores(pair, system.name, enhance, groups, metrics))
            row = Row(pair.name, digest, (*row.groups, *groups), row.scores | scores)
            file.append(row)
        rows.append(row)
        on_row()
    return rows


def _scores(
    pair: Pair, name: str, enhance: Enhance, groups: Sequence[str], metrics: Mapping[str, Metric]
) -> Iterator[tuple[str, float]]:
    clean, noisy = pair.load()
    output = clean if name == CLEAN else enhance(noisy)
    for group in groups:
        found = safety(clean, noisy, enhance) if group == SAFETY else metrics[group](clean, noisy, output)
        yield from found.items()
