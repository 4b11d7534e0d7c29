"""Never silent without a word: what is ours is held at full volume, what the user turned down is told."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pulsectl
import pytest
from tests.support.daemons import StartDaemon, run_command
from tests.support.listening import application, hears_sound
from tests.support.modules import module, music, tone_dbfs
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import SINK_NAME, SOURCE_NAME
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer, feed_of
from densenoiser_daemon.measurement.recorder import Recorder

PASS = ("--strength", "0")


def warnings() -> list[dict[str, str]]:
    code, printed = run_command("status", "--json")
    assert code == 0
    found: list[dict[str, str]] = json.loads(printed)["warnings"]
    return found


@pytest.fixture
def tone(shared_server: PrivateServer) -> Iterator[None]:
    """The microphone hears a tone."""
    with music(shared_server, f"--device={feed_of()}", "--latency-msec=100"):
        yield


def own(pulse: pulsectl.Pulse, kind: str) -> Any:
    """What the test turns down."""
    if kind == "sink":
        return pulse.get_sink_by_name(SINK_NAME)
    if kind == "monitor":
        return pulse.get_source_by_name(f"{SINK_NAME}.monitor")
    if kind == "clean speech":
        found = [i for i in pulse.sink_input_list() if i.name == kind]
    elif kind == "microphone":
        found = [o for o in pulse.source_output_list() if o.name == kind]
    else:
        monitor = pulse.get_source_by_name(f"{SINK_NAME}.monitor").index
        found = [o for o in pulse.source_output_list() if o.source == monitor]
    if not found:
        raise KeyError(kind)  # it is away for a moment: wait_until takes it for false
    return found[0]


def is_full(pulse: pulsectl.Pulse, kind: str) -> bool:
    thing = own(pulse, kind)
    return not thing.mute and abs(thing.volume.value_flat - 1.0) < 0.01


@pytest.mark.parametrize("kind", ["sink", "monitor", "clean speech", "microphone", "between"])
def test_what_is_ours_stays_at_full_volume(
    shared_server: PrivateServer, shared_daemon: object, tone: None, kind: str
) -> None:
    client = application(shared_server)
    wait_until(lambda: hears_sound(client), 20, "the application hears the microphone")
    with shared_server.control() as pulse:
        wait_until(lambda: own(pulse, kind), 10, "it is there")
        pulse.volume_set_all_chans(own(pulse, kind), 0.2)
        wait_until(lambda: is_full(pulse, kind), 5, "it is turned up again")
        pulse.mute(own(pulse, kind), True)
        wait_until(lambda: is_full(pulse, kind), 5, "it is not muted any more")
    wait_until(lambda: hears_sound(client), 10, "the application hears the microphone again")
    client.stop()


def test_streams_that_the_server_mutes_by_memory_are_heard(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, tone: None
) -> None:
    """module-stream-restore remembers that somebody muted a stream of that name, and mutes the next one."""
    if shared_server.kind == "pipewire":
        pytest.skip("WirePlumber keeps what test_what_is_ours_stays_at_full_volume sets")
    with module(shared_server, "module-stream-restore", "restore_device=no"):
        process = fresh_daemon()
        client = application(shared_server)
        wait_until(lambda: hears_sound(client), 20, "the application hears the microphone")
        process.send_signal(signal.SIGSTOP)  # it cannot undo that
        with shared_server.control() as pulse:
            for kind in ("clean speech", "microphone"):
                pulse.mute(own(pulse, kind), True)
        time.sleep(0.5)
        process.kill()
        process.wait()
        client.stop()
        fresh_daemon()
        client = application(shared_server)
        wait_until(lambda: hears_sound(client), 20, "the application hears the microphone")
        client.stop()


def mute(pulse: pulsectl.Pulse, name: str) -> None:
    pulse.mute(pulse.get_source_by_name(name), True)


def turn_down(pulse: pulsectl.Pulse, name: str) -> None:
    pulse.volume_set_all_chans(pulse.get_source_by_name(name), 0.2)


@pytest.mark.parametrize(
    ("name", "act", "code"),
    [
        (SOURCE_NAME, mute, "source-muted"),
        (SOURCE_NAME, turn_down, "source-turned-down"),
        (MICROPHONE_NAME, mute, "microphone-muted"),
        (MICROPHONE_NAME, turn_down, "microphone-turned-down"),
    ],
)
def test_what_a_user_turned_down_is_left_so_and_told(
    shared_server: PrivateServer,
    shared_daemon: object,
    name: str,
    act: Callable[[pulsectl.Pulse, str], None],
    code: str,
) -> None:
    wait_until(lambda: warnings() == [], 5, "all is well")
    with shared_server.control() as pulse:
        act(pulse, name)
        wait_until(lambda: [w["code"] for w in warnings()] == [code], 5, "status tells it")
        assert "Attention" in run_command("status")[1]
        if act is turn_down:
            assert abs(float(warnings()[0]["db"]) - 42) <= 1, "20 % of a cubic volume"
        found = pulse.get_source_by_name(name)
        assert found.mute or found.volume.value_flat < 0.3, "it is the user's wish"
        pulse.mute(found, False)
        pulse.volume_set_all_chans(found, 1.0)
        wait_until(lambda: warnings() == [], 5, "it is told no longer")


def test_a_listener_brought_back_after_our_sink_was_unloaded(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, tone: None
) -> None:
    fresh_daemon(*PASS)
    client = application(shared_server)
    wait_until(lambda: hears_sound(client), 20, "the application hears the microphone")
    with shared_server.control() as pulse:
        (sink,) = [m for m in pulse.module_list() if f"sink_name={SINK_NAME}" in (m.argument or "")]
        pulse.module_unload(sink.index)

        def listens_to_ours() -> bool:
            ours = [s.index for s in pulse.source_list() if s.name == SOURCE_NAME]
            return any(
                o.source in ours and o.proplist.get("application.name") == "parecord"
                for o in pulse.source_output_list()
            )

        wait_until(listens_to_ours, 10, "it listens to the new virtual microphone")
    wait_until(lambda: hears_sound(client), 10, "it hears it")
    client.stop()


def test_no_tail_of_the_last_call_in_the_next(shared_server: PrivateServer, fresh_daemon: StartDaemon) -> None:
    """The first that a listener hears is of its own time: here the microphone is silent by then."""
    fresh_daemon(*PASS)
    for _call in range(8):
        with music(shared_server, f"--device={feed_of()}", "--latency-msec=100"):
            first = application(shared_server)
            wait_until(partial(hears_sound, first), 20, "the first listener hears the tone")
            first.stop()
            microphone = Recorder(shared_server, MICROPHONE_NAME)
            time.sleep(0.2)
        time.sleep(0.6)
        microphone.stop()  # now the fake microphone holds no rest of the tone either
        time.sleep(0.2)
        heard = Recorder(shared_server, SOURCE_NAME)
        time.sleep(0.6)
        samples = heard.stop().samples
        assert len(samples) > 4800
        assert float(np.abs(samples).max()) < 1e-3, tone_dbfs(samples)
