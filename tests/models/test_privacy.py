"""Nothing leaves the machine."""

from __future__ import annotations

import os
import subprocess
import sys


def threads_after(statement: str) -> int:
    """Number of threads of a fresh process that has run ``statement``."""
    program = f"{statement}; import os; print(len(os.listdir('/proc/self/task')))"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)
    return int(done.stdout)


def test_onnx_runtime_starts_no_thread_that_reports_home() -> None:
    assert threads_after("import densenoiser_models.provider") == threads_after("import numpy")
