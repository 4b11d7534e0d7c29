"""From a checkpoint to ``NAME.onnx`` and ``NAME.json``, proven equal to the network that was trained.

``NAME.pt`` goes with them: the weights alone, from which adapt goes on.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch

from ..bands import SPEC
from ..errors import ModelError
from ..model_file import SIDECAR_FORMAT
from ..networks import build_network
from .checkpoint import CHECKPOINT_FORMAT, read_checkpoint, slim
from .onnx_graph import count_macs, differences, to_onnx
from .recipe import recipe_from

TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Budget:
    """What a network may cost a frame; nodes are those that ONNX Runtime gets, constants not counted."""

    nodes: int
    million_macs_per_second: float


BUDGETS = {
    "densenet-tiny": Budget(90, 40.0),
    "densenet-small": Budget(132, 520.0),
    "densenet-large": Budget(160, 1700.0),
}


@dataclass(frozen=True, slots=True)
class Export:
    """What was written and measured: errors are the largest differences of the mask from the offline network's."""

    path: Path
    nodes: int
    million_macs_per_second: float
    parameters: int
    streaming_error: float
    onnx_error: float


def export(
    checkpoint: Path, out: Path, name: str, description: str, data: Sequence[dict[str, Any]], metrics: Any = None
) -> Export:
    """Write the averaged network of a checkpoint to ``out/NAME.onnx`` and ``.json``.

    ModelError, and nothing written, if offline, frame-by-frame and ONNX masks differ by more than 1e-4 on three
    seconds of noise, or if the graph breaks its network's budget.
    """
    state = read_checkpoint(checkpoint)
    network = recipe_from(state["recipe"]).network
    net = build_network(network)
    try:
        net.load_state_dict(state["average"])
    except RuntimeError as error:
        raise ModelError(f"the weights in {checkpoint} do not fit {network}: {error}") from error
    net.eval()
    streaming = net.streaming().eval()  # type: ignore[operator]
    graph = to_onnx(streaming, out / f".{name}.partial")
    onnx.checker.check_model(graph)
    streaming_error, onnx_error = differences(net, streaming, graph)
    if not max(streaming_error, onnx_error) <= TOLERANCE:
        raise ModelError(
            f"{name} is not the network of {checkpoint}: frame by frame it differs by {streaming_error:.1e}, in ONNX "
            f"Runtime by {onnx_error:.1e}; {TOLERANCE:.0e} is allowed"
        )
    nodes, macs = len(graph.graph.node), count_macs(graph) / SPEC.hop_seconds / 1e6
    budget = BUDGETS.get(network, Budget(10**6, math.inf))
    if nodes > budget.nodes or macs > budget.million_macs_per_second:
        raise ModelError(f"{name} has {nodes} nodes and {macs:.1f} MMAC/s; {budget} is allowed")
    content = graph.SerializeToString()
    parameters = sum(p.numel() for p in net.parameters())
    card = {
        "format": SIDECAR_FORMAT,
        "name": name,
        "description": description,
        "licence": "MIT",
        "frame": SPEC.to_dict(),
        "states": [
            {"name": key, "output": f"next_{key}", "shape": list(shape)}
            for key, shape in streaming.state_shapes.items()
        ],
        "sha256": hashlib.sha256(content).hexdigest(),
        "network": network,
        "parameters": parameters,
        "nodes": nodes,
        "million_macs_per_second": round(macs, 1),
        "training": _training(state),
        "data": list(data),
        "metrics": metrics,
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.onnx"
    weights = io.BytesIO()
    torch.save({"format": CHECKPOINT_FORMAT, **slim(state)}, weights)
    contents = {".pt": weights.getvalue(), ".json": json.dumps(card, indent=1).encode(), ".onnx": content}
    for suffix, data_bytes in contents.items():
        target = path.with_suffix(suffix)
        partial = target.with_name(f".{target.name}.partial")
        partial.write_bytes(data_bytes)
        partial.replace(target)
    return Export(path, nodes, macs, parameters, streaming_error, onnx_error)


def _training(state: dict[str, Any]) -> dict[str, Any]:
    validation = [row["validation"] for row in state["history"] if "validation" in row]
    return {
        "recipe": state["recipe"],
        "steps": state["step"],
        "audio_hours": round(state["hours"], 2),
        "wall_hours": round(state["seconds"] / 3600, 2),
        "validation_loss": round(validation[-1], 5) if validation else None,
    }
