"""Model files as users get them: found by name or path, checked against their sidecar, broken ones named."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from densenoiser_models import model_file
from densenoiser_models.denoiser import OnnxDenoiser
from densenoiser_models.errors import ModelError, ModelNotFoundError
from densenoiser_models.frame import FrameSpec
from densenoiser_models.model_file import ModelFile, StateTensor, find_model, list_models, load_model

MakeModel = Callable[..., ModelFile]
fuzzing = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def edit_card(model: ModelFile, **changes: Any) -> str:
    """Rewrites the sidecar with ``changes`` and returns the model's path."""
    model.path.with_suffix(".json").write_text(json.dumps(model.card | changes), encoding="utf-8")
    return str(model.path)


def test_a_good_pair_is_read_whole(make_model: MakeModel) -> None:
    model = make_model("mine")
    assert model.name == "mine"
    assert model.spec == FrameSpec()
    assert model.states == (StateTensor("state", "next_state", (1, 4)),)
    assert model.spectrum_shape == (1, 769, 2)
    assert hashlib.sha256(model.graph).hexdigest() == model.sha256


def test_models_are_found_by_name_and_a_users_hides_a_shipped_one(
    make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_model("shipped")
    make_model("both")
    user = tmp_path / "user"
    user.mkdir()
    for suffix in (".onnx", ".json"):
        (user / f"both{suffix}").write_bytes((tmp_path / f"both{suffix}").read_bytes())
    (user / "alone.onnx").write_bytes(b"a graph without its sidecar")
    monkeypatch.setattr(model_file, "weights_folder", lambda: tmp_path)
    monkeypatch.setattr(model_file, "user_models_folder", lambda: user)
    assert list_models() == {"shipped": tmp_path / "shipped.onnx", "both": user / "both.onnx"}
    assert find_model("both") == user / "both.onnx"
    with pytest.raises(ModelNotFoundError, match="did you mean shipped"):
        find_model("shiped")
    with pytest.raises(ModelNotFoundError, match="no model file at"):
        find_model(str(tmp_path / "none.onnx"))


def test_no_model_at_all_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "weights_folder", lambda: tmp_path / "none")
    monkeypatch.setattr(model_file, "user_models_folder", lambda: tmp_path / "none")
    with pytest.raises(ModelNotFoundError, match="none is installed"):
        load_model("any")


@pytest.mark.parametrize(
    "name", ["", ".", "/", "~nobody-has-this-name/x.onnx", "a\0b/c", "x" * 5000 + "/y", "дом/я.onnx"]
)
def test_odd_names_are_model_errors(name: str) -> None:
    with pytest.raises(ModelError):
        load_model(name)


def test_missing_sidecar_names_it(make_model: MakeModel) -> None:
    model = make_model()
    model.path.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"no sidecar tiny\.json"):
        load_model(str(model.path))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"1e999", b"[" * 100_000, b"9" * 5000])
def test_sidecar_that_is_no_card_is_a_model_error(make_model: MakeModel, content: bytes) -> None:
    model = make_model()
    model.path.with_suffix(".json").write_bytes(content)
    with pytest.raises(ModelError, match="sidecar"):
        load_model(str(model.path))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format": 2}, "format is 2"),
        ({"sha256": "0" * 64}, "truncated or replaced"),
        ({"sha256": "short"}, "64 hexadecimal"),
        ({"states": None}, "states must be a list"),
        ({"states": [{"name": "state"}]}, "exactly name, output and shape"),
        ({"states": [{"name": "s", "output": "o", "shape": [0]}]}, "positive integers"),
        ({"states": [{"name": "s", "output": "o", "shape": [10**9]}]}, "positive integers"),
        ({"states": [{"name": "spectrum", "output": "o", "shape": [1]}]}, "share a name"),
        ({"states": [{"name": n, "output": "o", "shape": [1]} for n in "ab"]}, "share a name"),
        ({"frame": {}}, "exactly the fields"),
    ],
)
def test_wrong_card_says_what_is_wrong(make_model: MakeModel, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        load_model(edit_card(make_model(), **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"states": []},
        {"states": [{"name": "state", "output": "next_state", "shape": [1, 5]}]},
        {"states": [{"name": "memory", "output": "next_state", "shape": [1, 4]}]},
        {"frame": FrameSpec(fft_size=2048).to_dict()},
    ],
)
def test_card_that_does_not_fit_the_graph_is_found_on_opening(make_model: MakeModel, changes: dict[str, Any]) -> None:
    model = load_model(edit_card(make_model(), **changes))
    with pytest.raises(ModelError, match="its sidecar says"):
        OnnxDenoiser(model, "cpu")


def test_truncated_graph_is_found_by_its_digest(make_model: MakeModel) -> None:
    model = make_model()
    model.path.write_bytes(model.graph[:-100])
    with pytest.raises(ModelError, match="truncated or replaced"):
        load_model(str(model.path))


@fuzzing
@given(cut=st.integers(0, 10_000), noise=st.binary(max_size=64))
def test_any_damaged_graph_with_a_matching_digest_is_a_model_error(
    make_model: MakeModel, cut: int, noise: bytes
) -> None:
    model = make_model()
    cut %= len(model.graph)
    graph = model.graph[:cut] + noise
    model.path.write_bytes(graph)
    path = edit_card(model, sha256=hashlib.sha256(graph).hexdigest())
    with pytest.raises(ModelError):
        OnnxDenoiser(load_model(path), "cpu")


@fuzzing
@given(at=st.integers(0, 10_000), junk=st.binary(min_size=1, max_size=8))
def test_any_damaged_card_is_a_model_error_or_harmless(make_model: MakeModel, at: int, junk: bytes) -> None:
    model = make_model()
    sidecar = model.path.with_suffix(".json")
    text = bytearray(sidecar.read_bytes())
    at %= len(text)
    text[at : at + len(junk)] = junk
    sidecar.write_bytes(text)
    with contextlib.suppress(ModelError):
        OnnxDenoiser(load_model(str(model.path)), "cpu")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@fuzzing
@given(key=st.sampled_from(["format", "frame", "states", "sha256"]), value=_json)
def test_any_value_in_the_card_is_a_model_error_or_harmless(make_model: MakeModel, key: str, value: Any) -> None:
    path = edit_card(make_model(), **{key: value})
    with contextlib.suppress(ModelError):
        OnnxDenoiser(load_model(path), "cpu")
