"""Models that are chosen while the daemon runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.fake_backend import FakeBackend
from tests.support.fake_output import FakeOutput
from tests.support.tiny_model import write_tiny_model
from tests.support.waiting import wait_until

from densenoiser_daemon.daemon import Daemon
from densenoiser_daemon.engine import model_loader
from densenoiser_daemon.errors import SupersededError, UnusableModelError
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
        daemon = Daemon(lambda: fake, Settings(model=str(model), provider="cpu"), FakeOutput)
        running.append(daemon)
        daemon.start(None, on_change=lambda: None, on_end=lambda: None)
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

    monkeypatch.setattr(model_loader, "load", load)
    daemon.use_model(str(write_tiny_model(tmp_path, "other"))).result(5)
    wait_until(lambda: daemon.status.model == "other", 5, "the other model")
    assert set(loaders) == {"model loader"}


@pytest.mark.parametrize("fault", ["missing", "not ONNX", "other frames"])
def test_a_bad_model_is_refused_and_the_old_one_goes_on(start: StartDaemon, tmp_path: Path, fault: str) -> None:
    good = write_tiny_model(tmp_path)
    daemon = start(good)
    wait_until(lambda: daemon.status.state is State.RUNNING, 5, "running")
    bad = tmp_path / "bad.onnx"
    if fault == "other frames":
        bad = write_tiny_model(tmp_path, "bad", hop=240)
    elif fault == "not ONNX":
        write_tiny_model(tmp_path, "bad").write_bytes(b"not a model")
    answer = daemon.use_model(str(bad))
    daemon.apply(replace(daemon.settings, muted=True))
    with pytest.raises(UnusableModelError, match="bad"):
        answer.result(5)
    assert daemon.settings.model == str(good)
    assert daemon.settings.muted, "other settings are changed all the same"
    assert daemon.status.model == "tiny"
    assert daemon.status.state is State.RUNNING


def test_of_many_choices_the_last_one_wins(start: StartDaemon, tmp_path: Path) -> None:
    backend = FakeBackend()
    backend.listeners = ()
    daemon = start(write_tiny_model(tmp_path), backend)
    names = [str(write_tiny_model(tmp_path, f"model-{number}")) for number in range(6)]
    answers = [daemon.use_model(name) for name in names]
    answers[-1].result(10)
    assert daemon.settings.model == names[-1]
    for answer in answers[:-1]:
        assert answer.done()
        assert answer.exception() is None or isinstance(answer.exception(), SupersededError)
    backend.settle()
    wait_until(lambda: daemon.status.model == "model-5", 5, "the last choice")


def test_settings_that_name_another_model_do_not_change_it(start: StartDaemon, tmp_path: Path) -> None:
    good = write_tiny_model(tmp_path)
    daemon = start(good)
    daemon.apply(replace(daemon.settings, model="another", muted=True))
    assert (daemon.settings.model, daemon.settings.muted) == (str(good), True)


def test_without_its_model_it_serves_unfiltered_and_says_why(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(tmp_path / "missing.onnx")
    wait_until(lambda: daemon.status.state is State.BYPASSED, 5, "bypassed")
    assert "no model file at" in daemon.status.reason.details["error"]


def test_a_model_that_is_mended_is_taken(start: StartDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_loader, "_LOOK_SECONDS", 0.05)
    path = write_tiny_model(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    backend = FakeBackend()
    daemon = start(path, backend)
    wait_until(lambda: daemon.status.state is State.BYPASSED, 5, "bypassed")
    assert "was truncated or replaced" in daemon.status.reason.details["error"]
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
    daemon = Daemon(Broken, Settings(model=str(write_tiny_model(tmp_path)), provider="cpu"), FakeOutput)
    daemon.start(None, on_change=lambda: None, on_end=ended.set)
    assert ended.wait(5.0)
    assert str(daemon.join()) == "a bug"
