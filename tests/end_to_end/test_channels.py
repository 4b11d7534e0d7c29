"""Microphones of several channels on real servers: the voice is heard at its own level, whichever channel it is in."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile
from tests.support.daemons import StartDaemon, run_command
from tests.support.modules import module
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.measurement.demo import load_recording
from densenoiser_daemon.measurement.private_server import PrivateServer
from densenoiser_daemon.measurement.recorder import RATE, Recorder
from densenoiser_models.stft import Samples

STEREO = "front-left,front-right"
SURROUND = "front-left,front-right,rear-left,rear-right"
SECONDS = 6


def voice() -> Samples:
    """Ten seconds of speech, spoken all the time."""
    speech, _noise = load_recording()
    return np.tile(speech[2 * RATE : 7 * RATE], 8)


@contextmanager
def microphone(server: PrivateServer, channel_map: str, channels: Sequence[Samples]) -> Iterator[None]:
    """The microphone "many", whose channels hear these signals over and over."""
    count = len(channels)
    path = server.folder / "many.wav"
    soundfile.write(path, np.stack(channels, axis=1), RATE, subtype="FLOAT")
    layout = f"channels={count} channel_map={channel_map}"
    feed = module(server, "module-null-sink", f"sink_name=many_feed rate={RATE} norewinds=1 {layout}")
    source = module(server, "module-remap-source", f"source_name=many master=many_feed.monitor {layout} remix=no")
    with feed, source:
        wait_until(lambda: "many" in names(server), 10, "the microphone is there")
        player = server.run(
            [
                "paplay",
                "--device=many_feed",
                "--latency-msec=100",
                "--no-remix",
                f"--channel-map={channel_map}",
                str(path),
            ]
        )
        try:
            yield
        finally:
            player.terminate()
            player.wait()


def names(server: PrivateServer) -> list[str]:
    with server.control() as pulse:
        return [source.name for source in pulse.source_list()]


def level_dbfs(server: PrivateServer) -> tuple[float, int]:
    """What an application hears after a while, dBFS, and the channel in use."""
    client = Recorder(server, SOURCE_NAME)
    time.sleep(SECONDS)
    heard = client.snapshot().samples[-2 * RATE :]
    status = json.loads(run_command("status", "--json")[1])
    client.stop()
    assert status["channel_count"] > 1
    return float(20 * np.log10(np.sqrt(np.mean(heard**2)) + 1e-9)), int(status["active_channel"])


@pytest.mark.parametrize(
    ("channel_map", "place"),
    [
        (STEREO, 1),
        (SURROUND, 2),
        (",".join(f"aux{n}" for n in range(10)), 6),
    ],
)
def test_a_voice_in_one_channel_has_its_own_level(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, channel_map: str, place: int
) -> None:
    speech = voice()
    channels = [np.zeros_like(speech)] * len(channel_map.split(","))
    channels[place] = speech
    with microphone(shared_server, channel_map, channels):
        fresh_daemon("--device", "many", "--strength", "0")
        dbfs, channel = level_dbfs(shared_server)
    assert channel == place + 1
    assert abs(dbfs - 20 * np.log10(np.sqrt(np.mean(speech**2)))) < 3.0


def test_channels_that_cancel(shared_server: PrivateServer, fresh_daemon: StartDaemon) -> None:
    speech = voice()
    with microphone(shared_server, STEREO, [speech, -speech]):
        fresh_daemon("--device", "many", "--strength", "0")
        dbfs, _channel = level_dbfs(shared_server)
    assert abs(dbfs - 20 * np.log10(np.sqrt(np.mean(speech**2)))) < 3.0


def test_a_voice_beside_louder_hum_and_a_chosen_channel(
    shared_server: PrivateServer, fresh_daemon: StartDaemon
) -> None:
    speech = voice()
    speech = speech * 10 ** (-35 / 20) / np.sqrt(np.mean(speech**2))
    hum = np.float32(0.14) * np.sin(2 * np.pi * 50 * np.arange(len(speech)) / RATE).astype(np.float32)
    with microphone(shared_server, STEREO, [hum, speech]):
        fresh_daemon("--device", "many", "--strength", "0")
        dbfs, channel = level_dbfs(shared_server)
        assert channel == 2
        assert abs(dbfs + 35) < 4.0
        assert run_command("mic", "many", "--channels", "1")[0] == 0
        dbfs, channel = level_dbfs(shared_server)
        assert channel == 1
        assert abs(dbfs + 20) < 2.0
        assert run_command("mic", "many", "--channels", "3")[0] != 0, "it has two"
        assert run_command("mic", "many", "--channels", "auto")[0] == 0
        assert level_dbfs(shared_server)[1] == 2


def test_a_loopback_of_what_is_played_is_not_taken(shared_server: PrivateServer, fresh_daemon: StartDaemon) -> None:
    """The first channel repeats, louder, what somebody says in a film; the voice is in the second."""
    if shared_server.kind == "pulseaudio":
        pytest.skip("its module-loopback changes its rate by up to 1 % all the time, as no interface does")
    speech = voice()
    loopback = "source=speakers.monitor sink=many_feed channels=1 channel_map=front-left remix=no latency_msec=50"
    path = shared_server.folder / "film.wav"
    soundfile.write(path, np.roll(speech, 2 * RATE), RATE, subtype="FLOAT")
    with (
        module(shared_server, "module-null-sink", "sink_name=speakers"),
        microphone(shared_server, STEREO, [np.zeros_like(speech), 0.1 * speech]),
        module(shared_server, "module-loopback", loopback),
    ):
        player = shared_server.run(["paplay", "--device=speakers", "--latency-msec=100", str(path)])
        fresh_daemon("--device", "many", "--strength", "0")
        time.sleep(2)
        _dbfs, channel = level_dbfs(shared_server)
        player.terminate()
        player.wait()
    assert channel == 2
