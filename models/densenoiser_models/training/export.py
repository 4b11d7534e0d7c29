"""From a checkpoint to ``NAME.onnx`` and ``NAME.json``, proven equal to the network that was trained.

``NAME.pt`` goes with them: the weights alone, from which adapt goes on.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..bands import SPEC
from ..corpus.band_spectra import analyse, full_spectra
from ..corpus.machine_noise import machine_noise
from ..errors import ModelError
from ..model_file import MASK_OUTPUT, SIDECAR_FORMAT, SPECTRUM_INPUT
from ..networks import build_network
from .trainer import read_checkpoint

OPSET = 17
TOLERANCE = 1e-4
TRIAL_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Budget:
    """What a network may cost a frame; nodes are those that ONNX Runtime gets, constants not counted."""

    nodes: int
    million_macs_per_second: float


BUDGETS = {
    "densenet-tiny": Budget(80, 40.0),
    "densenet-small": Budget(110, 480.0),
    "densenet-large": Budget(140, 1600.0),
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
    net = build_network(state["config"]["network"])
    net.load_state_dict(state["average"])
    net.eval()
    streaming = net.streaming().eval()  # type: ignore[operator]
    graph = _to_onnx(streaming, out / f".{name}.partial")
    onnx.checker.check_model(graph)
    streaming_error, onnx_error = _errors(net, streaming, graph)
    if not max(streaming_error, onnx_error) <= TOLERANCE:
        raise ModelError(
            f"{name} is not the network of {checkpoint}: frame by frame it differs by {streaming_error:.1e}, in ONNX "
            f"Runtime by {onnx_error:.1e}; {TOLERANCE:.0e} is allowed"
        )
    nodes, macs = len(graph.graph.node), count_macs(graph) / SPEC.hop_seconds / 1e6
    budget = BUDGETS.get(state["config"]["network"], Budget(10**6, math.inf))
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
        "network": state["config"]["network"],
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
    torch.save(slim_checkpoint(state), weights)
    contents = {".pt": weights.getvalue(), ".json": json.dumps(card, indent=1).encode(), ".onnx": content}
    for suffix, data_bytes in contents.items():
        target = path.with_suffix(suffix)
        partial = target.with_name(f".{target.name}.partial")
        partial.write_bytes(data_bytes)
        partial.replace(target)
    return Export(path, nodes, macs, parameters, streaming_error, onnx_error)


def slim_checkpoint(state: dict[str, Any], keys: Sequence[str] = ("average",)) -> dict[str, Any]:
    """A checkpoint with only these parts of the run's state, and without the paths it was trained from."""
    config = state["config"] | {"pool": "", "taught": "", "start": "", "validation": ""}
    kept = {key: state[key] for key in ("format", "step", "seconds", "history", *keys)}
    return kept | {"config": config}


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """Sources of training data with their kind, licence and hours, from a table with the columns ``split``, ``kind``,
    ``source``, ``licence`` and ``duration_s``; ModelError if it lacks one."""
    hours: dict[tuple[str, str, str], float] = {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if row["split"] == "train":
                    key = row["kind"], row["source"], row["licence"]
                    hours[key] = hours.get(key, 0.0) + float(row["duration_s"]) / 3600
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"cannot use {path} as the list of training data: {error!r}") from error
    return [{"kind": k, "source": s, "licence": lic, "hours": round(h, 3)} for (k, s, lic), h in hours.items()]


def read_metrics(path: Path) -> Any:
    """The content of a JSON file, such as evaluate's ``summary.json``; ModelError if it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot use {path} as metrics: {error}") from error


def _training(state: dict[str, Any]) -> dict[str, Any]:
    config = state["config"]
    validation = [row["validation"] for row in state["history"] if "validation" in row]
    return {
        "steps": state["step"],
        "seed": config["seed"],
        "audio_hours": round(state["step"] * config["passes"] * config["batch"] * config["frames"] / 360_000, 2),
        "wall_hours": round(state["seconds"] / 3600, 2),
        "validation_loss": round(validation[-1], 5) if validation else None,
    }


def _states(streaming: nn.Module) -> list[Tensor]:
    return [torch.zeros(shape) for shape in streaming.state_shapes.values()]  # type: ignore[operator]


def _to_onnx(streaming: nn.Module, path: Path) -> onnx.ModelProto:
    names = list(streaming.state_shapes)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # The tracing exporter is deprecated, but writes half as many nodes as its successor.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                streaming,
                (torch.zeros(1, SPEC.bins, 2), *_states(streaming)),
                path,
                dynamo=False,
                opset_version=OPSET,
                input_names=[SPECTRUM_INPUT, *names],
                output_names=[MASK_OUTPUT, *(f"next_{name}" for name in names)],
            )
        graph = onnx.load(path)
    finally:
        path.unlink(missing_ok=True)
    return _without_constants(graph)


def _without_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Constant nodes made initialisers, which is what ONNX Runtime does with them."""
    for node in [node for node in model.graph.node if node.op_type == "Constant"]:
        tensor = onnx.TensorProto()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        model.graph.initializer.append(tensor)
        model.graph.node.remove(node)
    return model


def count_macs(model: onnx.ModelProto) -> int:
    """Multiply-accumulates of one run: products, convolutions and gated units."""
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    for value in onnx.shape_inference.infer_shapes(model).graph.value_info:
        shapes[value.name] = [d.dim_value for d in value.type.tensor_type.shape.dim]
    for value in (*model.graph.input, *model.graph.output):
        shapes[value.name] = [d.dim_value for d in value.type.tensor_type.shape.dim]
    total = 0
    for node in model.graph.node:
        if node.op_type in ("Gemm", "MatMul"):
            total += math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
        elif node.op_type == "Conv":
            total += math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
        elif node.op_type == "ConvTranspose":
            total += math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])
        elif node.op_type == "GRU":
            steps = shapes[node.input[0]][0]
            total += steps * sum(math.prod(shapes[weight]) for weight in node.input[1:3])
    return total


def _errors(net: nn.Module, streaming: nn.Module, graph: onnx.ModelProto) -> tuple[float, float]:
    """Largest difference of the streamed masks, in torch and in ONNX Runtime, from the offline network's; a share of
    the mask where that is above one, as a network's is that estimates spectra."""
    noise = machine_noise(np.random.default_rng(0), TRIAL_SECONDS)
    low, high = (torch.from_numpy(part)[None] for part in analyse(noise))
    spectra = full_spectra(noise)
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    states = _states(streaming)
    feeds: list[NDArray[np.float32]] = [s.numpy() for s in states]
    names = [tensor.name for tensor in session.get_inputs()]
    streamed, ran = [], []
    with torch.no_grad():
        mask, gains = net(low, high)
        for spectrum in spectra:
            frame = torch.from_numpy(spectrum)[None]
            result, *states = streaming(frame, *states)
            streamed.append(result[0])
            output, *feeds = session.run(None, dict(zip(names, [frame.numpy(), *feeds], strict=True)))
            ran.append(torch.from_numpy(output[0]))
        offline = offline_mask(mask[0], gains[0])
    scale = offline.norm(dim=2, keepdim=True).clamp(min=1)
    return (
        float(((torch.stack(streamed) - offline) / scale).abs().max()),
        float(((torch.stack(ran) - offline) / scale).abs().max()),
    )


def offline_mask(mask: Tensor, gains: Tensor) -> Tensor:
    """Mask (frames, 256, 2) and gains (frames, 16) to all bins, (frames, 769, 2)."""
    real = gains.repeat_interleave((SPEC.bins - 1 - mask.shape[1]) // gains.shape[1], 1)
    return torch.cat([mask[:, :1], mask, torch.stack([real, torch.zeros_like(real)], 2)], 1)
