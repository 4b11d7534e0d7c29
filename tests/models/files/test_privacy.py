"""Tests that no data leaves the machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from densenoiser_models.model_file import ModelFile


def threads_after(statement: str) -> int:
    """Number of threads of a fresh process that has run ``statement``."""
    program = f"{statement}; import os; print(len(os.listdir('/proc/self/task')))"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)
    return int(done.stdout)


def test_onnx_runtime_starts_no_thread_that_reports_home() -> None:
    assert threads_after("import densenoiser_models.provider") == threads_after("import numpy")


def test_a_file_is_cleaned_without_any_network_socket(make_model: Callable[..., ModelFile], tmp_path: Path) -> None:
    model = make_model()
    soundfile.write(tmp_path / "in.wav", np.random.default_rng(0).normal(0, 0.1, 48_000), 48_000)
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-qq", "-e", "trace=socket,io_uring_setup,exit_group", "-o", str(trace)]
    command += [sys.executable, "-m", "densenoiser_daemon.command.cli", "enhance"]
    command += [str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav"), "--model", str(model.path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.wav").is_file()
    seen = trace.read_text()
    assert "exit_group(0)" in seen
    assert set(re.findall(r"\bsocket\((\w+)", seen)) <= {"AF_UNIX"}, seen
    assert "io_uring_setup" not in seen
