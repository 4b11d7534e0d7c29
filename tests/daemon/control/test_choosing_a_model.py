"""A model is chosen over D-Bus: the choice is stored when ONNX Runtime has loaded it, and refused with the reason otherwise."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbus_fast import Variant
from tests.support.dbus_calls import OWN, ask, send, setting
from tests.support.fake_backend import FakeBackend
from tests.support.fake_output import FakeOutput
from tests.support.tiny_model import write_tiny_model
from tests.support.waiting import wait_until

from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.daemon import Daemon
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_daemon.settings.settings import Settings
from densenoiser_models.model_file import load_model


@pytest.fixture
def daemon(bus: str, store: SettingsFile, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon on a fake microphone, with its real service on a private bus; its model is called "tiny"."""
    before, chosen = Settings(provider="cpu"), Settings(provider="cpu", model=str(write_tiny_model(tmp_path)))
    store.save(before, chosen)
    running = Daemon(FakeBackend, chosen, FakeOutput)
    service = ControlService(running, store)
    assert service.start()
    running.start(None, on_change=service.changed, on_end=lambda: None)
    yield running
    service.stop()
    running.quit()
    assert running.join() is None


def unloadable(folder: Path) -> Path:
    """A model whose sidecar is sound by itself, but names a state that the graph does not have."""
    path = write_tiny_model(folder, "unloadable")
    card = json.loads(path.with_suffix(".json").read_text())
    card["states"][0]["name"] = "another_state"
    path.with_suffix(".json").write_text(json.dumps(card))
    load_model(str(path))
    return path


def test_a_model_that_onnx_runtime_refuses_is_refused_and_not_stored(
    daemon: Daemon, store: SettingsFile, tmp_path: Path
) -> None:
    before, stored = daemon.settings, store.path.read_text()
    reply = asyncio.run(send(setting("Model", Variant("s", str(unloadable(tmp_path))))))
    assert reply.error_name == OWN + "UnknownModel"
    assert "unloadable" in reply.body[0]
    assert daemon.settings == before
    assert store.path.read_text() == stored
    assert daemon.status.model == "tiny"


def test_a_model_is_in_use_and_stored_when_the_answer_comes(
    daemon: Daemon, store: SettingsFile, tmp_path: Path
) -> None:
    other = str(write_tiny_model(tmp_path, "other"))
    ask(lambda client: client.set("Model", "s", other))
    assert daemon.settings.model == other
    assert store.load().model == other


def test_the_earlier_of_two_choices_is_told_that_another_one_won(
    daemon: Daemon, store: SettingsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, fast = str(write_tiny_model(tmp_path, "slow")), str(write_tiny_model(tmp_path, "fast"))
    is_loading, may_go_on = threading.Event(), threading.Event()

    def load(name: str) -> object:
        if name == slow:
            is_loading.set()
            assert may_go_on.wait(10.0)
        return load_model(name)

    monkeypatch.setattr("densenoiser_daemon.engine.model_loader.load", load)

    async def choose_both() -> tuple[str | None, str | None]:
        first = asyncio.ensure_future(send(setting("Model", Variant("s", slow))))
        await asyncio.to_thread(is_loading.wait, 5.0)
        second = asyncio.ensure_future(send(setting("Model", Variant("s", fast))))
        await asyncio.sleep(0.1)
        may_go_on.set()
        return (await first).error_name, (await second).error_name

    assert asyncio.run(choose_both()) == (OWN + "Superseded", None)
    assert daemon.settings.model == fast
    assert store.load().model == fast


def test_other_settings_are_changed_while_a_model_is_loading(
    daemon: Daemon, store: SettingsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = str(write_tiny_model(tmp_path, "slow"))
    is_loading, may_go_on = threading.Event(), threading.Event()

    def load(name: str) -> object:
        is_loading.set()
        assert may_go_on.wait(10.0)
        return load_model(name)

    monkeypatch.setattr("densenoiser_daemon.engine.model_loader.load", load)

    async def choose_and_mute() -> None:
        choice = asyncio.ensure_future(send(setting("Model", Variant("s", slow))))
        await asyncio.to_thread(is_loading.wait, 5.0)
        assert (await send(setting("Muted", Variant("b", True)))).error_name is None
        assert daemon.settings.muted
        may_go_on.set()
        assert (await choice).error_name is None

    asyncio.run(choose_and_mute())
    assert (daemon.settings.model, daemon.settings.muted) == (slow, True)
    stored = store.load()
    assert (stored.model, stored.muted) == (slow, True)


def test_the_end_of_the_daemon_answers_who_waits_for_a_model(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = str(write_tiny_model(tmp_path, "slow"))
    is_loading, may_go_on = threading.Event(), threading.Event()

    def load(name: str) -> object:
        is_loading.set()
        may_go_on.wait(10.0)
        return load_model(name)

    monkeypatch.setattr("densenoiser_daemon.engine.model_loader.load", load)
    answer = daemon.use_model(slow)
    assert is_loading.wait(5.0)
    daemon.quit()
    wait_until(answer.done, 5.0, "an answer")
    assert answer.exception() is not None
    may_go_on.set()
