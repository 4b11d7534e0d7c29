"""A model is one file: whatever its digest does not cover never reaches ONNX Runtime."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from densenoiser_models.denoiser import OnnxDenoiser
from densenoiser_models.errors import ModelError
from densenoiser_models.external_data import refuse_external_data
from densenoiser_models.model_file import ModelFile, load_model

MakeModel = Callable[..., ModelFile]

# Model, graph, initializer, data_location: 2**32 + 1, which is "external" once it is cut to 32 bits.
WITH_EXTERNAL_TENSOR = b"\x3a\x08\x2a\x06\x70\x81\x80\x80\x80\x10"


def complaint(graph: bytes) -> str:
    """Why ``graph`` is refused, or ""."""
    try:
        refuse_external_data(graph)
    except ModelError as error:
        return str(error)
    return ""


def outside(tensor: TensorProto, location: str = "weights.bin") -> None:
    """Lets the tensor's values be in another file."""
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", str(size))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def install(model: ModelFile, graph: bytes) -> str:
    """Puts ``graph`` in the model's place, with a sidecar that vouches for it; the path."""
    model.path.write_bytes(graph)
    card = model.card | {"sha256": hashlib.sha256(graph).hexdigest()}
    model.path.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    return str(model.path)


@pytest.mark.parametrize("location", ["weights.bin", "/etc/passwd", "../../etc/passwd"])
def test_weights_in_another_file_are_refused(
    make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    good = make_model()
    proto = onnx.load_model_from_string(good.graph)
    unit = next(tensor for tensor in proto.graph.initializer if tensor.name == "unit")
    (tmp_path / "weights.bin").write_bytes(unit.raw_data)
    monkeypatch.chdir(tmp_path)  # where ONNX Runtime would look, and find it
    outside(unit, location)
    with pytest.raises(ModelError, match=r"tiny\.onnx cannot be used: it keeps weights in another file"):
        load_model(install(good, proto.SerializeToString()))


def tensors_in_every_place(values: TensorProto) -> dict[str, onnx.ModelProto]:
    """Models that hold ``values``, each in another place of the format."""
    inner = helper.make_graph([], "inner", [], [], [values])
    node = helper.make_node("Constant", [], ["y"], value=values)
    sparse = onnx.SparseTensorProto(values=values, indices=numpy_helper.from_array(np.zeros(4, np.int64)), dims=[9])
    nodes = {
        "attribute": node,
        "list": helper.make_node("Odd", [], ["y"], all=[values, values]),
        "subgraph": helper.make_node("If", ["c"], ["y"], then_branch=inner),
        "subgraphs": helper.make_node("Odd", ["c"], ["y"], branches=[inner]),
        "sparse attribute": helper.make_node("Constant", [], ["y"], sparse_value=sparse),
    }
    models = {
        name: helper.make_model(helper.make_graph([entry], "g", [], [], doc_string="a graph"))
        for name, entry in nodes.items()
    }
    models["initializer"] = helper.make_model(inner)
    models["sparse initializer"] = helper.make_model(helper.make_graph([], "g", [], [], sparse_initializer=[sparse]))
    models["function"] = helper.make_model(helper.make_graph([], "g", [], []))
    models["function"].functions.append(helper.make_function("own", "f", [], ["y"], [node], []))
    models["training"] = helper.make_model(helper.make_graph([], "g", [], []))
    models["training"].training_info.add().algorithm.CopyFrom(inner)
    return models


def test_they_are_found_wherever_the_format_allows_tensors() -> None:
    inside = numpy_helper.from_array(np.arange(4, dtype=np.float32), "t")
    for place, model in tensors_in_every_place(inside).items():
        assert b"\x00\x00\x40\x40" in model.SerializeToString(), place  # 3.0: the tensor is really there
        refuse_external_data(model.SerializeToString())
    outside(inside)
    for place, model in tensors_in_every_place(inside).items():
        assert "another file" in complaint(model.SerializeToString()), place


def test_a_location_that_only_some_readers_take_for_external_is_refused() -> None:
    assert "another file" in complaint(WITH_EXTERNAL_TENSOR)


@settings(max_examples=200, deadline=None)
@given(
    junk=st.binary(max_size=40), head=st.sampled_from([b"", b"\x3a\x20", b"\x3a\x12\x2a\x10", b"\x0b", b"\xff" * 10])
)
def test_any_bytes_are_judged_without_a_crash(junk: bytes, head: bytes) -> None:
    assert complaint(head + junk) in ("", "it is not an ONNX file", complaint(WITH_EXTERNAL_TENSOR))


@pytest.mark.parametrize("graph", [b"\x3a", b"\x3a\x05abc", b"\x0b", b"\xff" * 11, b"\x0d\x00"])
def test_what_is_no_protobuf_is_refused(graph: bytes) -> None:
    with pytest.raises(ModelError, match="not an ONNX file"):
        refuse_external_data(graph)


def test_operators_from_elsewhere_are_not_loaded(make_model: MakeModel) -> None:
    good = make_model()
    proto = onnx.load_model_from_string(good.graph)
    proto.graph.node[0].domain = "evil.operators"
    proto.opset_import.append(helper.make_opsetid("evil.operators", 1))
    model = load_model(install(good, proto.SerializeToString()))
    with pytest.raises(ModelError, match="ONNX Runtime cannot load"):
        OnnxDenoiser(model, "cpu")


def test_files_beyond_any_sane_size_are_refused_unread(make_model: MakeModel) -> None:
    good = make_model()
    os.truncate(good.path, 129 * 1024**2)  # sparse: takes no room
    with pytest.raises(ModelError, match="too large"):
        load_model(str(good.path))
    model = make_model()
    os.truncate(model.path.with_suffix(".json"), 2 * 1024**2)
    with pytest.raises(ModelError, match="too large"):
        load_model(str(model.path))


def test_a_sidecar_that_would_never_end_is_refused(make_model: MakeModel) -> None:
    model = make_model()
    sidecar = model.path.with_suffix(".json")
    sidecar.unlink()
    os.mkfifo(sidecar)  # opening it would wait for a writer for ever
    with pytest.raises(ModelError, match="not a regular file"):
        load_model(str(model.path))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"states": [{"name": "a", "output": "b", "shape": [1_000_000, 1_000_000]}]}, "numbers, at most"),
        (
            {"frame": {"sample_rate": 48_000, "hop": 10**9, "fft_size": 2 * 10**9, "synthesis_window": 2 * 10**9}},
            "beyond",
        ),
        ({"frame": {"sample_rate": 10**9, "hop": 480, "fft_size": 1536, "synthesis_window": 960}}, "beyond"),
    ],
)
def test_a_card_that_asks_for_gigabytes_is_refused(
    make_model: MakeModel, changes: dict[str, object], words: str
) -> None:
    model = make_model()
    model.path.with_suffix(".json").write_text(json.dumps(model.card | changes), encoding="utf-8")
    with pytest.raises(ModelError, match=words):
        load_model(str(model.path))
