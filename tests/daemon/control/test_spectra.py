"""Spectra over D-Bus: only while somebody watches, and no longer than the watcher lives."""

from __future__ import annotations

import asyncio
from typing import Any

from dbus_fast import Message
from dbus_fast.aio import MessageBus
from tests.support.dbus_calls import signals
from tests.support.recorded_controls import RecordedControls
from tests.support.waiting import wait_until

from densenoiser_daemon.bus.session_bus import BUS_NAME, INTERFACE, OBJECT_PATH
from densenoiser_daemon.control.service import ControlService


def test_spectra_are_signalled_only_while_somebody_watches_them(
    service: ControlService, controls: RecordedControls, bus: str
) -> None:
    async def spectra(seconds: float) -> list[Message]:
        async def pause() -> None:
            await asyncio.sleep(seconds)

        return [message for message in await signals(bus, pause) if message.member == "Spectra"]

    async def story() -> tuple[int, list[Message], int]:
        unwatched = len(await spectra(0.4))
        watcher = await MessageBus(bus_address=bus).connect()
        own: dict[str, Any] = {"destination": BUS_NAME, "path": OBJECT_PATH, "interface": INTERFACE}
        await watcher.call(Message(**own, member="WatchSpectra", signature="b", body=[True]))
        watched = await spectra(1.0)
        watcher.disconnect()  # without a word of goodbye
        await asyncio.sleep(0.3)
        return unwatched, watched, len(await spectra(0.4))

    unwatched, watched, after = asyncio.run(story())
    assert (unwatched, after) == (0, 0)
    assert 8 <= len(watched) <= 24  # twenty a second
    assert watched[0].body == [bytes(range(48)), bytes(48)]
    wait_until(lambda: not controls.shows_spectra)
