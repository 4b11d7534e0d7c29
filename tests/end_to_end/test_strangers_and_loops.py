"""What an application hears when other programs play into our sink, or take our microphone for theirs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pulsectl
import pytest
import soundfile
from tests.support.daemons import StartDaemon, run_command
from tests.support.listening import application, hears_sound, microphone_readers
from tests.support.modules import module, music, tone_dbfs
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import SINK_NAME, SOURCE_NAME
from densenoiser_daemon.measurement.demo import load_recording
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer, feed_of
from densenoiser_daemon.measurement.recorder import RATE

AUTOMATIC = ("--device", "auto")
SILENT_DBFS = -80.0


def status() -> dict[str, object]:
    code, printed = run_command("status", "--json")
    assert code == 0
    found: dict[str, object] = json.loads(printed)
    return found


def warnings() -> list[str]:
    found: list[dict[str, str]] = status()["warnings"]  # type: ignore[assignment]
    return [warning["code"] for warning in found]


def doctor(server: PrivateServer, *options: str) -> dict[str, dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "densenoiser_daemon.command.cli", "doctor", "--json", *options],
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return {finding["check"]: finding for finding in json.loads(done.stdout)}


@contextmanager
def voice(server: PrivateServer) -> Iterator[None]:
    """Somebody speaks into the fake microphone."""
    speech, noise = load_recording()
    path = server.folder / "voice.wav"
    soundfile.write(path, np.tile(2 * speech + noise, 6), RATE, subtype="FLOAT")
    player = server.run(["paplay", "--latency-msec=100", f"--device={feed_of()}", str(path)])
    try:
        yield
    finally:
        player.terminate()
        player.wait()


def heard_later(server: PrivateServer, seconds: float = 1.0) -> float:
    """Level of the strangers' tone that an application hears once the daemon has had time to act, dBFS."""
    client = application(server)
    length = round(seconds * RATE)

    def is_silent() -> bool:
        samples = client.snapshot().samples
        return len(samples) > length and tone_dbfs(samples[-length:]) < SILENT_DBFS

    with suppress(TimeoutError):
        wait_until(is_silent, 10)
    time.sleep(2 * seconds)
    return tone_dbfs(client.stop().samples[-length:])


def test_a_combined_output_is_not_heard(shared_server: PrivateServer, fresh_daemon: StartDaemon) -> None:
    """PipeWire's combined sink takes every sink along, ours too, and its streams cannot be moved."""
    fresh_daemon()
    with module(shared_server, "module-combine-sink", "sink_name=comb"), music(shared_server, "--device=comb"):
        assert heard_later(shared_server) < SILENT_DBFS
        assert run_command("mute")[0] == 0
        assert heard_later(shared_server) < SILENT_DBFS
        if shared_server.kind == "pipewire":
            assert "stranger" in warnings()
            assert "comb" in doctor(shared_server)["stranger"]["text"]
    run_command("unmute")


def test_a_stream_that_comes_back_is_not_heard(shared_server: PrivateServer, fresh_daemon: StartDaemon) -> None:
    fresh_daemon()
    with module(shared_server, "module-null-sink", "sink_name=speakers"), music(shared_server, f"--device={SINK_NAME}"):
        for is_back in (False, True, True):
            if is_back:
                with shared_server.control() as pulse:
                    pulse.sink_input_move(paplay(pulse).index, pulse.get_sink_by_name(SINK_NAME).index)
            assert heard_later(shared_server) < SILENT_DBFS
            with shared_server.control() as pulse:
                # A player that ended while it is muted would be muted the next time: the server remembers that.
                wait_until(lambda: not paplay(pulse).mute, 5, "it is heard where it went")


def paplay(pulse: pulsectl.Pulse) -> pulsectl.PulseSinkInputInfo:
    """The stream of the only player."""
    (stream,) = [i for i in pulse.sink_input_list() if i.proplist.get("application.name") == "paplay"]
    return stream


def test_our_sink_is_never_elected_as_the_output(shared_server: PrivateServer, fresh_daemon: StartDaemon) -> None:
    """Without loudspeakers music goes nowhere, and it comes back with the loudspeakers."""
    with shared_server.control() as pulse:
        for start in (f"source_name={MICROPHONE_NAME}", f"sink_name={feed_of()}"):
            for found in pulse.module_list():
                if (found.argument or "").startswith(start):
                    pulse.module_unload(found.index)
    fresh_daemon("--device", "auto")
    with shared_server.control() as pulse:
        wait_until(lambda: pulse.server_info().default_sink_name == "densenoiser_nowhere", 5, "music has where to go")
        with music(shared_server):
            client = application(shared_server)
            time.sleep(1.0)
            assert tone_dbfs(client.stop().samples) < SILENT_DBFS, "not for a moment"
            with module(shared_server, "module-null-sink", "sink_name=speakers"):
                wait_until(lambda: pulse.server_info().default_sink_name == "speakers", 5, "the real output is taken")
                assert "densenoiser_nowhere" not in [sink.name for sink in pulse.sink_list()]
    shared_server.start()


def remap(server: PrivateServer, stack: ExitStack) -> str:
    stack.enter_context(module(server, "module-remap-source", f"source_name=x master={SOURCE_NAME}"))
    return "x"


def chain(server: PrivateServer, stack: ExitStack) -> str:
    """A loopback into a sink, a remap of its monitor, and a remap of that."""
    stack.enter_context(module(server, "module-null-sink", "sink_name=bus"))
    stack.enter_context(module(server, "module-loopback", f"source={SOURCE_NAME} sink=bus"))
    stack.enter_context(module(server, "module-remap-source", "source_name=first master=bus.monitor"))
    stack.enter_context(module(server, "module-remap-source", "source_name=x master=first"))
    return "x"


def echo_canceller(server: PrivateServer, stack: ExitStack) -> str:
    method = " aec_method=null" if server.kind == "pulseaudio" else ""
    stack.enter_context(module(server, "module-null-sink", "sink_name=bus"))
    stack.enter_context(
        module(server, "module-echo-cancel", f"source_name=x source_master={SOURCE_NAME} sink_master=bus{method}")
    )
    return "x"


@pytest.mark.parametrize("make", [remap, chain, echo_canceller])
def test_what_is_fed_from_us_is_never_the_microphone(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, make: Callable[[PrivateServer, ExitStack], str]
) -> None:
    fresh_daemon(*AUTOMATIC)
    with ExitStack() as stack:
        name = make(shared_server, stack)
        with shared_server.control() as pulse:
            wait_until(lambda: name in [s.name for s in pulse.source_list()], 5, "the source is there")
            pulse.source_default_set(pulse.get_source_by_name(name))
            wait_until(lambda: pulse.server_info().default_source_name == name, 5, "it is the default")
        stack.callback(restore_default, shared_server)
        wait_until(lambda: "loop" in warnings(), 5, "status names it")
        assert doctor(shared_server)["loop"]["verdict"] == "fault"
        code, _printed = run_command("mic", name)
        assert code != 0, "refused by name"
        assert status()["microphone"] == "auto"
        with voice(shared_server):
            client = application(shared_server)
            wait_until(lambda: hears_sound(client), 10, "the real microphone is heard")
            client.stop()
        wait_until(lambda: status()["state"] == "idle", 10, "nobody listens: the chain keeps nobody awake")
        wait_until(lambda: "DenseNoiser" not in microphone_readers(shared_server), 5, "the microphone is released")


def test_who_hears_us_through_a_chain_is_a_listener(shared_server: PrivateServer, fresh_daemon: StartDaemon) -> None:
    fresh_daemon()
    with ExitStack() as stack:
        name = remap(shared_server, stack)
        stack.enter_context(voice(shared_server))
        recorder = shared_server.run(["parecord", f"--device={name}", "--raw", "/dev/null"])
        wait_until(lambda: status()["listeners"] == ["parecord"], 10, "it is named")
        wait_until(lambda: status()["state"] == "running", 10, "it hears somebody")
        recorder.terminate()


def restore_default(server: PrivateServer) -> None:
    with server.control() as pulse:
        pulse.source_default_set(pulse.get_source_by_name(MICROPHONE_NAME))


def test_a_second_daemon_on_the_same_server_refuses(shared_server: PrivateServer, fresh_daemon: StartDaemon) -> None:
    """It has a runtime folder and a bus of its own, as in a container, and finds the first one playing."""
    first = fresh_daemon()
    other = shared_server.folder / "other"
    other.mkdir(exist_ok=True)
    environment = shared_server.environment | {
        "XDG_RUNTIME_DIR": str(other),
        "XDG_CONFIG_HOME": str(other),
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={other / 'none'}",
    }
    command = [sys.executable, "-m", "densenoiser_daemon.main", "--device", MICROPHONE_NAME]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"another densenoised (process {first.pid} of" in done.stderr
    with shared_server.control() as pulse:
        assert [s.name for s in pulse.source_list()].count(SOURCE_NAME) == 1, "the first one keeps its microphone"
    assert first.poll() is None


def test_a_server_that_loads_no_modules_is_explained() -> None:
    with tempfile.TemporaryDirectory(prefix="dn-") as folder, PrivateServer("pulseaudio", Path(folder)) as server:
        server.kill("pulseaudio")
        server.socket.unlink(missing_ok=True)
        script = server.folder / "private.pa"
        arguments = ["-n", "-F", str(script), "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        server.spawn("pulseaudio", *arguments, "--disallow-module-loading=yes")
        server._await()
        command = [sys.executable, "-m", "densenoiser_daemon.main"]
        done = subprocess.run(command, env=server.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 3
        assert "refused module-null-sink" in done.stderr
        assert "allow-module-loading = yes" in done.stderr
        assert "b'" not in done.stderr
        process = server.run([*command, "--wait"], stderr=subprocess.DEVNULL)
        try:
            time.sleep(3.0)
            assert process.poll() is None, "--wait waits"
        finally:
            process.terminate()
            process.wait()
