"""Blocks in, frames out: nothing lost or out of order that is not counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from densenoiser_daemon.audio.reframer import Reframer

FRAME = 7


@given(sizes=st.lists(st.integers(0, 60), max_size=40), pops=st.lists(st.integers(0, 6), max_size=40))
def test_samples_come_out_in_order_and_whole_frames_are_missing_only_if_counted(
    sizes: list[int], pops: list[int]
) -> None:
    reframer = Reframer(FRAME, 5 * FRAME + 3)
    pushed = 0
    expected: list[float] = []
    for size, count in zip(sizes, pops + [0] * len(sizes), strict=False):
        block = np.arange(pushed, pushed + size, dtype=np.float32)
        pushed += size
        expected += block.tolist()
        del expected[: reframer.push(block) * FRAME]
        assert len(reframer) == len(expected) <= 5 * FRAME + 3
        assert reframer.frames == len(expected) // FRAME
        for _ in range(count):
            frame = reframer.pop()
            if frame is None:
                assert len(expected) < FRAME
            else:
                assert frame.dtype == np.float32
                assert frame.tolist() == expected[:FRAME]
                del expected[:FRAME]


@given(size=st.integers(0, 40), drop=st.integers(0, 8))
def test_drop_takes_the_oldest_frames(size: int, drop: int) -> None:
    reframer = Reframer(FRAME, 40)
    reframer.push(np.arange(size, dtype=np.float32))
    reframer.drop(drop)
    assert len(reframer) == max(0, size - drop * FRAME)
    frame = reframer.pop()
    if frame is not None:
        assert frame[0] == drop * FRAME


def test_a_block_larger_than_the_capacity_keeps_its_end() -> None:
    reframer = Reframer(FRAME, 2 * FRAME)
    dropped = reframer.push(np.arange(10 * FRAME + 2, dtype=np.float32))
    frame = reframer.pop()
    assert dropped == 9
    assert frame is not None
    assert frame[0] == 9 * FRAME


def test_clear_empties_it() -> None:
    reframer = Reframer(FRAME, 20)
    reframer.push(np.ones(15, np.float32))
    reframer.clear()
    assert (len(reframer), reframer.frames, reframer.pop()) == (0, 0, None)


def test_capacity_below_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity 6 is below the frame length 7"):
        Reframer(FRAME, 6)
