"""Imports run one way: daemon -> models; the tray knows only D-Bus names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"models": "densenoiser_models", "daemon": "densenoiser_daemon", "tray": "densenoiser_tray"}
FORBIDDEN = {
    "models": {"densenoiser_daemon", "densenoiser_tray", "pulsectl", "sounddevice", "dbus_fast", "pystray"},
    "daemon": {"densenoiser_tray", "pystray", "torch"},
    "tray": {"densenoiser_daemon", "densenoiser_models", "pulsectl", "sounddevice", "onnxruntime", "torch"},
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("folder", sorted(PACKAGES))
def test_imports_run_one_way(folder: str) -> None:
    files = list((ROOT / folder / PACKAGES[folder]).rglob("*.py"))
    assert len(files) > 3
    wrong = {str(path.relative_to(ROOT)): found for path in files if (found := imported(path) & FORBIDDEN[folder])}
    assert not wrong


def test_torch_stays_in_training() -> None:
    package = ROOT / "models" / "densenoiser_models"
    users = {path.relative_to(package).parts[0] for path in package.rglob("*.py") if "torch" in imported(path)}
    assert users <= {"networks", "corpus", "training", "evaluation"}
