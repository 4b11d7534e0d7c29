"""The faster kernels of the leaky memory: equal to the loop, and left out where they cannot be had."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
import torch
from torch.utils.cpp_extension import is_ninja_available

from densenoiser_models.networks import leaky_memory, memory_kernels
from densenoiser_models.networks.leaky_memory import Kernels


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaky_memory, "kernels", {})


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_kernel_in_cpp_is_the_loop(dtype: torch.dtype) -> None:
    if not is_ninja_available():
        pytest.skip("ninja, which compiles it, is not installed")
    assert memory_kernels.largest_difference(memory_kernels._cpu_kernels(), "cpu", dtype) < 1e-2


INTERPRETED = """
import torch
from densenoiser_models.networks import leaky_memory_triton, memory_kernels
from densenoiser_models.networks.leaky_memory import Kernels

kernels = Kernels(leaky_memory_triton.forward, leaky_memory_triton.backward)
print(memory_kernels.largest_difference(kernels, "cpu", torch.float32))
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
def test_the_kernel_for_gpus_is_the_loop_as_tritons_interpreter_runs_it() -> None:
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED], env=environment, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 1e-4


def test_a_kernel_that_differs_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(heard: torch.Tensor, bias: torch.Tensor, recall: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        memory, gates = leaky_memory._forward(heard, bias, recall)
        return 1.1 * memory, gates

    monkeypatch.setattr(memory_kernels, "_cpu_kernels", lambda: Kernels(wrong, leaky_memory._backward))
    assert "runs as a loop: the kernel differs" in memory_kernels.use_fast_memory("cpu", "fp32")
    assert leaky_memory.kernels == {}


def test_without_a_compiler_the_loop_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler() -> Kernels:
        raise OSError("no compiler")

    monkeypatch.setattr(memory_kernels, "_cpu_kernels", no_compiler)
    assert memory_kernels.use_fast_memory("cpu", "fp32") == "the memory along time runs as a loop: no compiler"


def test_a_kernel_in_place_is_what_the_network_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def forward(heard: torch.Tensor, bias: torch.Tensor, recall: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(heard.shape)
        return heard[: len(heard) // 2].clone(), heard.clone()

    leaky_memory.kernels["cpu"] = Kernels(forward, lambda gradient, gates, memory, recall: torch.zeros_like(gates))
    leaky_memory.leaky_memory(torch.randn(4, 3, 5), torch.zeros(4), torch.zeros(4, 2))
    assert asked == [(4, 3, 5)]
    double = torch.randn(4, 3, 5, dtype=torch.float64)
    leaky_memory.leaky_memory(double, double[:, 0, 0], double[:, 0, :2])  # the loop alone knows other types
    assert len(asked) == 1
