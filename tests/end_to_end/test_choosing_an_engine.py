"""Other people's filters in the daemon, on a real server: chosen by name, heard, and left again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.daemons import StartDaemon, run_command
from tests.support.listening import application, hears_sound
from tests.support.modules import music
from tests.support.waiting import wait_until

from densenoiser_daemon.measurement.private_server import PrivateServer, feed_of
from densenoiser_models.engines import ENGINES, is_installed
from densenoiser_models.model_file import DEFAULT_MODEL

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
        wait_until(lambda: status()["algorithmic_latency"] != delay, 5, "its own delay is shown")
        wait_until(lambda: hears_sound(client), 5, "it is heard")
        assert (status()["model"], status()["state"]) == (name, "running")
        assert run_command("model", DEFAULT_MODEL)[0] == 0
        wait_until(lambda: status()["algorithmic_latency"] == delay, 5, "it is left")
        wait_until(lambda: hears_sound(client), 5, "our own filter is heard again")
        client.stop()


def test_an_engine_may_be_the_first_model(shared_server: PrivateServer, fresh_daemon: StartDaemon) -> None:
    fresh_daemon("--model", INSTALLED[-1], "--strength", "10")
    with music(shared_server, f"--device={feed_of()}"):
        client = application(shared_server)
        wait_until(lambda: hears_sound(client), 10, "it is heard")
        client.stop()
    assert status()["model"] == INSTALLED[-1]
