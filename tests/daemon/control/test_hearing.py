"""Listen and the take over D-Bus: they live with their asker, and files that nobody asked for leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile
from dbus_fast import Message, MessageType
from tests.support.bus_client import Client
from tests.support.recorded_controls import RecordedControls
from tests.support.waiting import wait_until

from densenoiser_daemon.bus.session_bus import INVALID_VALUE, UNAVAILABLE
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.hearing.playback import What
from densenoiser_daemon.hearing.take import Take

RATE = 48_000
SOUND = (0.1 * np.sin(np.arange(RATE))).astype(np.float32)


@pytest.fixture
def controls_with_a_take(controls: RecordedControls, monkeypatch: pytest.MonkeyPatch) -> RecordedControls:
    """Recording takes no time and needs no microphone."""

    def begin(what: What) -> None:
        controls.listening.take = Take(SOUND, 0.5 * SOUND, RATE)

    monkeypatch.setattr(controls.listening, "begin", begin)
    return controls


def test_it_lives_as_long_as_its_asker(service: ControlService, controls: RecordedControls, bus: str) -> None:
    async def story() -> None:
        client = await Client.arrive(bus)
        assert (await client.listen("clean")).message_type is MessageType.METHOD_RETURN
        assert controls.listening.what == "clean"
        assert (await client.listen("removed")).message_type is MessageType.METHOD_RETURN
        assert controls.listening.what == "removed"
        client.bus.disconnect()  # without a word of goodbye

    asyncio.run(story())
    wait_until(lambda: controls.listening.what == "", 5, "it is over")
    wait_until(lambda: controls.output.is_closed and not controls.is_held, 5, "all is let go of")


def test_it_ends_when_asked_and_when_the_screen_is_locked(
    service: ControlService, controls: RecordedControls, bus: str
) -> None:
    async def story() -> list[list[str]]:
        client = await Client.arrive(bus)
        ends: list[list[str]] = []
        await client.hear_signals(lambda m: ends.append(m.body) if m.member == "ListeningEnded" else None)
        await client.listen("clean")
        await client.listen("")
        await client.listen("nothing")
        screen = "/org/gnome/ScreenSaver", "org.gnome.ScreenSaver", "ActiveChanged", "b"
        await client.bus.send(Message.new_signal(*screen, [False]))
        await asyncio.sleep(0.2)
        assert controls.listening.what == "nothing"
        await client.bus.send(Message.new_signal(*screen, [True]))
        await asyncio.sleep(0.3)
        client.bus.disconnect()
        return ends

    assert asyncio.run(story()) == [["clean", "asked"], ["nothing", "locked"]]


def test_what_cannot_be_heard_is_refused(service: ControlService, controls: RecordedControls, bus: str) -> None:
    async def story() -> None:
        client = await Client.arrive(bus)
        assert (await client.ask("Listen", "s", "everything")).error_name == INVALID_VALUE
        assert (await client.ask("Listen", "s", "take-clean")).error_name == UNAVAILABLE
        for member in ("TakeSpectra", "TakeFigures", "ForgetTake"):
            assert (await client.ask(member)).error_name == UNAVAILABLE
        answers = [await client.ask("Listen", "s", "nothing") for _turn in range(20)]
        assert {answer.error_name for answer in answers[1:]} <= {UNAVAILABLE, None}
        assert sum(answer.error_name is None for answer in answers) < 10  # not so fast
        client.bus.disconnect()

    asyncio.run(story())


def test_a_take_is_its_asker_s_alone(
    service: ControlService, controls_with_a_take: RecordedControls, bus: str, tmp_path: Path
) -> None:
    async def story() -> None:
        client, stranger = await Client.arrive(bus), await Client.arrive(bus)
        await client.listen("take")
        figures = (await client.ask("TakeFigures")).body
        assert len(figures) == 2
        spectra = (await client.ask("TakeSpectra")).body
        assert [len(side) for side in spectra] == [20 * 48, 20 * 48]
        for member in ("TakeSpectra", "TakeFigures", "ForgetTake"):
            assert (await stranger.ask(member)).error_name == UNAVAILABLE
        assert (await stranger.ask("Listen", "s", "take-clean")).error_name == UNAVAILABLE
        paths = tmp_path / "microphone.wav", tmp_path / "clean.wav"
        files = [os.open(path, os.O_WRONLY | os.O_CREAT) for path in paths]
        assert (await stranger.ask("SaveTake", "hh", 0, 1, files=(*files,))).error_name == UNAVAILABLE
        assert (await client.ask("SaveTake", "hh", 0, 1, files=(*files,))).error_name is None
        for path, scale in zip(paths, (1.0, 0.5), strict=True):
            read, rate = soundfile.read(path, dtype="float32")
            assert rate == RATE
            np.testing.assert_allclose(read, scale * SOUND, atol=1e-6)
        client.bus.disconnect()
        stranger.bus.disconnect()

    asyncio.run(story())
    wait_until(lambda: controls_with_a_take.listening.take is None, 5, "it goes with its asker")


def test_files_that_nobody_asked_for_are_closed(
    service: ControlService, controls_with_a_take: RecordedControls, bus: str, tmp_path: Path
) -> None:
    """The service runs in this process: what it left open would be open here."""

    async def story() -> tuple[set[str | None], int, int]:
        client = await Client.arrive(bus)
        await client.listen("take")
        pipe = os.pipe()
        path = tmp_path / "a.wav"
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        before = len([*Path("/proc/self/fd").iterdir()])
        errors = set()
        for _turn in range(20):
            for question in (
                ("SaveTake", "hh", 0, 0),
                ("SaveTake", "hh", 1, 7),
                ("SaveTake", "h", 0),
                ("SaveTake", "ss", "a", "b"),
                ("SaveTake", "su", "a", 1),
                ("Toggle",),
                ("Nothing", "h", 0),
            ):
                errors.add((await client.ask(*question, files=(file, file))).error_name)
            errors.add((await client.ask("SaveTake", "hh", 0, 1, files=(pipe[1], file))).error_name)
            strange = await client.ask("SaveTake", "hh", 0, 1, files=(file, file), interface="org.example.Other")
            errors.add(strange.error_name)
        after = len([*Path("/proc/self/fd").iterdir()])
        client.bus.disconnect()
        for descriptor in (*pipe, file):
            os.close(descriptor)
        return errors, before, after

    errors, before, after = asyncio.run(story())
    assert None not in errors
    assert after <= before + 2


def test_what_cannot_be_written_is_said(
    service: ControlService, controls_with_a_take: RecordedControls, bus: str
) -> None:
    async def story() -> Message:
        client = await Client.arrive(bus)
        await client.listen("take")
        file = os.open("/dev/null", os.O_RDONLY)
        assert not stat.S_ISREG(os.fstat(file).st_mode)
        refused = await client.ask("SaveTake", "hh", 0, 1, files=(file, file))
        assert refused.error_name == INVALID_VALUE
        read_only = os.open(__file__, os.O_RDONLY)
        reply = await client.ask("SaveTake", "hh", 0, 1, files=(read_only, read_only))
        client.bus.disconnect()
        os.close(file)
        os.close(read_only)
        return reply

    assert asyncio.run(story()).error_name == UNAVAILABLE
