"""Tests that the backend leaves no stream behind on real servers."""

from __future__ import annotations

import pytest
from tests.support.listening import microphone_readers
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.backend import PulseBackend
from densenoiser_daemon.measurement.private_server import PrivateServer


def test_a_microphone_released_before_the_server_answered_is_released(
    server: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the stream stays open in the server for as long as the daemon lives, and the privacy light on."""
    monkeypatch.setenv("PULSE_SERVER", server.environment["PULSE_SERVER"])
    backend = PulseBackend(48_000, 480)
    backend.connect()
    try:
        microphone = backend.choose("auto", {})
        assert microphone is not None
        for _try in range(3):
            backend.start(microphone)
            backend.stop()

        def released() -> bool:
            backend.wait(0.05)
            return not backend._ending and "DenseNoiser" not in microphone_readers(server)

        wait_until(released, 5, "the microphone is released")
    finally:
        backend.close()
