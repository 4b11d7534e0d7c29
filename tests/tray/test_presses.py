"""Pressed shortcuts on the real D-Bus service: keys that stick, repeat, or find no daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.support.quiet_daemon import QuietDaemon

from densenoiser_tray import bus
from densenoiser_tray.presses import Presses
from densenoiser_tray.shortcut import Shortcut

pytestmark = pytest.mark.usefixtures("bus")


def run(during: Callable[[Presses], Awaitable[None]], stuck_seconds: float = 120.0) -> list[str]:
    """What the user was told meanwhile."""
    told: list[str] = []

    async def connected() -> None:
        connection = await bus.connect()
        try:
            await during(Presses(connection, told.append, stuck_seconds))
        finally:
            connection.disconnect()

    asyncio.run(connected())
    return told


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("shortcut", [Shortcut.PUSH_TO_TALK, Shortcut.PUSH_TO_MUTE])
def test_a_stuck_key_leaves_it_muted_and_is_told(daemon: QuietDaemon, shortcut: Shortcut) -> None:
    daemon.start()
    told: list[str] = []

    async def during(presses: Presses) -> None:
        presses.press(shortcut)
        muted = shortcut is Shortcut.PUSH_TO_MUTE
        await until(lambda: daemon.controls.settings.muted is muted)
        await asyncio.sleep(0.5)
        assert daemon.controls.settings.muted is True
        presses.release(shortcut)  # comes at last, and means nothing now
        await asyncio.sleep(0.2)
        assert daemon.controls.settings.muted is True

    told += run(during, stuck_seconds=0.3)
    assert len(told) == 1
    assert "held for too long" in told[0]


def test_a_key_that_is_released_in_time_is_not_stuck(daemon: QuietDaemon) -> None:
    daemon.start()

    async def during(presses: Presses) -> None:
        presses.press(Shortcut.PUSH_TO_MUTE)
        presses.press(Shortcut.PUSH_TO_MUTE)
        presses.release(Shortcut.PUSH_TO_MUTE)
        await asyncio.sleep(0.5)
        assert daemon.controls.settings.muted is False

    assert run(during, stuck_seconds=0.3) == []


def test_presses_arrive_in_their_order(daemon: QuietDaemon) -> None:
    daemon.start()

    async def during(presses: Presses) -> None:
        for _ in range(50):
            presses.press(Shortcut.PUSH_TO_TALK)
            presses.release(Shortcut.PUSH_TO_TALK)
        presses.press(Shortcut.TOGGLE)
        await until(lambda: not daemon.controls.settings.enabled)
        assert daemon.controls.settings.muted is True

    assert run(during) == []


def test_losing_nothing_changes_nothing(daemon: QuietDaemon) -> None:
    daemon.start()

    async def during(presses: Presses) -> None:
        assert presses.lose() is False
        await asyncio.sleep(0.1)
        assert daemon.controls.settings.muted is False

    run(during)


def test_without_a_daemon_it_says_so() -> None:
    async def during(presses: Presses) -> None:
        presses.press(Shortcut.MUTE)
        await asyncio.sleep(0.3)

    assert run(during) == ["DenseNoiser is not running"]
