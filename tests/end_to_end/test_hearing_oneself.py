"""Real servers: people hear themselves where the desktop plays, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from tests.support.bus_client import Client
from tests.support.daemons import StartDaemon
from tests.support.listening import application, microphone_readers
from tests.support.modules import module, music
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import SINK_NAME
from densenoiser_daemon.measurement.private_server import PrivateServer, feed_of
from densenoiser_daemon.measurement.recorder import RATE, Recorder

TONE_DBFS = 20 * np.log10(0.3)


@pytest.fixture
def headphones(shared_server: PrivateServer, fresh_daemon: StartDaemon) -> Iterator[str]:
    """A default output, and a daemon; the name of what is heard on it."""
    with module(shared_server, "module-null-sink", "sink_name=headphones channels=1 channel_map=mono"):
        with shared_server.control() as pulse:
            wait_until(lambda: "headphones" in {s.name for s in pulse.sink_list()}, 10, "they are there")
            pulse.sink_default_set(pulse.get_sink_by_name("headphones"))
        fresh_daemon("--strength", "20")
        yield "headphones.monitor"


def recent(client: Recorder, seconds: float = 0.5) -> float:
    """Level of what was heard of late, dBFS of a tone's amplitude."""
    samples = client.snapshot().samples[-round(seconds * RATE) :]
    return float(10 * np.log10(2 * np.mean(samples**2) + 1e-12))


def players(server: PrivateServer) -> dict[str, str]:
    """Names of the streams that play, and where to."""
    with server.control() as pulse:
        sinks = {s.index: s.name for s in pulse.sink_list()}
        return {stream.name: sinks.get(stream.sink, "") for stream in pulse.sink_input_list()}


def test_each_side_is_heard_on_the_default_output(shared_server: PrivateServer, headphones: str) -> None:
    async def story() -> dict[str, float]:
        client = await Client.arrive(shared_server.environment["DBUS_SESSION_BUS_ADDRESS"])
        heard = Recorder(shared_server, headphones)
        levels = {}
        for what in ("microphone", "clean", "removed"):
            assert (await client.listen(what)).error_name is None
            await asyncio.sleep(5)
            levels[what] = recent(heard)
            assert await asyncio.to_thread(microphone_readers, shared_server)
            assert (await asyncio.to_thread(players, shared_server))["what you hear of yourself"] == "headphones"
        await client.listen("")
        heard.stop()
        client.bus.disconnect()
        return levels

    with music(shared_server, f"--device={feed_of()}"):
        levels = asyncio.run(story())
        wait_until(lambda: not microphone_readers(shared_server), 10, "the microphone is released")
    assert levels["microphone"] == pytest.approx(TONE_DBFS, abs=1)
    assert levels["clean"] < levels["microphone"] - 10
    assert levels["removed"] == pytest.approx(TONE_DBFS, abs=3)
    assert "what you hear of yourself" not in players(shared_server)


def test_nothing_of_it_gets_into_the_virtual_microphone(shared_server: PrivateServer, headphones: str) -> None:
    """Not even if that is the default output, nor while it changes."""

    async def story() -> None:
        client = await Client.arrive(shared_server.environment["DBUS_SESSION_BUS_ADDRESS"])
        await client.listen("microphone")
        await asyncio.sleep(1)
        with shared_server.control() as pulse:
            pulse.sink_default_set(pulse.get_sink_by_name(SINK_NAME))
        for _look in range(25):
            await asyncio.sleep(0.1)
            streams = await asyncio.to_thread(players, shared_server)
            assert streams.get("what you hear of yourself", "headphones") == "headphones"
        client.bus.disconnect()

    app = application(shared_server)
    with music(shared_server, f"--device={feed_of()}"):
        asyncio.run(story())
    app.stop()


def test_a_loudspeaker_at_the_microphone_ends_it(shared_server: PrivateServer, headphones: str) -> None:
    """The output is heard by the microphone, twice as loud."""

    async def story() -> str:
        client = await Client.arrive(shared_server.environment["DBUS_SESSION_BUS_ADDRESS"])
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        await client.hear_signals(lambda m: ended.set_result(m.body[1]) if m.member == "ListeningEnded" else None)
        await client.listen("microphone")
        why = await asyncio.wait_for(ended, 40)
        client.bus.disconnect()
        return why

    loop = f"source={headphones} sink={feed_of()} latency_msec=40"
    with (
        module(shared_server, "module-loopback", loop),
        music(shared_server, f"--device={feed_of()}", "--volume=12000"),
    ):
        with shared_server.control() as pulse:
            wait_until(lambda: len(pulse.sink_input_list()) >= 2, 5, "the loop is closed")
            for stream in pulse.sink_input_list():
                if "oopback" in stream.name or "oopback" in stream.proplist.get("media.name", ""):
                    pulse.volume_set_all_chans(stream, 1.3)
        assert asyncio.run(story()) == "feedback"
