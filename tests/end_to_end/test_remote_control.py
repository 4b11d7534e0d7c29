"""Tests of commands to the real daemon on a real sound server and a real bus."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from dbus_fast import Message
from dbus_fast.aio import MessageBus
from tests.support.daemons import StartDaemon, run_command
from tests.support.dbus_calls import ask
from tests.support.listening import application
from tests.support.tiny_model import sidecar, tiny_graph
from tests.support.waiting import wait_until

from densenoiser_daemon.bus.session_bus import BUS_NAME
from densenoiser_daemon.command.daemon_client import DaemonClient
from densenoiser_daemon.measurement.demo import start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer, feed_of
from densenoiser_daemon.measurement.recorder import RATE, Recorder, Recording
from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples

Cli = Callable[..., str]

TONE_HZ = 250.0
"""192 samples a period: the steepest step between two samples is 3 % of the peak, so a click stands out."""
PERIOD = round(RATE / TONE_HZ)
_HOP = 480
_SWITCHES = 8
_PAUSE_SECONDS = 0.5
"""Between two switches: their effect is looked for during 375 ms after, and the level during 125 ms before."""


@pytest.fixture
def cli(shared_server: PrivateServer) -> Cli:
    """Runs ``densenoiser`` in the server's session; what it printed."""

    def run(*words: str) -> str:
        code, printed = run_command(*words)
        assert code == 0
        return printed

    return run


@pytest.fixture
def quiet_model(tmp_path: Path) -> str:
    """A model that lets a quarter through, or less."""
    graph = tiny_graph(FrameSpec(), gain=0.25, memory=0.9, nan_above=1e30, fail_above=1e30)
    path = tmp_path / "quiet.onnx"
    path.write_bytes(graph)
    path.with_suffix(".json").write_text(json.dumps(sidecar(FrameSpec(), graph)))
    return str(path)


@pytest.fixture
def tone(shared_server: PrivateServer) -> Iterator[None]:
    """A steady tone into the microphone."""
    path = shared_server.folder / "tone.wav"
    seconds = np.arange(RATE * 60) / RATE
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * TONE_HZ * seconds), RATE, subtype="FLOAT")
    player = shared_server.run(["paplay", f"--device={feed_of()}", str(path)])
    yield
    player.terminate()
    player.wait()


def peaks(samples: Samples) -> Samples:
    """The largest magnitude of each period, shape (len // PERIOD,)."""
    count = len(samples) // PERIOD
    whole: Samples = np.abs(samples[: count * PERIOD]).reshape(count, PERIOD).max(axis=1)
    return whole


def order(member: str, signature: str = "", *arguments: object) -> float:
    """Set a property or call a method without arguments; the moment just before, monotonic clock, s."""

    async def ask() -> float:
        async with DaemonClient() as client:
            await client.properties()
            started = time.monotonic()
            if arguments:
                await client.set(member, signature, arguments[0])
            else:
                await client.call(member)
            return started

    return asyncio.run(ask())


def level(client: Recorder) -> float:
    """Peak of the last 100 ms."""
    return float(np.abs(client.snapshot().samples[-RATE // 10 :]).max())


ORDERS: list[tuple[str, str, list[tuple[object, ...]]]] = [
    ("Toggle", "", [(), ()]),
    ("Muted", "b", [(True,), (False,)]),
    ("Strength", "d", [(0.0,), (math.inf,)]),
]


def test_an_order_is_heard_within_100_ms_and_without_a_click(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, tone: None, quiet_model: str
) -> None:
    """Of eight switches the median of the delays and a quartile of the steps: a busy machine's dropouts may hit half of them
    or more, a click or a slow way would be in all."""
    fresh_daemon("--model", quiet_model)
    client = application(shared_server)
    wait_until(lambda: len(client.snapshot().samples) > RATE and level(client) > 0.003, 15, "the tone is heard")
    moments = []
    for member, signature, arguments in ORDERS:
        for number in range(_SWITCHES):
            time.sleep(_PAUSE_SECONDS)
            moments.append((member, order(member, signature, *arguments[number % 2])))
    time.sleep(_PAUSE_SECONDS)
    heard = client.stop()
    for member, _signature, _arguments in ORDERS:
        found = [switch(heard, moment) for name, moment in moments if name == member]
        switches = [one for one in found if one is not None]
        assert len(switches) >= _SWITCHES / 2, member
        delays, steps = zip(*switches, strict=True)
        delay, step = float(np.median(delays)), float(np.percentile(steps, 25))
        sys.stdout.write(
            f"{shared_server.kind} {member}: heard after {1e3 * delay:.0f} ms, largest step {step:.2f} of usual\n"
        )
        assert delay < 0.1, (member, switches)
        assert step <= 1.05, (member, switches)


def switch(heard: Recording, moment: float) -> tuple[float, float] | None:
    """How long after ``moment`` the level changed, s, and the largest step there as a share of the largest around it.

    None if it did not change, or dropouts hide that it did.
    """
    first = heard.at(moment)
    before = heard.samples[first - RATE // 8 : first]
    after = heard.samples[first + RATE // 4 : first + RATE * 3 // 8]
    was, became = float(np.median(peaks(before))), float(np.median(peaks(after)))
    if abs(became - was) <= 0.5 * max(was, became):
        return None
    course = peaks(heard.samples[first : first + RATE * 3 // 8])
    changed = np.abs(course - was) > 0.5 * abs(became - was)
    stays = [bool(np.mean(changed[i : i + 12]) > 0.5) and bool(changed[i]) for i in range(len(changed))]
    if True not in stays:
        return None
    sample = first + stays.index(True) * PERIOD
    here = np.diff(heard.samples[sample - 2 * _HOP : sample + 2 * _HOP])
    usual = max(float(np.abs(np.diff(part)).max()) for part in (before, after))
    return heard.arrival(sample) - moment, float(np.abs(here).max()) / usual


def test_orders_survive_the_daemon(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, cli: Cli, quiet_model: str
) -> None:
    process = fresh_daemon()
    for words in (
        ["off"],
        ["strength", "12"],
        ["strength", "6", "--own"],
        ["mute"],
        ["mic", "fake_mic"],
        ["model", quiet_model],
    ):
        cli(*words)
    process.kill()
    process.wait()
    fresh_daemon()
    values = json.loads(cli("status", "--json"))
    kept = ("enabled", "muted", "strength", "microphone", "model")
    assert [values[name] for name in kept] == [False, True, 6.0, "fake_mic", quiet_model]
    assert values["provider"] == "cpu"
    cli("strength", "--shared")
    assert json.loads(cli("status", "--json"))["strength"] == 12.0


def test_hostile_settings_do_not_stop_the_daemon(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, cli: Cli
) -> None:
    path = Path(shared_server.environment["XDG_CONFIG_HOME"]) / "densenoiser" / "settings.toml"
    path.parent.mkdir()
    path.write_text("# my words\nmutd = true\nstrength_db = 'loud'\nenabled = false\n")
    fresh_daemon()
    log = (shared_server.folder / "densenoised.log").read_text()
    assert f"{path}:2: unknown key 'mutd'; did you mean 'muted'?" in log
    assert f"{path}:3: strength_db: must be a number of dB" in log
    values = json.loads(cli("status", "--json"))
    assert (values["enabled"], values["strength"]) == (False, "full")
    cli("on")
    assert "# my words\nmutd = true\nstrength_db = 'loud'\nenabled = true\n" in path.read_text()


def test_status_follows_the_listeners(
    shared_server: PrivateServer, shared_daemon: subprocess.Popen[bytes], cli: Cli
) -> None:
    assert json.loads(cli("status", "--json"))["state"] == "idle"
    command = [sys.executable, "-m", "densenoiser_daemon.command.cli", "status", "--watch", "--json"]
    watch = shared_server.run(command, stdout=subprocess.PIPE)
    assert watch.stdout is not None
    with watch.stdout as lines:
        assert json.loads(lines.readline())["listeners"] == []
        client = application(shared_server)
        assert json.loads(lines.readline())["listeners"] == ["parecord"]
        client.stop()
        while json.loads(lines.readline())["state"] != "idle":
            pass


def test_hot_plug_is_announced(shared_server: PrivateServer, shared_daemon: subprocess.Popen[bytes]) -> None:
    async def listen() -> None:
        heard = asyncio.Event()
        bus = await MessageBus(bus_address=shared_server.environment["DBUS_SESSION_BUS_ADDRESS"]).connect()
        bus.add_message_handler(lambda m: heard.set() if m.member == "MicrophonesChanged" else None)
        dbus: dict[str, Any] = {"destination": "org.freedesktop.DBus", "path": "/", "interface": "org.freedesktop.DBus"}
        await bus.call(Message(**dbus, member="AddMatch", signature="s", body=[f"type='signal',sender='{BUS_NAME}'"]))
        for change in (shared_server.plug_microphone, shared_server.unplug_microphone):
            await asyncio.to_thread(change, "second_mic")
            async with asyncio.timeout(10):
                await heard.wait()
            heard.clear()
        bus.disconnect()

    asyncio.run(listen())


def test_a_second_daemon_is_refused_with_the_first_untouched(
    shared_server: PrivateServer, shared_daemon: subprocess.Popen[bytes], cli: Cli
) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "densenoiser_daemon.main"],
        env={
            **shared_server.environment,
            "XDG_RUNTIME_DIR": str(shared_server.folder),
            "LANGUAGE": "C",
        },  # elsewhere: no lock in the way
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 1
    assert "already running" in second.stderr
    assert json.loads(cli("status", "--json"))["state"] == "idle"


def test_quit_ends_it_cleanly(shared_server: PrivateServer, shared_daemon: subprocess.Popen[bytes], cli: Cli) -> None:
    cli("quit")
    assert shared_daemon.wait(5) == 0


DEADLY = """
import sys
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.main import main
ControlService._watch = lambda service, wanted: setattr(service, "_connect", None)
sys.exit(main())
"""
"""A daemon whose control thread dies of a fault at the next loss of the bus after the first call of Watch."""


def test_a_dead_control_thread_ends_the_daemon(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, cli: Cli
) -> None:
    """With a status that makes systemd start it again."""
    process = start_daemon(shared_server, [sys.executable, "-c", DEADLY, "--device", MICROPHONE_NAME])
    ask(lambda client: client.call("Watch", "b", True))
    shared_server.kill("dbus-daemon")
    assert process.wait(10) == 1
    assert "the control thread died" in (shared_server.folder / "densenoised.log").read_text()
