"""What the window draws, against a sound that is known: the right band at the right time, the same on both sides."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from dbus_fast import Message
from tests.support.bus_client import Client
from tests.support.daemons import StartDaemon
from tests.support.listening import application

from densenoiser_daemon.engine.band_levels import BANDS, FLOOR_DBFS, HIGHEST_HZ, LOWEST_HZ, STEP_DB
from densenoiser_daemon.measurement.private_server import PrivateServer, feed_of
from densenoiser_daemon.measurement.recorder import RATE

TONE_HZ = 1500.0
PERIOD_SECONDS = 1.0
"""The tone is there in each second half."""


@pytest.fixture
def gated_tone(shared_server: PrivateServer) -> Path:
    times = np.arange(20 * RATE) / RATE
    tone = 0.2 * np.sin(2 * np.pi * TONE_HZ * times) * (times % PERIOD_SECONDS >= PERIOD_SECONDS / 2)
    path = Path(shared_server.folder) / "gated.wav"
    soundfile.write(path, tone, RATE, subtype="FLOAT")
    return path


def test_a_gated_tone_is_in_its_band_at_its_time(
    shared_server: PrivateServer, fresh_daemon: StartDaemon, gated_tone: Path
) -> None:
    """At strength 0 both sides are the same sound. Moments are those at which the columns arrive."""
    fresh_daemon("--strength", "0")

    async def story() -> list[tuple[float, bytes, bytes]]:
        client = await Client.arrive(shared_server.environment["DBUS_SESSION_BUS_ADDRESS"])
        columns: list[tuple[float, bytes, bytes]] = []

        def note(message: Message) -> None:
            if message.member == "Spectra":
                columns.append((time.monotonic(), *message.body))

        await client.hear_signals(note)
        await client.ask("WatchSpectra", "b", True)
        await asyncio.sleep(8)
        client.bus.disconnect()
        return columns

    app = application(shared_server)
    player = shared_server.run(["paplay", f"--device={feed_of()}", str(gated_tone)])
    columns = asyncio.run(story())
    recording = app.stop()
    player.terminate()
    player.wait()
    columns = columns[40:]  # the streams have settled
    assert len(columns) > 80
    moments = np.array([moment for moment, *_sides in columns])
    sides = [(before, after) for _moment, before, after in columns]
    before, after = (
        FLOOR_DBFS + STEP_DB * np.array([np.frombuffer(column[side], np.uint8) for column in sides]).astype(float)
        for side in (0, 1)
    )
    band = int(BANDS * np.log(TONE_HZ / LOWEST_HZ) / np.log(HIGHEST_HZ / LOWEST_HZ))
    is_on = before[:, band] > -40
    assert 0.3 < np.mean(is_on) < 0.7
    assert set(before[is_on].argmax(1)) <= {band - 1, band, band + 1}
    is_clear = np.abs(before[:, band] - after[:, band]) < 3
    assert np.mean(is_clear) > 0.9  # both sides change in the same column
    # The application hears it later by the queue and its own blocks. So the columns are ahead by less than 0.2 s, never late.
    onsets = moments[1:][is_on[1:] & ~is_on[:-1]]
    levels = np.abs(recording.samples)
    heard = [
        recording.arrival(place)
        for place in range(RATE // 2, len(levels) - 480, 480)
        if levels[place : place + 480].max() > 0.1 and levels[place - 4800 : place].max() < 0.01
    ]
    assert heard
    lags = [min((onset - moment for moment in heard), key=abs) for onset in onsets]
    assert abs(float(np.median(lags))) < 0.1
