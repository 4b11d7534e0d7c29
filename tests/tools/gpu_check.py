"""``make gpu-check``: the CUDA provider on this machine: same output as the CPU, time of a hop, fallback without a GPU.

Exit code 0 if all holds, 1 if not, 3 where there is no CUDA provider to check.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np

from densenoiser_models.denoiser import OnnxDenoiser
from densenoiser_models.errors import ModelError
from densenoiser_models.mask_graph import MaskGraph
from densenoiser_models.model_file import ModelFile, list_models, load_model
from densenoiser_models.provider import available_providers

LARGEST_DIFFERENCE = 1e-3
"""Between the outputs of the two providers, full scale being 1."""
FRAMES, WARM_UP = 1000, 100
NO_CUDA = 3
_FALLS_BACK = """
import sys
from densenoiser_models.denoiser import OnnxDenoiser
from densenoiser_models.model_file import load_model
sys.exit(OnnxDenoiser(load_model(sys.argv[1]), "cuda").provider != "cpu")
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Check every model, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="names or paths (default: every model there is)")
    models = parser.parse_args(argv).models or list_models()
    if "cuda" not in available_providers():
        print("no CUDA to check: install onnxruntime-gpu in place of onnxruntime, on a machine with a GPU")  # noqa: T201
        return NO_CUDA
    return max([_check(load_model(name)) for name in models], default=0)


def _check(model: ModelFile) -> int:
    cpu, cuda = OnnxDenoiser(model, "cpu"), OnnxDenoiser(model, "cuda")
    if cuda.provider != "cuda":
        print(f"{model.name}: CUDA did not load; the log says why")  # noqa: T201
        return 1
    difference = largest_difference(cpu, cuda)
    times = {name: _milliseconds(model, name) for name in ("cpu", "cuda")}
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    falls_back = subprocess.run([sys.executable, "-c", _FALLS_BACK, str(model.path)], env=hidden, check=False)
    print(f"{model.name}: CUDA differs by {difference:.1e} (at most {LARGEST_DIFFERENCE:.0e})")  # noqa: T201
    for name, (median, p99) in times.items():
        print(f"  a hop on {name}: {median:.3f} ms in the median, {p99:.3f} ms at the 99th percentile")  # noqa: T201
    print(f"  without a GPU: {'falls back' if not falls_back.returncode else 'does NOT fall back'}")  # noqa: T201
    return int(not difference <= LARGEST_DIFFERENCE or falls_back.returncode != 0)


def largest_difference(one: OnnxDenoiser, other: OnnxDenoiser) -> float:
    """Of the two outputs for ten seconds of noise that grows and falls; infinity if one of them failed. ModelError."""
    if one.spec != other.spec:
        raise ModelError(f"{one.model.name} and {other.model.name} work on other frames")
    rng, hop = np.random.default_rng(0), one.spec.hop
    largest = 0.0
    for frame in range(FRAMES):
        noise = (0.3 * abs(np.sin(frame / 100)) * rng.standard_normal(hop)).astype(np.float32)
        difference = np.abs(one.process(noise.copy()) - other.process(noise.copy())).max()
        largest = max(largest, float(difference))
    return largest if one.fault is None and other.fault is None else float("inf")


def _milliseconds(model: ModelFile, provider: str) -> tuple[float, float]:
    """Median and 99th percentile of a frame's graph, with its states bound."""
    graph = MaskGraph(model, provider)
    rng = np.random.default_rng(0)
    seconds = []
    for _frame in range(WARM_UP + FRAMES):
        spectrum = rng.standard_normal(2 * model.spec.bins).astype(np.float32).view(np.complex64)
        begun = time.perf_counter()
        graph.process(spectrum)
        seconds.append(time.perf_counter() - begun)
    kept = 1e3 * np.array(seconds[WARM_UP:])
    return float(np.median(kept)), float(np.percentile(kept, 99))


if __name__ == "__main__":
    sys.exit(main())
