"""Networks of the form in which DPDFNet is published, made here: a gain and a delay of so many frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_MEANS = 4


def write_streaming_graph(
    path: Path,
    *,
    bins: int = 481,
    gain: float = 0.5,
    delay: int = 0,
    multiplied: int = 0,
    metadata: dict[str, str] | None = None,
    output_bins: int | None = None,
) -> Path:
    """``gain`` times the spectrum ``delay`` frames ago. A matrix of ``multiplied`` rows costs time.

    ``metadata`` replaces the state's description, and ``output_bins`` cuts the result.
    """
    size = 2 * bins
    state_size = _MEANS + delay * size
    constants = {
        "gain": np.float32(gain),
        "flat": np.array([size], np.int64),
        "shape": np.array([1, 1, bins, 2], np.int64),
        "zero": np.array([0], np.int64),
        "means_end": np.array([_MEANS], np.int64),
        "oldest": np.array([state_size - size], np.int64),
        "end": np.array([state_size], np.int64),
        "nothing": np.float32(0.0),
        "square": np.array([multiplied, multiplied], np.int64),
        "cut": np.array([output_bins or bins], np.int64),
        "bins_axis": np.array([2], np.int64),
    }
    nodes = [helper.make_node("Reshape", ["spec", "flat"], ["now"])]
    if delay:
        nodes += [
            helper.make_node("Slice", ["state", "zero", "means_end"], ["means"]),
            helper.make_node("Slice", ["state", "means_end", "oldest"], ["newer"]),
            helper.make_node("Slice", ["state", "oldest", "end"], ["heard"]),
            helper.make_node("Concat", ["means", "now", "newer"], ["state_out"], axis=0),
        ]
    else:
        nodes += [
            helper.make_node("Identity", ["now"], ["heard"]),
            helper.make_node("Identity", ["state"], ["state_out"]),
        ]
    nodes += [
        helper.make_node("Reshape", ["heard", "shape"], ["back"]),
        helper.make_node("Mul", ["back", "gain"], ["scaled"]),
    ]
    if multiplied:
        nodes += [
            helper.make_node("ReduceMean", ["spec"], ["mean"], keepdims=0),
            helper.make_node("Expand", ["mean", "square"], ["matrix"]),
            helper.make_node("MatMul", ["matrix", "matrix"], ["product"]),
            helper.make_node("ReduceMax", ["product"], ["largest"], keepdims=0),
            helper.make_node("Mul", ["largest", "nothing"], ["effort"]),
            helper.make_node("Add", ["scaled", "effort"], ["whole"]),
        ]
    else:
        nodes += [helper.make_node("Identity", ["scaled"], ["whole"])]
    nodes += [helper.make_node("Slice", ["whole", "zero", "cut", "bins_axis"], ["spec_out"])]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "network",
        [
            helper.make_tensor_value_info("spec", TensorProto.FLOAT, [1, 1, bins, 2]),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [state_size]),
        ],
        [
            helper.make_tensor_value_info("spec_out", TensorProto.FLOAT, [1, 1, output_bins or bins, 2]),
            helper.make_tensor_value_info("state_out", TensorProto.FLOAT, [state_size]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    described = {
        "state_size": f"{state_size}",
        "erb_norm_state_size": "1",
        "spec_norm_state_size": "3",
        "erb_norm_init": "-60",
        "spec_norm_init": "0.001,0.001,0.0001",
    }
    helper.set_model_props(model, described if metadata is None else metadata)
    path.write_bytes(model.SerializeToString())
    return path
