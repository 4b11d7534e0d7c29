"""Models that are chosen while the daemon runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.fake_backend import FakeBackend
from tests.support.tiny_model import write_tiny_model
from tests.support.waiting import wait_until

from densenoiser_daemon import daemon as daemon_module
from densenoiser_daemon.daemon import Daemon
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import State
from densenoiser_models.model_file import ModelFile, load_model

StartDaemon = Callable[..., Daemon]


@pytest.fixture
def start() -> Iterator[StartDaemon]:
    """Starts a daemon with the model at the given path on a fake backend, or on the given one."""
    running: list[Daemon] = []

    def begin(model: Path | str, backend: FakeBackend | None = None) -> Daemon:
        fake = backend or FakeBackend()
        daemon = Daemon(lambda: fake, Settings(model=str(model), provider="cpu"))
        running.append(daemon)
        daemon.start(None, lambda: None)
        return daemon

    yield begin
    for daemon in running:
        daemon.quit()
        assert daemon.join() is None


def test_the_first_model_is_loaded_and_named(start: StartDaemon, tmp_path: Path) -> None:
    status = start(write_tiny_model(tmp_path)).status
    assert (status.model, status.provider) == ("tiny", "cpu")


def test_a_new_model_is_loaded_in_another_thread_and_taken(
    start: StartDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = FakeBackend()
    backend.listeners = ()
    daemon = start(write_tiny_model(tmp_path), backend)
    loaders: list[str] = []

    def load(name: str) -> ModelFile:
        loaders.append(threading.current_thread().name)
        return load_model(name)

    monkeypatch.setattr(daemon_module, "load_model", load)
    daemon.apply(replace(daemon.settings, model=str(write_tiny_model(tmp_path, "other"))))
    wait_until(lambda: daemon.status.model == "other", 5, "the other model")
    assert "model" in loaders
    assert not {"MainThread", "engine"} & {*loaders}


@pytest.mark.parametrize("fault", ["missing", "not ONNX", "other frames"])
def test_a_bad_model_keeps_the_old_one_even_where_that_came_from_a_path(
    start: StartDaemon, tmp_path: Path, fault: str
) -> None:
    good = write_tiny_model(tmp_path)
    daemon = start(good)
    wait_until(lambda: daemon.status.state is State.RUNNING, 5, "running")
    bad = tmp_path / "bad.onnx"
    if fault == "other frames":
        bad = write_tiny_model(tmp_path, "bad", hop=240)
    elif fault == "not ONNX":
        write_tiny_model(tmp_path, "bad").write_bytes(b"not a model")
    daemon.apply(replace(daemon.settings, model=str(bad), muted=True))
    wait_until(lambda: daemon.settings.model == str(good), 5, "the setting goes back to the model in use")
    assert daemon.status.model == "tiny"
    assert daemon.settings.muted, "the rest of what was applied stays"
    assert daemon.status.state is State.RUNNING


def test_the_last_of_two_choices_wins_however_long_the_first_takes_to_load(
    start: StartDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = FakeBackend()
    backend.listeners = ()
    daemon = start(write_tiny_model(tmp_path), backend)
    slow, fast = write_tiny_model(tmp_path, "slow"), write_tiny_model(tmp_path, "fast")
    hold, held = threading.Event(), threading.Event()

    def load(name: str) -> ModelFile:
        if name == str(slow):
            held.set()
            hold.wait(10.0)
        return load_model(name)

    monkeypatch.setattr(daemon_module, "load_model", load)
    daemon.apply(replace(daemon.settings, model=str(slow)))
    assert held.wait(5.0)
    first = next(t for t in threading.enumerate() if t.name == "model")
    daemon.apply(replace(daemon.settings, model=str(fast)))
    wait_until(lambda: daemon.status.model == "fast", 5, "the second choice")
    hold.set()
    first.join(5.0)
    backend.settle()
    assert daemon.status.model == "fast"
    assert daemon.settings.model == str(fast)


def test_without_its_model_it_serves_unfiltered_and_says_why(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(tmp_path / "missing.onnx")
    wait_until(lambda: daemon.status.state is State.BYPASSED, 5, "bypassed")
    assert "no model file at" in daemon.status.reason


def test_a_model_that_is_mended_is_taken(start: StartDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_module, "_MISSING_MODEL_SECONDS", 0.05)
    path = write_tiny_model(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    backend = FakeBackend()
    daemon = start(path, backend)
    wait_until(lambda: daemon.status.state is State.BYPASSED, 5, "bypassed")
    assert "was truncated or replaced" in daemon.status.reason
    path.write_bytes(whole)

    def runs() -> bool:
        backend.hear(np.zeros(480, np.float32))
        return daemon.status.state is State.RUNNING

    wait_until(runs, 5, "running")
    assert daemon.status.model == "tiny"


def test_a_thread_that_dies_is_reported(tmp_path: Path) -> None:
    class Broken(FakeBackend):
        def connect(self) -> None:
            raise RuntimeError("a bug")

    ended = threading.Event()
    daemon = Daemon(Broken, Settings(model=str(write_tiny_model(tmp_path)), provider="cpu"))
    daemon.start(None, ended.set)
    assert ended.wait(5.0)
    assert str(daemon.join()) == "a bug"
