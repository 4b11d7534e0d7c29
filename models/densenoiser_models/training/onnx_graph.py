"""From a streaming network to an ONNX graph, its cost, and how far it is from the network that was trained."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..bands import SPEC
from ..corpus.band_spectra import analyse, full_spectra
from ..corpus.machine_noise import machine_noise
from ..model_file import MASK_OUTPUT, SPECTRUM_INPUT

OPSET = 17
TRIAL_SECONDS = 3.0


def _states(streaming: nn.Module) -> list[Tensor]:
    return [torch.zeros(shape) for shape in streaming.state_shapes.values()]  # type: ignore[operator]


def to_onnx(streaming: nn.Module, path: Path) -> onnx.ModelProto:
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


def differences(net: nn.Module, streaming: nn.Module, graph: onnx.ModelProto) -> tuple[float, float]:
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
