"""Calls that no decent client makes: each an error that says what is allowed, and nothing changed."""

from __future__ import annotations

import asyncio
import fcntl
import math
import sys
import termios
import time
from typing import Any

import pytest
from dbus_fast import Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus
from tests.support.dbus_calls import OWN, ask, calling, send, setting
from tests.support.recorded_controls import HEADSET, WEBCAM, RecordedControls
from tests.support.waiting import wait_until

from densenoiser_daemon.bus.session_bus import BUS_NAME, INTERFACE, OBJECT_PATH
from densenoiser_daemon.command.daemon_client import DaemonClient
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_models.engines import Measured


def unread(client: MessageBus) -> int:
    """How much of what was sent the bus has not read yet, in bytes of the socket's memory."""
    assert client._fd is not None
    value = fcntl.ioctl(client._fd, termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(value, sys.byteorder)


HOSTILE: list[tuple[dict[str, Any], str, str]] = [
    (setting("Strength", Variant("d", -1.0)), OWN + "InvalidValue", "a number of dB from 0 up"),
    (setting("Strength", Variant("d", math.nan)), OWN + "InvalidValue", "is nan"),
    (setting("Strength", Variant("d", -math.inf)), OWN + "InvalidValue", "is -inf"),
    (setting("Strength", Variant("d", -0.5)), OWN + "InvalidValue", "is -0.5"),
    (calling("SetMicrophoneStrength", "sd", "", -3.0), OWN + "InvalidValue", "is -3.0"),
    (calling("SetMicrophoneStrength", "sd", "nobody", 3.0), OWN + "UnknownMicrophone", HEADSET.name),
    (calling("SetMicrophoneStrength", "sd", "auto", 3.0), OWN + "UnknownMicrophone", "name one"),
    (calling("ForgetMicrophoneStrength", "s", "nobody"), OWN + "UnknownMicrophone", WEBCAM.name),
    (setting("Microphone", Variant("s", "alsa_output.monitor")), OWN + "UnknownMicrophone", HEADSET.name),
    (setting("Microphone", Variant("s", "alsa_input")), OWN + "UnknownMicrophone", "several"),
    (setting("Microphone", Variant("s", "x" * 1_000_000)), OWN + "InvalidValue", "more than 1000 characters"),
    (setting("Microphone", Variant("s", "x" * 1000)), OWN + "UnknownMicrophone", HEADSET.name),
    (setting("Microphone", Variant("s", "")), OWN + "InvalidValue", '"auto"'),
    (setting("Model", Variant("s", "x" * 1001)), OWN + "InvalidValue", "more than 1000 characters"),
    (setting("x" * 1001, Variant("s", "y")), OWN + "InvalidValue", "more than 1000 characters"),
    ({**calling("Toggle"), "path": "/" + "x" * 1001}, OWN + "InvalidValue", "more than 1000 characters"),
    (setting("Microphone", Variant("s", "\n")), OWN + "UnknownMicrophone", ""),
    (setting("Model", Variant("s", "densnet")), OWN + "UnknownModel", "densnet"),
    (setting("Model", Variant("s", "/etc/passwd")), OWN + "UnknownModel", "/etc/passwd"),
    (setting("Model", Variant("s", "/dev/zero")), OWN + "UnknownModel", "/dev/zero"),
    (setting("Model", Variant("s", "")), OWN + "UnknownModel", ""),
    (calling("Watch", "s", "12"), "org.freedesktop.DBus.Error.UnknownMethod", ""),
    (calling("Watch"), "org.freedesktop.DBus.Error.UnknownMethod", ""),
    (calling("WatchSpectra", "s", "12"), "org.freedesktop.DBus.Error.UnknownMethod", ""),
    (calling("MeasureModels", "s", "/dev/zero"), "org.freedesktop.DBus.Error.UnknownMethod", ""),
    (calling("Explode"), "org.freedesktop.DBus.Error.UnknownMethod", ""),
    (setting("Enabled", Variant("s", "yes")), "org.freedesktop.DBus.Error.InvalidSignature", '"b"'),
    (setting("State", Variant("s", "idle")), "org.freedesktop.DBus.Error.PropertyReadOnly", ""),
    (setting("Nonsense", Variant("b", True)), "org.freedesktop.DBus.Error.UnknownProperty", ""),
    ({**calling("Toggle"), "interface": "org.evil.Daemon1"}, "org.freedesktop.DBus.Error.UnknownMethod", ""),
    ({**calling("Toggle"), "path": "/elsewhere"}, "org.freedesktop.DBus.Error.Unknown", ""),
]


@pytest.mark.parametrize(("body", "error", "words"), HOSTILE)
def test_a_wrong_call_is_an_error_that_says_what_is_allowed_and_changes_nothing(
    service: ControlService,
    controls: RecordedControls,
    store: SettingsFile,
    body: dict[str, Any],
    error: str,
    words: str,
) -> None:
    before = controls.settings
    reply = asyncio.run(send(body))
    assert reply.message_type is MessageType.ERROR
    assert (reply.error_name or "").startswith(error)
    assert words in reply.body[0]
    assert len(reply.body[0]) < 1500
    assert controls.settings == before
    assert not store.path.exists()
    assert ask(DaemonClient.properties)["Enabled"] is True


@pytest.mark.parametrize(
    "flags", [MessageFlag.NO_REPLY_EXPECTED, MessageFlag.NO_REPLY_EXPECTED | MessageFlag.NO_AUTOSTART]
)
def test_a_wrong_call_without_reply_leaves_no_word_in_the_log(
    service: ControlService, controls: RecordedControls, caplog: pytest.LogCaptureFixture, bus: str, flags: MessageFlag
) -> None:
    async def shout() -> None:
        client = await MessageBus(bus_address=bus).connect()
        target = {"destination": BUS_NAME, "path": OBJECT_PATH, "interface": INTERFACE, "flags": flags}
        for body, _error, _words in HOSTILE:
            await client.send(Message(**{**target, **body}))
            # dbus-fast 5.2 gives up the connection where it finds the socket full, as a long message leaves it.
            await asyncio.to_thread(wait_until, lambda: not unread(client))
        await client.send(Message(**{**target, **calling("Toggle")}))
        await asyncio.to_thread(wait_until, lambda: controls.settings.enabled is False)
        client.disconnect()

    asyncio.run(shout())
    assert [record.message for record in caplog.records] == []


def test_models_are_measured_one_at_a_time_however_many_ask(
    service: ControlService, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = 0, 0

    def measure(_names: list[str]) -> list[Measured]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        running -= 1
        return [Measured("m", 20.0, 1.5, "MIT")]

    monkeypatch.setattr("densenoiser_daemon.control.model_methods.measure", measure)

    async def ask_all() -> list[Any]:
        async with DaemonClient() as client:
            return await asyncio.gather(*(client.call("MeasureModels") for _call in range(20)))

    assert asyncio.run(ask_all()) == [[("m", 20.0, 1.5, "MIT")]] * 20
    assert most == 1
