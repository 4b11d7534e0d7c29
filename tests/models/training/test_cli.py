"""``densenoiser-train`` on a machine without torch, as after a plain ``pip install densenoiser``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from densenoiser_models.training.cli import main; "


def run(*words: str) -> subprocess.CompletedProcess[str]:
    code = f"{WITHOUT_TORCH}sys.exit(main({list(words)!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)


def test_help_needs_no_torch() -> None:
    assert "recordings" in run("--help").stdout


def test_a_command_that_needs_torch_says_how_to_get_it(tmp_path: Path) -> None:
    done = run("export", str(tmp_path / "last.pt"))
    assert done.returncode == 1
    assert done.stderr == (
        "densenoiser-train export needs the Python package torch; install it with: pip install 'densenoiser[train]'\n"
    )
