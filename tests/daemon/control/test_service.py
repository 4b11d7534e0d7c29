"""The D-Bus service on a private bus: what it shows, what it signals and when, what it refuses and how."""

from __future__ import annotations

import asyncio
import math
import resource
import subprocess
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
from dbus_fast import Message, Variant
from dbus_fast.aio import MessageBus
from tests.support.dbus_calls import OWN, ask, calling, send, setting, signals
from tests.support.recorded_controls import HEADSET, WEBCAM, RecordedControls
from tests.support.waiting import wait_until

from densenoiser_daemon.bus.session_bus import BUS_NAME, INTERFACE, OBJECT_PATH
from densenoiser_daemon.command.daemon_client import DaemonClient, Properties
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.errors import AlreadyRunningError, NotRunningError, SettingsError
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_daemon.status import Counters, Fact, Levels, ReasonCode, State
from densenoiser_models.engines import ENGINES, is_installed


def test_all_properties_are_there(service: ControlService) -> None:
    assert ask(DaemonClient.properties) == {
        "Enabled": True,
        "Muted": False,
        "Strength": math.inf,
        "Microphone": "auto",
        "ActiveMicrophone": HEADSET.name,
        "ActiveMicrophoneDescription": HEADSET.description,
        "MissingEngines": [[e.name, e.install] for e in ENGINES.values() if not is_installed(e)],
        "Model": "densenet-small",
        "ActiveModel": "densenet-small",
        "Provider": "cpu",
        "State": "running",
        "Reason": ("", {}),
        "Listeners": ["Zoom"],
        "Server": "PulseAudio 16.1",
        "AlgorithmicLatency": 20.0,
        "TransportLatency": 31.5,
        "LatencyCeiling": 60.0,
        "Warnings": [],
        "ActiveChannel": 0,
        "IsDefault": False,
        "Default": False,
        "HeadsetMicrophone": False,
        "IsStandIn": False,
        "ChannelCount": 0,
        "Listening": "",
        "HasTake": False,
        "Scheduling": ("", {}),
        "Memory": ("", {}),
        "Counters": {
            "frames": 0,
            "xruns": 0,
            "dropped_frames": 0,
            "deadline_misses": 0,
            "restarts": 0,
            "clipped_frames": 0,
        },
        "InputLevel": -30.0,
        "OutputLevel": -42.0,
        "NoiseReduction": 12.0,
        "Version": "0.1.0",
    }


def test_every_member_is_documented_in_the_introspection(service: ControlService) -> None:
    async def introspect() -> str:
        reply = await send({"interface": "org.freedesktop.DBus.Introspectable", "member": "Introspect"})
        return str(reply.body[0])

    (own,) = (i for i in ET.fromstring(asyncio.run(introspect())) if i.get("name") == INTERFACE)
    undocumented = [
        m.get("name") for m in own if not any(len(a.get("value", "")) > 10 for a in m.findall("annotation"))
    ]
    assert undocumented == []
    assert len(own) > 25


def test_orders_are_carried_out_and_stored(
    service: ControlService, controls: RecordedControls, store: SettingsFile
) -> None:
    async def order(client: DaemonClient) -> None:
        assert await client.call("Toggle") is False
        assert await client.call("Toggle") is True
        await client.set("Enabled", "b", False)
        await client.set("Muted", "b", True)
        await client.set("Strength", "d", 12.0)
        await client.set("Microphone", "s", "webcam")
        assert await client.call("ListMicrophones") == [
            (HEADSET.name, "USB Headset", 48_000, True, False),
            (WEBCAM.name, "Webcam", 44_100, False, True),
        ]

    ask(order)
    settings = controls.settings
    assert (settings.enabled, settings.muted, settings.strength_db, settings.microphone) == (
        False,
        True,
        12.0,
        WEBCAM.name,
    )
    assert SettingsFile(store.path).load() == settings


def test_a_microphone_may_have_a_strength_of_its_own(service: ControlService, controls: RecordedControls) -> None:
    async def order(client: DaemonClient) -> list[float]:
        seen = []
        for member, signature, *arguments in (
            ("Strength", "d", 12.0),
            ("SetMicrophoneStrength", "sd", "", 6.0),
            ("Strength", "d", 7.0),
            ("SetMicrophoneStrength", "sd", "Webcam", 20.0),
            ("ForgetMicrophoneStrength", "s", HEADSET.name),
        ):
            if member == "Strength":
                await client.set(member, signature, *arguments)
            else:
                await client.call(member, signature, *arguments)
            seen.append((await client.properties())["Strength"])
        return seen

    assert ask(order) == [12.0, 6.0, 7.0, 7.0, 12.0]
    assert controls.settings.strength_db == 12.0
    assert dict(controls.settings.microphone_strengths) == {WEBCAM.name: 20.0}


def test_a_change_that_cannot_be_stored_is_made_and_says_so(
    service: ControlService, controls: RecordedControls, store: SettingsFile
) -> None:
    """A full disk, as far as this process is concerned."""
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, room[1]))
    try:
        replies = [asyncio.run(send(body)) for body in (calling("Toggle"), setting("Muted", Variant("b", True)))]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
    for reply in replies:
        assert reply.error_name == OWN + "NotStored"
        assert f"cannot store the settings in {store.path}: File too large" in reply.body[0]
    assert (controls.settings.enabled, controls.settings.muted) == (False, True)
    store.path.write_text("version = 2\n")
    with pytest.raises(SettingsError, match="from a newer DenseNoiser"):
        ask(lambda client: client.set("Muted", "b", False))
    assert controls.settings.muted is False


def test_a_change_is_signalled_when_the_engine_reports_it(service: ControlService, controls: RecordedControls) -> None:
    async def follow(client: DaemonClient) -> list[Properties]:
        seen = []
        async for values in client.changes():
            seen.append(values)
            if len(seen) == 1:
                controls.status = replace(
                    controls.status,
                    state=State.BYPASSED,
                    reason=Fact(ReasonCode.MODEL_FAILED, {"error": "it returned NaN"}),
                )
                service.changed()
            elif len(seen) == 2:
                await client.set("Strength", "d", 3.0)
            else:
                break
        return seen

    async def limited(client: DaemonClient) -> list[Properties]:
        async with asyncio.timeout(5):
            return await follow(client)

    first, second, third = ask(limited)
    assert second == {**first, "State": "bypassed", "Reason": ("model-failed", {"error": "it returned NaN"})}
    assert third == {**second, "Strength": 3.0}


def test_microphones_are_announced(service: ControlService, controls: RecordedControls, bus: str) -> None:
    async def unplug() -> None:
        controls.microphones = (HEADSET,)
        service.changed()
        service.changed()

    assert [message.member for message in asyncio.run(signals(bus, unplug))] == ["MicrophonesChanged"]


def test_levels_are_signalled_only_while_somebody_watches(
    service: ControlService, controls: RecordedControls, bus: str
) -> None:
    ended = threading.Event()

    def play() -> None:
        """An engine whose levels and counters change with every frame."""
        frames = 0
        while not ended.wait(0.01):
            frames += 1
            levels = Levels(-30.0 - frames % 7, -50.0 - frames % 7, 20.0)
            controls.status = replace(controls.status, levels=levels, counters=Counters(frames=frames))

    async def changes(seconds: float) -> int:
        async def pause() -> None:
            await asyncio.sleep(seconds)

        return len(await signals(bus, pause))

    async def story() -> tuple[int, int, int]:
        unwatched = await changes(0.6)
        watcher = await MessageBus(bus_address=bus).connect()
        own: dict[str, Any] = {"destination": BUS_NAME, "path": OBJECT_PATH, "interface": INTERFACE}
        await watcher.call(Message(**own, member="Watch", signature="b", body=[True]))
        await watcher.call(Message(**own, member="Watch", signature="b", body=[True]))
        watched = await changes(1.0)
        watcher.disconnect()  # without a word of goodbye
        await asyncio.sleep(0.3)
        return unwatched, watched, await changes(0.6)

    player = threading.Thread(target=play)
    player.start()
    try:
        unwatched, watched, after = asyncio.run(story())
    finally:
        ended.set()
        player.join()
    assert unwatched == 0
    assert 5 <= watched <= 12  # ten a second
    assert after == 0


def test_a_watcher_that_does_not_wait_for_the_answer_leaves_nothing_running(service: ControlService) -> None:
    for _attempt in range(20):
        order = ["gdbus", "call", "--session", "-d", BUS_NAME, "-o", OBJECT_PATH, "-m", f"{INTERFACE}.Watch", "true"]
        subprocess.run(order, check=True, capture_output=True)
    wait_until(lambda: not service._watchers)
    wait_until(lambda: service._watchers._telling is None)


def test_an_idle_service_costs_nothing(service: ControlService) -> None:
    started = time.process_time()
    time.sleep(2.0)
    assert time.process_time() - started < 0.02  # 1 %; 0.2 % on a quiet machine


def test_the_second_daemon_is_told_and_the_first_untouched(
    service: ControlService, controls: RecordedControls, store: SettingsFile
) -> None:
    second = ControlService(RecordedControls(), store)
    with pytest.raises(AlreadyRunningError, match="already running"):
        second.start()
    second.stop()
    assert ask(DaemonClient.properties)["Enabled"] is True


def test_quit_is_answered_before_the_end(service: ControlService, controls: RecordedControls) -> None:
    ask(lambda client: client.call("Quit"))
    assert controls.ended.wait(1.0)


def test_a_client_hears_of_the_end(service: ControlService) -> None:
    async def follow(client: DaemonClient) -> None:
        async for _values in client.changes():
            threading.Thread(target=service.stop).start()

    with pytest.raises(NotRunningError, match="ended"):
        ask(follow)
