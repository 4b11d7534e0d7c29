"""A tiny generated model: real ONNX, real state, known arithmetic."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from densenoiser_models.frame import FrameSpec
from densenoiser_models.model_file import ModelFile

MakeModel = Callable[..., ModelFile]
STATE_SHAPE = (1, 4)


def tiny_graph(spec: FrameSpec, gain: float, memory: float, nan_above: float, fail_above: float) -> bytes:
    """A graph with one state: a leaky mean of the spectrum's magnitude steers the mask.

    next = memory * state + (1 - memory) * mean|spectrum|, shape (1, 4); mask = gain / (1 + mean(next)) + 0j in every
    bin. A spectrum with a value above ``nan_above`` makes the mask NaN; one above ``fail_above`` makes the run raise.
    """
    real_unit = np.zeros((1, spec.bins, 2), np.float32)
    real_unit[..., 0] = 1.0
    constants = {
        "unit": real_unit,
        "gain": np.float32(gain),
        "one": np.float32(1.0),
        "zero": np.float32(0.0),
        "memory": np.float32(memory),
        "rest": np.float32(1.0 - memory),
        "nan_above": np.float32(nan_above),
        "fail_above": np.float32(fail_above),
        "far": np.int64(9),
        "table": np.ones(1, np.float32),
        "all_axes": np.array([0, 1, 2], np.int64),
        "state_axes": np.array([0, 1], np.int64),
    }
    nodes = [
        helper.make_node("Abs", ["spectrum"], ["magnitude"]),
        helper.make_node("ReduceMax", ["magnitude"], ["peak"], keepdims=0),
        helper.make_node("ReduceMean", ["magnitude"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["state", "memory"], ["kept"]),
        helper.make_node("Mul", ["mean", "rest"], ["added"]),
        helper.make_node("Add", ["kept", "added"], ["next_state"]),
        helper.make_node("ReduceMean", ["next_state"], ["level"], keepdims=0),
        helper.make_node("Add", ["level", "one"], ["divisor"]),
        helper.make_node("Div", ["gain", "divisor"], ["wanted"]),
        helper.make_node("Sub", ["nan_above", "peak"], ["room"]),
        helper.make_node("Sqrt", ["room"], ["root"]),
        helper.make_node("Mul", ["root", "zero"], ["trap"]),
        helper.make_node("Greater", ["peak", "fail_above"], ["too_loud"]),
        helper.make_node("Cast", ["too_loud"], ["flag"], to=TensorProto.INT64),
        helper.make_node("Mul", ["flag", "far"], ["index"]),
        helper.make_node("Gather", ["table", "index"], ["checked"]),
        helper.make_node("Add", ["wanted", "trap"], ["trapped"]),
        helper.make_node("Mul", ["trapped", "checked"], ["scale"]),
        helper.make_node("Mul", ["unit", "scale"], ["mask"]),
    ]
    used = {name for node in nodes for name in node.input}
    shape = [1, spec.bins, 2]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("spectrum", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, STATE_SHAPE),
        ],
        [
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("next_state", TensorProto.FLOAT, STATE_SHAPE),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def sidecar(spec: FrameSpec, graph: bytes) -> dict[str, Any]:
    """The card that describes ``graph``."""
    return {
        "format": 1,
        "name": "tiny",
        "frame": spec.to_dict(),
        "states": [{"name": "state", "output": "next_state", "shape": list(STATE_SHAPE)}],
        "sha256": hashlib.sha256(graph).hexdigest(),
    }


def write_tiny_model(
    folder: Path,
    name: str = "tiny",
    *,
    gain: float = 1.0,
    memory: float = 0.0,
    nan_above: float = 1e30,
    fail_above: float = 1e30,
    spec: FrameSpec | None = None,
    hop: int = 480,
) -> Path:
    """Path of ``name.onnx``; a mask of ``gain`` that shrinks as it gets louder (see ``tiny_graph``)."""
    spec = spec or FrameSpec(hop=hop, synthesis_window=2 * hop)
    graph = tiny_graph(spec, gain, memory, nan_above, fail_above)
    path = folder / f"{name}.onnx"
    path.write_bytes(graph)
    path.with_suffix(".json").write_text(json.dumps(sidecar(spec, graph)), encoding="utf-8")
    return path
