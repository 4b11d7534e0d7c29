"""The main job on real servers: what an application hears from "DenseNoiser Mic", and when."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tests.support.daemons import StartDaemon
from tests.support.listening import application, hears_sound, microphone_readers, sources
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import SINK_NAME, SOURCE_NAME
from densenoiser_daemon.measurement.demo import measure
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer
from densenoiser_daemon.measurement.recorder import Recorder
from densenoiser_daemon.measurement.signal_match import delays


def wake_ups(pid: int) -> int:
    """How often the process's threads have gone to sleep and been woken so far."""
    lines = [
        line for task in Path(f"/proc/{pid}/task").iterdir() for line in (task / "status").read_text().splitlines()
    ]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def test_noisy_speech_comes_out_cleaner(server: PrivateServer) -> None:
    outcome = measure(server.kind)
    assert outcome.noise_after_dbfs < outcome.noise_before_dbfs - 6.0
    assert abs(outcome.speech_change_db) < 6.0
    assert float(np.abs(outcome.after).max()) <= 1.0


def test_delay_is_bounded_and_does_not_grow(
    server: PrivateServer, daemon: StartDaemon, talk: Callable[..., None]
) -> None:
    daemon("--strength", "0")
    talk()
    microphone, heard = Recorder(server, MICROPHONE_NAME), application(server)
    time.sleep(12.0)
    found = delays(microphone.stop(), heard.stop())
    assert len(found) >= 5
    seconds = [delay.seconds for delay in found]
    assert np.median(seconds) < 0.15
    assert np.median(seconds[-4:]) < 0.15


def test_idle_daemon_leaves_the_microphone_alone_and_does_nothing(server: PrivateServer, daemon: StartDaemon) -> None:
    process = daemon()
    client = application(server)
    wait_until(lambda: "DenseNoiser" in microphone_readers(server), 10, "the microphone is open while an app records")
    client.stop()
    wait_until(lambda: "DenseNoiser" not in microphone_readers(server), 10, "the microphone is released")
    time.sleep(1.0)
    before = wake_ups(process.pid)
    time.sleep(4.0)
    assert wake_ups(process.pid) - before < 100, "a daemon that filters is woken more than 400 times in that"


def test_paused_recording_does_not_count_as_listening(server: PrivateServer, daemon: StartDaemon) -> None:
    daemon()
    client = application(server)
    wait_until(lambda: "DenseNoiser" in microphone_readers(server), 10, "the microphone is open")
    with server.control() as pulse:
        source = pulse.get_source_by_name(SOURCE_NAME).index
        outputs = [o for o in pulse.source_output_list() if o.source == source]
    assert len(outputs) == 1
    client.stop()
    wait_until(lambda: "DenseNoiser" not in microphone_readers(server), 10, "the microphone is released")


def test_killed_daemon_leaves_silence_and_its_successor_adopts(
    server: PrivateServer, daemon: StartDaemon, talk: Callable[..., None]
) -> None:
    talk()
    process = daemon("--strength", "0")
    client = application(server)
    wait_until(lambda: hears_sound(client), 10, "the application hears the microphone")
    process.kill()
    process.wait()
    time.sleep(0.5)
    killed = len(client.snapshot().samples)
    time.sleep(1.0)
    after = client.snapshot().samples[killed:]
    assert SOURCE_NAME in sources(server)
    assert client.is_running
    assert not after.any(), "an application must not hear the raw microphone"
    daemon("--strength", "0")
    wait_until(lambda: hears_sound(client), 10, "the same recording hears the microphone again")
    assert sources(server).count(SOURCE_NAME) == 1


def test_terminated_daemon_removes_the_virtual_microphone(server: PrivateServer, daemon: StartDaemon) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        process = daemon()
        process.send_signal(number)
        assert process.wait(10) == 0
        assert SOURCE_NAME not in sources(server)
        with server.control() as pulse:
            assert not [m for m in pulse.module_list() if "densenoiser" in (m.argument or "")]


def test_it_never_hears_itself(server: PrivateServer, daemon: StartDaemon, talk: Callable[..., None]) -> None:
    talk()
    daemon("--device", "auto", "--strength", "0")
    client = application(server)
    wait_until(lambda: hears_sound(client), 10, "the application hears the microphone")
    with server.control() as pulse:
        pulse.source_default_set(pulse.get_source_by_name(SOURCE_NAME))
    time.sleep(1.0)
    assert "DenseNoiser" in microphone_readers(server)
    assert hears_sound(client)


def test_music_is_never_taken_for_the_users_voice(
    server: PrivateServer, daemon: StartDaemon, talk: Callable[..., None]
) -> None:
    with server.control() as pulse:
        pulse.module_load("module-null-sink", "sink_name=loudspeaker")
        wait_until(lambda: "loudspeaker" in {s.name for s in pulse.sink_list()}, 10, "a loudspeaker")
        pulse.sink_default_set(pulse.get_sink_by_name("loudspeaker"))
    daemon("--strength", "0")
    client = application(server)
    wait_until(lambda: "DenseNoiser" in microphone_readers(server), 10, "the microphone is open")
    talk(SINK_NAME)
    started = time.monotonic()

    def players() -> list[str]:
        with server.control() as pulse:
            sink = pulse.get_sink_by_name(SINK_NAME).index
            return [i.name for i in pulse.sink_input_list() if i.sink == sink]

    wait_until(
        lambda: len(players()) == 1 and time.monotonic() - started > 1.0, 10, "only the daemon plays into its sink"
    )
    time.sleep(0.5)
    assert not hears_sound(client)
