"""Both sides of the filter for those who listen in: the same moments, nothing twice, nothing lost, nothing kept for nobody."""

from __future__ import annotations

import numpy as np
import pytest

from densenoiser_daemon.engine.frame_tap import FrameTap
from densenoiser_models.frame import FrameSpec

SPEC = FrameSpec()
HOP = SPEC.hop
COUNTED = np.arange(300 * HOP, dtype=np.float32)


def note(tap: FrameTap, first: int, last: int, latency: int = 480) -> None:
    """Frames of a sound that counts its samples, and of the same sound after a filter that delays it."""
    for frame in range(first, last):
        now = COUNTED[frame * HOP : (frame + 1) * HOP]
        tap.note(now, now - latency, latency)


@pytest.mark.parametrize("latency", [335, 480, 1440])
def test_both_sides_are_of_the_same_moments(latency: int) -> None:
    tap = FrameTap(SPEC)
    reader = tap.open()
    note(tap, 0, 10, latency)
    reader.read()
    note(tap, 10, 40, latency)
    read = reader.read()
    assert read is not None
    before, after = read
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(after, COUNTED[10 * HOP : 40 * HOP] - latency)


def test_each_reader_gets_everything_once() -> None:
    tap = FrameTap(SPEC)
    first, second = tap.open(), tap.open()
    parts = []
    for turn in range(60):
        note(tap, 5 * turn, 5 * turn + 5)
        read = first.read()
        assert read is not None
        parts.append(read[1])
    np.testing.assert_array_equal(
        np.concatenate(parts), COUNTED[480:] - 480
    )  # the other side of its first is not there
    assert first.read() is None
    late = second.read()
    assert late is not None
    np.testing.assert_array_equal(late[1], COUNTED[-SPEC.sample_rate :] - 480)  # what is too old is left out


def test_nothing_is_kept_for_nobody() -> None:
    tap = FrameTap(SPEC)
    note(tap, 0, 10)
    reader = tap.open()
    assert reader.read() is None
    reader.close()
    reader.close()
    note(tap, 0, 10)
    assert tap.samples == 0


def test_what_is_of_long_ago_is_not_read() -> None:
    tap = FrameTap(SPEC)
    reader = tap.open()
    note(tap, 0, 200)
    reader.close()
    reader = tap.open()
    note(tap, 200, 210, 1440)
    read = reader.read()
    assert read is not None
    np.testing.assert_array_equal(read[0], COUNTED[200 * HOP : 207 * HOP])
    np.testing.assert_array_equal(read[1], COUNTED[203 * HOP : 210 * HOP] - 1440)
