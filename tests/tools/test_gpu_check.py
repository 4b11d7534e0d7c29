"""The check of the CUDA provider: what it compares, and what it says where there is none."""

from __future__ import annotations

import pytest
from tests.support.tiny_model import MakeModel
from tests.tools import gpu_check

from densenoiser_models.denoiser import OnnxDenoiser
from densenoiser_models.provider import available_providers


@pytest.mark.skipif("cuda" in available_providers(), reason="this ONNX Runtime has CUDA built in")
def test_without_cuda_it_says_so_with_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_check.main([]) == gpu_check.NO_CUDA
    assert "onnxruntime-gpu" in capsys.readouterr().out


def test_it_tells_equal_outputs_from_others(make_model: MakeModel) -> None:
    half, same, other = (OnnxDenoiser(make_model(f"m{i}", gain=gain), "cpu") for i, gain in enumerate((0.5, 0.5, 0.4)))
    assert gpu_check.largest_difference(half, same) == 0.0
    assert gpu_check.largest_difference(OnnxDenoiser(half.model, "cpu"), other) > gpu_check.LARGEST_DIFFERENCE


def test_its_time_of_a_hop_is_that_of_the_graph(make_model: MakeModel) -> None:
    median, p99 = gpu_check._milliseconds(make_model(), "cpu")
    assert 0 < median <= p99
