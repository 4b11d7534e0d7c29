"""Reports scores with one row per system, as tables on the terminal, CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from .scores import Row

Summary = dict[str, dict[str, float]]
"""Maps each system to its columns, and each column to its figure."""

QUALITY = ("OVRL", "SIG", "BAK", "NISQA", "PESQ", "STOI", "ESTOI", "SI-SDR")
NISQA_DIMENSIONS = ("NISQA", "NISQA noisiness", "NISQA discontinuity", "NISQA coloration", "NISQA loudness")
COMPLAINTS = (
    "clean level dB",
    "quiet level dB",
    "onset loss dB",
    "clean onset loss dB",
    "pause residual dB",
    "noise only dB",
    "musical noise",
    "high band dB",
)
DRIFT = ("drift SI-SDR dB", "drift level dB", "drift peak dB")
TABLES = {"Quality": QUALITY, "NISQA": NISQA_DIMENSIONS, "What users complain of": COMPLAINTS, "Drift": DRIFT}
BY_MEDIAN = {"onset loss dB", "clean onset loss dB"}
DECIMALS = {"STOI": 3, "ESTOI": 3, "SI-SDR": 1} | dict.fromkeys(set(COMPLAINTS) - {"musical noise"}, 1)

# Every published comparison has this order. An evaluation that ranks these peers otherwise is broken.
EXPECTED_ORDER = (("DeepFilterNet3", "GTCRN"), ("DeepFilterNet3", "RNNoise 0.1"), ("DeepFilterNet3", "RNNoise 0.2"))
ORDER_METRICS = ("OVRL", "NISQA", "PESQ")


def summarise(rows: Mapping[str, Sequence[Row]]) -> Summary:
    """Each system's mean, or the median for onsets, over the pairs that have the figure."""
    summary: Summary = {}
    for system, scored in rows.items():
        names = dict.fromkeys(name for row in scored for name in row.scores)
        summary[system] = {}
        for name in names:
            values = np.array([row.scores.get(name, np.nan) for row in scored])
            values = values[np.isfinite(values)]
            if len(values):
                summary[system][name] = float(np.median(values) if name in BY_MEDIAN else np.mean(values))
    return summary


def check_harness(summary: Summary) -> list[str]:
    """A line for each two peers whose scores are not in the published order."""
    return [
        f"self-check: {metric} of {better}, {summary[better][metric]:.3f}, is not above {worse}'s, "
        f"{summary[worse][metric]:.3f}"
        for better, worse in EXPECTED_ORDER
        for metric in ORDER_METRICS
        if better in summary and worse in summary
        if metric in summary[better] and metric in summary[worse]
        if not summary[better][metric] > summary[worse][metric]
    ]


def tables(summary: Summary) -> list[Table]:
    """The tables for the terminal, one per group of columns."""
    made = []
    for title, columns in TABLES.items():
        shown = _shown(columns, summary)
        if shown:
            table = Table(title=title)
            table.add_column("system", no_wrap=True)
            for column in shown:
                table.add_column(column.removeprefix("NISQA "), justify="right")
            for system, figures in summary.items():
                table.add_row(system, *(_cell(figures, column) for column in shown))
            made.append(table)
    return made


def markdown(summary: Summary, pairs: int) -> str:
    """The same tables in Markdown, for a model card."""
    lines = []
    for title, columns in TABLES.items():
        shown = _shown(columns, summary)
        if shown:
            lines += [f"### {title} ({pairs} pairs)", "", "| system | " + " | ".join(shown) + " |"]
            lines.append("| --- |" + " ---: |" * len(shown))
            for system, figures in summary.items():
                lines.append(f"| {system} | " + " | ".join(_cell(figures, column) for column in shown) + " |")
            lines.append("")
    return "\n".join(lines)


def write_files(folder: Path, rows: Mapping[str, Sequence[Row]], summary: Summary) -> None:
    """Writes scores.csv, with a line per system and pair, summary.json and summary.md."""
    names = dict.fromkeys(name for scored in rows.values() for row in scored for name in row.scores)
    with (folder / "scores.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["system", "pair", *names])
        for system, scored in rows.items():
            writer.writerows([system, row.pair, *(row.scores.get(name, "") for name in names)] for row in scored)
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    pairs = max(map(len, rows.values()), default=0)
    (folder / "summary.md").write_text(markdown(summary, pairs), encoding="utf-8")


def _shown(columns: Sequence[str], summary: Summary) -> list[str]:
    return [column for column in columns if any(column in figures for figures in summary.values())]


def _cell(figures: Mapping[str, float], column: str) -> str:
    return f"{figures[column]:.{DECIMALS.get(column, 2)}f}" if column in figures else ""
