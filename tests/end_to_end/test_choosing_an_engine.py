"""Other people's filters in the daemon, on a real server: chosen by name, heard, and left again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.daemons import StartDaemon, run_command
from tests.support.fake_engine import FakeEngine
from tests.support.listening import application, hears_sound
from tests.support.modules import music
from tests.support.waiting import wait_until

from densenoiser_daemon.measurement.private_server import PrivateServer, feed_of
from densenoiser_models.engines import ENGINES, is_installed
from densenoiser_models.model_file import DEFAULT_MODEL
from densenoiser_models.stft import Samples

INSTALLED = [name for name, engine in ENGINES.items() if is_installed(engine)]


def status() -> dict[str, Any]:
    code, printed = run_command("status", "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(printed)
    return found


@pytest.mark.parametrize("name", INSTALLED)
def test_an_engine_is_chosen_heard_and_left_again(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, name: str
) -> None:
    fresh_daemon("--strength", "10")
    assert name in run_command("models")[1]
    with music(shared_server, f"--device={feed_of()}"):
        client = application(shared_server)
        wait_until(lambda: hears_sound(client), 10, "our own filter is heard")
        delay = status()["algorithmic_latency"]
        assert run_command("model", name)[0] == 0
        wait_until(lambda: status()["active_model"] == name, 5, "it is in use")
        own = (480 + (ENGINES[name].latency_samples or 0)) / 48
        wait_until(lambda: abs(status()["algorithmic_latency"] - own) < 0.01, 5, "its own delay is shown")
        wait_until(lambda: hears_sound(client), 5, "it is heard")
        assert (status()["model"], status()["state"]) == (name, "running")
        assert run_command("model", DEFAULT_MODEL)[0] == 0
        wait_until(lambda: status()["active_model"] == DEFAULT_MODEL, 5, "it is left")
        wait_until(lambda: status()["algorithmic_latency"] == delay, 5, "our own delay is shown")
        wait_until(lambda: hears_sound(client), 5, "our own filter is heard again")
        client.stop()


def test_an_engine_may_be_the_first_model(shared_server: PrivateServer, fresh_daemon: StartDaemon) -> None:
    fresh_daemon("--model", INSTALLED[-1], "--strength", "10")
    with music(shared_server, f"--device={feed_of()}"):
        client = application(shared_server)
        wait_until(lambda: hears_sound(client), 10, "it is heard")
        client.stop()
    assert status()["model"] == INSTALLED[-1]


@pytest.fixture
def fake_engine(shared_server: PrivateServer, tmp_path: Path) -> Iterator[FakeEngine]:
    """It stands in for ``webrtc`` in every daemon that is started on the shared server."""
    before = shared_server.environment.get("PYTHONPATH")
    shared_server.environment["PYTHONPATH"] = os.pathsep.join(p for p in (str(tmp_path), before) if p)
    yield FakeEngine(tmp_path)
    del shared_server.environment["PYTHONPATH"]
    if before is not None:
        shared_server.environment["PYTHONPATH"] = before


def longest_silence(samples: Samples) -> float:
    """Seconds."""
    sounding = np.concatenate([[-1], np.flatnonzero(np.abs(samples) > 1e-4), [len(samples)]])
    return float(np.diff(sounding).max()) / 48_000


@pytest.mark.parametrize("how", ["hangs", "crashes"])
def test_an_engine_that_fails_is_silence_and_then_a_model_of_ours_until_it_works_again(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, fake_engine: FakeEngine, how: str
) -> None:
    fresh_daemon("--model", "webrtc", "--strength", "10")
    with music(shared_server, f"--device={feed_of()}"):
        client = application(shared_server)
        wait_until(lambda: hears_sound(client), 10, "the engine is heard")
        assert status()["model"] == "webrtc"
        time.sleep(0.5)
        moment = time.monotonic()
        fake_engine.fail(how)
        wait_until(lambda: status()["active_model"] == "densenet-tiny", 10, "another model takes over")
        wait_until(lambda: hears_sound(client), 5, "it is heard")
        said = status()
        assert (said["state"], said["reason"]["code"]) == ("running", "model-replaced")
        assert "webrtc failed" in said["reason"]["error"]
        time.sleep(0.5)
        after = client.snapshot().since(moment)
        assert longest_silence(after) < 1.0, "0.2 s on a machine that is not busy"
        assert np.abs(after).max() < 0.28, "unfiltered, the tone has an amplitude of 0.3"
        fake_engine.mend()
        wait_until(lambda: status()["active_model"] == "webrtc", 60, "the engine is tried again")
        wait_until(lambda: hears_sound(client), 5, "it is heard again")
        assert status()["reason"]["code"] == ""
        client.stop()


def test_an_engine_that_is_too_slow_gives_way(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, fake_engine: FakeEngine
) -> None:
    fake_engine.fail("slow")
    fresh_daemon("--model", "webrtc", "--strength", "10")
    with music(shared_server, f"--device={feed_of()}"):
        client = application(shared_server)
        wait_until(lambda: status()["active_model"] == "densenet-tiny", 20, "a lighter model takes over")
        wait_until(lambda: hears_sound(client), 10, "it is heard")
        assert status()["reason"]["code"] == "too-slow"
        client.stop()


def test_an_engine_that_cannot_be_opened_is_refused_with_the_reason(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, fake_engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh_daemon()
    fake_engine.fail("unusable")
    assert run_command("model", "webrtc")[0] != 0
    assert "webrtc cannot be used: libwebrtc.so: wrong ELF class" in capsys.readouterr().err
    assert status()["model"] == DEFAULT_MODEL
