"""An engine in a process of its own: what is left when it crashes, hangs, raises, or cannot be opened."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from tests.support.fake_engine import FakeEngine
from tests.support.waiting import wait_until

from densenoiser_models.engines import ENGINES, EngineDenoiser, FilterProcess, is_installed, load, open_denoiser
from densenoiser_models.errors import EngineError, ModelError

FRAME = np.linspace(-0.5, 0.5, 480, dtype=np.float32)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("densenoiser_models.engines.catalogue.checked_latency", lambda _name, _version: 0)
    return FakeEngine(tmp_path)


@pytest.fixture
def filter(engine: FakeEngine) -> FilterProcess:
    return FilterProcess("webrtc")


def has_ended(process: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


@pytest.mark.parametrize("name", [name for name, engine in ENGINES.items() if is_installed(engine)])
def test_an_engine_works_on_one_thread_without_a_socket(name: str) -> None:
    filter = FilterProcess(name)
    for _frame in range(20):
        filter.process(FRAME)
    process = Path(f"/proc/{filter.process_number}")
    assert len(list((process / "task").iterdir())) == 1
    assert not [e for e in (process / "fd").iterdir() if re.match("socket:", str(e.readlink()))]


def test_a_frame_comes_back_filtered(filter: FilterProcess) -> None:
    np.testing.assert_array_equal(filter.process(FRAME), 0.5 * FRAME)
    filter.reset()
    np.testing.assert_array_equal(filter.process(np.stack([FRAME, FRAME], axis=1)[:, 0]), 0.5 * FRAME)
    assert filter.process_number != os.getpid()


@pytest.mark.parametrize(
    ("how", "words"),
    [("crashes", "has ended"), ("raises", "no more memory"), ("hangs", "not answered"), ("spins", "not answered")],
)
def test_a_fault_of_its_code_is_an_error_here_and_it_is_started_again(
    engine: FakeEngine, filter: FilterProcess, how: str, words: str
) -> None:
    filter.process(FRAME)
    filter.patience_seconds = 0.5
    first = filter.process_number
    assert first is not None
    started: list[int] = []
    filter.follow(started.append)
    engine.fail(how)
    with pytest.raises(EngineError, match=words):
        filter.process(FRAME)
    with pytest.raises(EngineError, match=words):
        filter.process(FRAME)  # at once
    wait_until(lambda: has_ended(first), 5, "the old process ends")
    engine.mend()
    filter.patience_seconds = 10.0
    wait_until(lambda: filter.process_number is not None, 30, "another process runs")
    assert started == [first, filter.process_number]
    assert filter.process_number != first
    np.testing.assert_array_equal(filter.process(FRAME), 0.5 * FRAME)


def test_the_denoiser_goes_on_with_the_delayed_input_and_recovers(engine: FakeEngine) -> None:
    denoiser = open_denoiser(load("webrtc"))
    assert isinstance(denoiser, EngineDenoiser)
    assert denoiser.latency_samples == 0
    np.testing.assert_array_equal(denoiser.process(FRAME), 0.5 * FRAME)
    engine.fail("crashes")
    np.testing.assert_array_equal(denoiser.process(FRAME), FRAME)
    assert denoiser.fault == "webrtc failed: its process has ended"
    engine.mend()

    def works() -> bool:
        denoiser.recover()
        denoiser.process(FRAME)
        return denoiser.fault is None

    wait_until(works, 30, "it is started again")
    np.testing.assert_array_equal(denoiser.process(FRAME), 0.5 * FRAME)


def test_sound_that_is_not_finite_is_a_fault(engine: FakeEngine) -> None:
    denoiser = open_denoiser(load("webrtc"))
    engine.fail("NaN")
    np.testing.assert_array_equal(denoiser.process(FRAME), FRAME)
    assert denoiser.fault == "the output of webrtc is not finite"


def test_one_that_cannot_be_started_again_is_tried_at_each_reset(engine: FakeEngine, filter: FilterProcess) -> None:
    engine.fail("crashes")
    engine.fail("unusable")
    with pytest.raises(EngineError):
        filter.process(FRAME)

    def says_why() -> bool:
        with pytest.raises(EngineError) as caught:
            filter.process(FRAME)
        return "wrong ELF class" in str(caught.value)

    wait_until(says_why, 30, "it says why")
    assert filter.process_number is None
    engine.mend()

    def runs() -> bool:
        filter.reset()
        return filter.process_number is not None

    wait_until(runs, 30, "it runs again")


def test_one_that_cannot_be_opened_says_why(engine: FakeEngine) -> None:
    engine.fail("unusable")
    with pytest.raises(ModelError, match=r"webrtc cannot be used: .*wrong ELF class"):
        open_denoiser(load("webrtc"))


def test_its_process_ends_with_it(engine: FakeEngine) -> None:
    filter = FilterProcess("webrtc")
    process = filter.process_number
    assert process is not None
    del filter
    wait_until(lambda: has_ended(process), 5, "it ends")
