"""The streams on real servers: what is played comes back recorded, and each end of a stream is told."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import numpy as np
import pulsectl
import pytest
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.connection import Connection
from densenoiser_daemon.audio.pulse.streams import MainLoop, PlaybackStream, RecordStream
from densenoiser_daemon.errors import BackendError, DeviceError, DeviceGoneError
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer, feed_of

RATE, HOP = 48_000, 480


@pytest.fixture
def connection(server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setenv("PULSE_SERVER", server.environment["PULSE_SERVER"])
    made = Connection("streams", connect=False)
    made.reach(10.0)
    yield made
    made.close()


def test_what_is_played_comes_back_recorded(connection: Connection) -> None:
    loop = MainLoop(connection)
    record = RecordStream(connection, MICROPHONE_NAME, RATE, HOP)
    playback = PlaybackStream(connection, feed_of(), RATE, 2 * HOP)
    wait_until(lambda: (loop.iterate(0.05) and playback.is_ready and record.is_ready) or False, 10, "both streams")
    playback.cork(False)
    tone = (0.5 * np.sin(2 * np.pi * 500 * np.arange(20 * HOP) / RATE)).astype(np.float32)
    heard = []

    def has_heard() -> bool:
        playback.write(tone)
        while loop.iterate(0.005):  # all that the server has sent by now
            pass
        while (block := record.read()) is not None:
            heard.append(float(np.abs(block).max(initial=0.0)))
        return bool(heard) and max(heard) > 0.4

    wait_until(has_heard, 20, "the tone")
    wait_until(lambda: (loop.iterate(0.05) and playback.latency is not None) or False, 10, "a latency")
    assert record.fault is None
    assert playback.fault is None
    record.close()
    playback.close()


def fault_or_nothing(loop: MainLoop, record: RecordStream) -> DeviceError | None:
    """The stream's fault, or None where it lives on, as with PipeWire from 1.4 on: it must not record from another source."""
    end = time.monotonic() + 3.0
    heard = 0
    while time.monotonic() < end and record.fault is None:
        loop.iterate(0.05)
        while (block := record.read()) is not None:
            heard += len(block)
    assert heard < RATE // 10, "what was on its way, and no more"
    return record.fault


def test_a_source_that_is_not_there_is_a_fault_of_the_stream(connection: Connection) -> None:
    loop = MainLoop(connection)
    record = RecordStream(connection, "no_such_source", RATE, HOP)
    assert isinstance(fault_or_nothing(loop, record), DeviceGoneError), "and never another source in its place"
    assert record.read() is None
    record.close()


def test_a_source_that_goes_away_ends_the_stream(server: PrivateServer, connection: Connection) -> None:
    loop = MainLoop(connection)
    record = RecordStream(connection, MICROPHONE_NAME, RATE, HOP)
    wait_until(lambda: loop.iterate(0.05) is not None and record.is_ready, 10, "the stream")
    server.unplug_microphone()
    fault = fault_or_nothing(loop, record)
    if fault is not None or server.kind == "pulseaudio":
        assert isinstance(fault, DeviceGoneError)
        assert str(fault) == "the device is gone"
        assert fault.for_log != str(fault), "the log has the server's own words"
    record.close()


def test_a_server_that_dies_is_an_error_of_the_loop(server: PrivateServer, connection: Connection) -> None:
    loop = MainLoop(connection)
    server.kill("pulseaudio" if server.kind == "pulseaudio" else "pipewire-pulse")
    with pytest.raises(BackendError, match="lost"):
        wait_until(lambda: loop.iterate(0.05) is None, 10, "the error")


def test_a_server_that_hangs_is_an_error_and_not_a_wait_for_ever(
    server: PrivateServer, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("densenoiser_daemon.audio.pulse.connection.ANSWER_SECONDS", 0.2)
    assert connection.server_info()
    program = server.processes["pulseaudio" if server.kind == "pulseaudio" else "pipewire-pulse"]
    program.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(BackendError, match="no sound server answers"):
            connection.server_info()
        late = Connection("late", connect=False)
        with pytest.raises((BackendError, pulsectl.PulseError)):
            late.reach(0.3)
        late.close()
    finally:
        program.send_signal(signal.SIGCONT)
