"""The level meter: levels of what was captured and heard, and frames that arrive cut off."""

from __future__ import annotations

import math

import numpy as np
import pytest

from densenoiser_daemon.engine.level_meter import LevelMeter
from densenoiser_models.stft import Samples

HOP = 480


def note(meter: LevelMeter, captured: Samples, heard: Samples) -> None:
    meter.note_captured(captured, float(captured @ captured))
    meter.note_heard(float(heard @ heard))


def test_levels_are_means_over_the_frames_since_the_last_look() -> None:
    meter = LevelMeter(HOP)
    loud, soft = np.full(HOP, 0.1, np.float32), np.full(HOP, 0.01, np.float32)
    note(meter, loud, soft)
    note(meter, loud, soft)
    levels = meter.take()
    assert levels.input_dbfs == pytest.approx(-20.0, abs=0.01)
    assert levels.output_dbfs == pytest.approx(-40.0, abs=0.01)
    assert levels.noise_reduction_db == pytest.approx(20.0, abs=0.01)
    note(meter, soft, soft)
    assert meter.take().input_dbfs == pytest.approx(-40.0, abs=0.01)


def test_silence_has_no_level_and_no_reduction() -> None:
    meter = LevelMeter(HOP)
    note(meter, np.full(HOP, 0.1, np.float32), np.zeros(HOP, np.float32))
    levels = meter.take()
    assert levels.output_dbfs == -math.inf
    assert levels.noise_reduction_db == 0.0
    assert meter.take().input_dbfs == -math.inf


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (3, 0), (4, 1), (100, 1)])
def test_a_frame_is_cut_off_if_several_samples_are_at_full_scale(samples: int, frames: int) -> None:
    meter = LevelMeter(HOP)
    frame = np.full(HOP, 0.5, np.float32)
    frame[:samples] = -1.0
    note(meter, frame, frame)
    assert meter.clipped_frames == frames
