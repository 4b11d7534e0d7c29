"""Sound servers die and come back; the daemon comes back with them, by the same name, and needs nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.daemon.conftest import StartDaemon, application, hears_sound, sources, wait_until

from densenoiser_daemon.audio.virtual_source import SOURCE_NAME
from densenoiser_daemon.private_server import MICROPHONE_NAME, PrivateServer

# Not wireplumber alone: after it alone is killed, PipeWire 0.3.65 links no client at all, not even to the microphone itself.
VICTIMS = [("pulseaudio", "pulseaudio"), ("pipewire", "pipewire"), ("pipewire", "pipewire-pulse")]


@pytest.mark.parametrize(("server", "victim"), VICTIMS, indirect=["server"], ids=[victim for _kind, victim in VICTIMS])
def test_server_killed_and_restarted(
    victim: str, server: PrivateServer, daemon: StartDaemon, talk: Callable[..., None]
) -> None:
    talk()
    process = daemon("--strength", "0")
    client = application(server)
    wait_until(lambda: hears_sound(client), 10, "the application hears the microphone")
    server.kill(victim)
    server.start()
    wait_until(lambda: {SOURCE_NAME, MICROPHONE_NAME} <= set(sources(server)), 15, "the virtual microphone is back")
    talk()
    client = application(server)
    wait_until(lambda: hears_sound(client), 15, "an application hears the microphone again")
    assert process.poll() is None
