"""The frame contract: what it derives, what it refuses, and that it survives the sidecar."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from densenoiser_models.errors import ModelError
from densenoiser_models.frame import FrameSpec


def test_default_spec_is_the_products_promise() -> None:
    spec = FrameSpec()
    assert (spec.sample_rate, spec.hop, spec.bins) == (48_000, 480, 769)
    assert spec.hop_seconds == pytest.approx(0.010)
    assert spec.latency_samples == 480
    assert spec.algorithmic_latency_seconds == pytest.approx(0.020)


def test_spec_survives_json() -> None:
    spec = FrameSpec(sample_rate=16_000, hop=160, fft_size=512, synthesis_window=320)
    assert FrameSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"hop": 0}, "not positive"),
        ({"sample_rate": -48_000}, "not positive"),
        ({"synthesis_window": 961}, r"2 \* hop"),
        ({"fft_size": 1535}, "even fft_size"),
        ({"fft_size": 958}, "even fft_size"),
        ({"hop": 480.0}, "'hop' must be an integer"),
        ({"hop": True}, "'hop' must be an integer"),
        ({"window": 960}, "exactly the fields"),
    ],
)
def test_bad_spec_is_refused_by_name(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        FrameSpec.from_dict(FrameSpec().to_dict() | change)


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(_json_values | st.fixed_dictionaries(dict.fromkeys(FrameSpec().to_dict(), _json_values)))
def test_anything_else_is_a_model_error(values: Any) -> None:
    try:
        spec = FrameSpec.from_dict(values)
    except ModelError:
        return
    assert spec.to_dict() == values
