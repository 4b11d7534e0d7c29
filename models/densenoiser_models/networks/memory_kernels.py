"""Faster kernels for the leaky memory, where this machine has what they need: C++ on a CPU, Triton on a GPU.

Each is compared with the plain loop before it is used. If it cannot be built, fails or differs, the loop stays.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from . import leaky_memory
from .leaky_memory import Kernels

_LARGEST_DIFFERENCE = {torch.float32: 1e-3, torch.bfloat16: 2e-2}
"""Of the results' norms. A GPU multiplies float32 as tf32, which has ten bits."""


def use_fast_memory(device: str, precision: str) -> str:
    """Put the kernels for ``device`` ("cpu" or "cuda") in place of the loops; what was done, in words."""
    leaky_memory.kernels.pop(device, None)
    try:
        kernels = _cpu_kernels() if device == "cpu" else _cuda_kernels()
        difference = largest_difference(kernels, device, torch.bfloat16 if precision == "bf16" else torch.float32)
    except Exception as error:  # compilers fail in many ways, and training goes on without them
        return f"the memory along time runs as a loop: {error}"
    leaky_memory.kernels[device] = kernels
    return f"the memory along time runs as a kernel, equal to the loop to {difference:.0e}"


def largest_difference(kernels: Kernels, device: str, dtype: torch.dtype) -> float:
    """How far the kernels' results are from the loops', on random values; RuntimeError if too far."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    width, frames, values = 48, 40, 72
    heard, gradient = drawn(2 * width, frames, values).to(dtype), drawn(width, frames, values).to(dtype)
    heard[width:, ::5, ::7] = 500.0  # up to the bound of the memory
    # With more recall, memories at the bound would make much of the last bit of a product.
    bias, recall = drawn(2 * width) - 1, drawn(2 * width, width) * 0.03 * width**-0.5
    memory, gates = kernels.forward(heard, bias, recall)
    before = leaky_memory.kernels.pop(device, None)
    try:
        plain_memory, plain_gates = leaky_memory._forward(heard, bias, recall)
        plain_gradient = leaky_memory._backward(gradient, plain_gates, plain_memory, recall)
    finally:
        if before is not None:
            leaky_memory.kernels[device] = before
    of_heard = kernels.backward(gradient, gates, memory, recall)
    pairs = (memory, plain_memory), (gates, plain_gates), (of_heard, plain_gradient)
    difference = max(float((a.float() - b.float()).norm() / b.float().norm()) for a, b in pairs)
    if not difference <= _LARGEST_DIFFERENCE[dtype]:
        raise RuntimeError(f"the kernel differs from the loop by {difference:.1e}")
    return difference


def _cpu_kernels() -> Kernels:
    """Compiled on first use, some 40 s, and kept in torch's cache of extensions."""
    from torch.utils import cpp_extension  # noqa: PLC0415  (slow to load)

    ninja = Path(sys.executable).with_name("ninja")
    if ninja.is_file() and shutil.which("ninja") is None:
        os.environ["PATH"] = f"{ninja.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    module: Any = cpp_extension.load(
        "densenoiser_leaky_memory",
        [str(Path(__file__).with_name("leaky_memory.cpp"))],
        extra_cflags=["-O3", "-march=native", "-ffast-math"],
    )
    return Kernels(module.forward, module.backward)


def _cuda_kernels() -> Kernels:
    if importlib.util.find_spec("triton") is None:
        raise RuntimeError("Triton is not installed")
    from . import leaky_memory_triton  # noqa: PLC0415

    return Kernels(cast("Any", leaky_memory_triton).forward, cast("Any", leaky_memory_triton).backward)
