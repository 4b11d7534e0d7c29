"""A generated model on disk, for a daemon that is given one by its path."""

from __future__ import annotations

import json
from pathlib import Path

from tests.models.conftest import sidecar, tiny_graph

from densenoiser_models.frame import FrameSpec


def write_tiny_model(
    folder: Path,
    name: str = "tiny",
    *,
    gain: float = 1.0,
    nan_above: float = 1e30,
    fail_above: float = 1e30,
    hop: int = 480,
) -> Path:
    """Path of ``name.onnx``; a mask of ``gain`` that shrinks as it gets louder (see ``tiny_graph``)."""
    spec = FrameSpec(hop=hop, synthesis_window=2 * hop)
    graph = tiny_graph(spec, gain, 0.0, nan_above, fail_above)
    path = folder / f"{name}.onnx"
    path.write_bytes(graph)
    path.with_suffix(".json").write_text(json.dumps(sidecar(spec, graph)), encoding="utf-8")
    return path
