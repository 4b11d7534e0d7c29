"""The model loader: one thread, the newest choice, and nothing changed by a model that cannot be loaded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.tiny_model import write_tiny_model
from tests.support.waiting import wait_until

from densenoiser_daemon.engine import model_loader
from densenoiser_daemon.engine.fallback_ladder import Rung
from densenoiser_daemon.engine.model_loader import ModelChoice, ModelLoader
from densenoiser_daemon.errors import SupersededError, UnusableModelError
from densenoiser_models.model_file import ModelFile, load_model


class Uses:
    """What was put in force."""

    def __init__(self) -> None:
        self.models: list[str] = []
        self.lighter: list[str] = []
        self.threads: set[str] = set()

    def use(self, choice: ModelChoice, chosen: Rung, lighter: Rung | None) -> None:
        self.threads.add(threading.current_thread().name)
        self.models.append(chosen.model)

    def use_lighter(self, lighter: Rung) -> None:
        self.lighter.append(lighter.model)


@pytest.fixture
def uses() -> Uses:
    return Uses()


@pytest.fixture
def loader(tmp_path: Path, uses: Uses) -> Iterator[ModelLoader]:
    made = ModelLoader(ModelChoice(str(write_tiny_model(tmp_path)), "cpu"), uses.use, uses.use_lighter)
    made.start()
    yield made
    made.end()
    made.join()


def test_a_choice_is_in_force_when_it_is_answered(loader: ModelLoader, uses: Uses, tmp_path: Path) -> None:
    other = ModelChoice(str(write_tiny_model(tmp_path, "other")), "cpu")
    loader.choose(other).result(10)
    assert uses.models == ["other"]
    assert uses.threads == {"model loader"}
    assert loader.choice == other


def test_a_model_that_cannot_be_loaded_changes_nothing(loader: ModelLoader, uses: Uses, tmp_path: Path) -> None:
    before, broken = loader.choice, write_tiny_model(tmp_path, "broken")
    broken.write_bytes(b"no graph")
    with pytest.raises(UnusableModelError, match=r"broken\.onnx"):
        loader.choose(ModelChoice(str(broken), "cpu")).result(10)
    assert uses.models == []
    assert loader.choice == before


def test_a_model_that_does_not_fit_is_refused_with_the_reason(tmp_path: Path, uses: Uses) -> None:
    def refuse(choice: ModelChoice, chosen: Rung, lighter: Rung | None) -> None:
        raise ValueError("other frames")

    loader = ModelLoader(ModelChoice(str(write_tiny_model(tmp_path)), "cpu"), refuse, uses.use_lighter)
    loader.start()
    before = loader.choice
    with pytest.raises(UnusableModelError, match="other frames"):
        loader.choose(ModelChoice(str(write_tiny_model(tmp_path, "other")), "cpu")).result(10)
    assert loader.choice == before
    loader.end()
    loader.join()


def test_the_newest_choice_supersedes_those_before_it(
    loader: ModelLoader, uses: Uses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading, go_on = threading.Event(), threading.Event()

    def slow(name: str) -> ModelFile:
        loading.set()
        assert go_on.wait(10)
        return load_model(name)

    monkeypatch.setattr(model_loader, "load", slow)
    choices = [ModelChoice(str(write_tiny_model(tmp_path, name)), "cpu") for name in ("a", "b", "c")]
    first = loader.choose(choices[0])
    assert loading.wait(10)
    second, third = loader.choose(choices[1]), loader.choose(choices[2])
    go_on.set()
    for superseded in first, second:
        with pytest.raises(SupersededError):
            superseded.result(10)
    third.result(10)
    assert uses.models == ["c"]


def test_the_end_answers_who_waits_and_takes_no_more(loader: ModelLoader, tmp_path: Path) -> None:
    loader.end()
    loader.end()
    with pytest.raises(SupersededError):
        loader.choose(ModelChoice(str(write_tiny_model(tmp_path, "late")), "cpu")).result(10)


def test_a_broken_first_model_is_taken_once_its_file_is_mended(
    tmp_path: Path, uses: Uses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_loader, "_LOOK_SECONDS", 0.01)
    path = write_tiny_model(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(b"no graph")
    loader = ModelLoader(ModelChoice(str(path), "cpu"), uses.use, uses.use_lighter)
    assert loader.first.denoiser.fault is not None
    loader.start()
    path.write_bytes(whole)
    wait_until(lambda: uses.models == ["tiny"], 10, "the mended model")
    loader.end()
    loader.join()
