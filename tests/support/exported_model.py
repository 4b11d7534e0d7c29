"""An exported network in the engine that the microphone uses."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from densenoiser_models.denoiser import OnnxDenoiser
from densenoiser_models.model_file import load_model


def runs_in_the_engine(path: Path) -> None:
    """Asserts that a quarter of a second of noise, 40 dB louder at its end, comes out finite, changed and not silent."""
    denoiser = OnnxDenoiser(load_model(str(path)), "cpu")
    hop = denoiser.spec.hop
    frames = np.random.default_rng(0).normal(0, 0.1, (25, hop)) * np.logspace(-2, 0, 25)[:, None]
    cleaned = np.array([denoiser.process(frame).copy() for frame in frames.astype(np.float32)])
    assert denoiser.fault is None
    assert np.isfinite(cleaned).all()
    assert cleaned[-5:].std() > 1e-4
    assert np.abs(cleaned[1:] - frames[:-1]).max() > 1e-3
