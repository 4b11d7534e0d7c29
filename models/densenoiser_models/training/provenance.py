"""What a sidecar says of a model's origin: the training data with their licences, and the scores."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from ..errors import ModelError


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """Sources of training data with their kind, licence and hours, from a table with the columns ``split``, ``kind``,
    ``source``, ``licence`` and ``duration_s``; ModelError if it lacks one."""
    hours: dict[tuple[str, str, str], float] = {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if row["split"] == "train":
                    key = row["kind"], row["source"], row["licence"]
                    hours[key] = hours.get(key, 0.0) + float(row["duration_s"]) / 3600
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"cannot use {path} as the list of training data: {error!r}") from error
    return [{"kind": k, "source": s, "licence": lic, "hours": round(h, 3)} for (k, s, lic), h in hours.items()]


def read_metrics(path: Path) -> Any:
    """The content of a JSON file, such as evaluate's ``summary.json``; ModelError if it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot use {path} as metrics: {error}") from error
