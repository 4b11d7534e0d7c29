"""``densenoiser default``: ours is the default microphone while the daemon runs, and the earlier one again afterwards."""

from __future__ import annotations

import subprocess
import time

from tests.support.daemons import StartDaemon, run_command
from tests.support.listening import application, hears_sound
from tests.support.modules import music
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer, feed_of

AUTOMATIC = ("--device", "auto")


def default(server: PrivateServer) -> str:
    with server.control() as pulse:
        return str(pulse.server_info().default_source_name)


def make_default(server: PrivateServer, name: str) -> None:
    with server.control() as pulse:
        pulse.source_default_set(pulse.get_source_by_name(name))


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def test_it_is_made_the_default_and_given_back_at_the_end(
    shared_server: PrivateServer, fresh_daemon: StartDaemon
) -> None:
    shared_server.plug_microphone("second", "Second Microphone")  # the default from now on
    try:
        process = fresh_daemon(*AUTOMATIC)
        assert "is not the default" in run_command("default")[1]
        assert run_command("default", "on")[0] == 0
        wait_until(lambda: default(shared_server) == SOURCE_NAME, 5, "ours is the default")
        wait_until(lambda: "is the default microphone" in run_command("default")[1], 5, "it says so")
        assert "Second Microphone (automatic)" in run_command("status")[1], "the daemon's own choice is as before"
        end(process)
        assert default(shared_server) == "second"
        process = fresh_daemon(*AUTOMATIC)
        wait_until(lambda: default(shared_server) == SOURCE_NAME, 5, "the wish is kept")
        assert run_command("default", "off")[0] == 0
        wait_until(lambda: default(shared_server) == "second", 5, "the earlier one is the default again")
        end(process)
    finally:
        shared_server.unplug_microphone("second")
        make_default(shared_server, MICROPHONE_NAME)


def test_after_a_crash_the_earlier_default_is_still_known(
    shared_server: PrivateServer, fresh_daemon: StartDaemon
) -> None:
    shared_server.plug_microphone("second", "Second Microphone")
    try:
        process = fresh_daemon(*AUTOMATIC)
        run_command("default", "on")
        wait_until(lambda: default(shared_server) == SOURCE_NAME, 5, "ours is the default")
        process.kill()
        process.wait()
        assert default(shared_server) == SOURCE_NAME, "silence, not the raw microphone"
        process = fresh_daemon(*AUTOMATIC)
        assert "Second Microphone (automatic)" in run_command("status")[1]
        end(process)
        assert default(shared_server) == "second"
    finally:
        shared_server.unplug_microphone("second")
        make_default(shared_server, MICROPHONE_NAME)


def test_who_does_not_choose_hears_us(shared_server: PrivateServer, fresh_daemon: StartDaemon) -> None:
    process = fresh_daemon()
    run_command("default", "on")
    wait_until(lambda: default(shared_server) == SOURCE_NAME, 5, "ours is the default")
    with music(shared_server, f"--device={feed_of()}", "--latency-msec=100"):
        client = application(shared_server)
        wait_until(lambda: hears_sound(client), 20, "the microphone is heard")
        client.stop()
    end(process)
    assert default(shared_server) == MICROPHONE_NAME


def test_a_microphone_that_is_plugged_in_takes_neither_the_default_nor_the_listeners(
    shared_server: PrivateServer, fresh_daemon: StartDaemon
) -> None:
    """As desktops do, the server makes it the default at once. A choice some time later is a person's."""
    fresh_daemon()
    run_command("default", "on")
    wait_until(lambda: default(shared_server) == SOURCE_NAME, 5, "ours is the default")
    client = application(shared_server)
    wait_until(lambda: listeners(shared_server) == 1, 10, "it listens")
    try:
        shared_server.plug_microphone("second", "Second Microphone")
        wait_until(lambda: default(shared_server) == SOURCE_NAME, 5, "ours is the default again")
        wait_until(lambda: listeners(shared_server) == 1, 5, "it listens to ours")
        time.sleep(2.5)
        make_default(shared_server, "second")
        wait_until(lambda: default(shared_server) == "second", 5, "the person's choice")
        time.sleep(0.5)
        assert default(shared_server) == "second"
    finally:
        client.stop()
        shared_server.unplug_microphone("second")
        make_default(shared_server, MICROPHONE_NAME)


def listeners(server: PrivateServer) -> int:
    with server.control() as pulse:
        ours = pulse.get_source_by_name(SOURCE_NAME).index
        return sum(o.source == ours for o in pulse.source_output_list())
