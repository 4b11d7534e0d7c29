"""Keys held down, over the real bus: what is heard meanwhile, what is left afterwards, and what is stored of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from dbus_fast import Variant
from tests.support.dbus_calls import ask, calling, send, setting
from tests.support.recorded_controls import RecordedControls
from tests.support.waiting import wait_until

from densenoiser_daemon.command.daemon_client import DaemonClient
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.settings.file import SettingsFile

pytestmark = pytest.mark.usefixtures("service")
Press = Callable[[str, bool], Awaitable[bool]]


def hold(during: Callable[[Press], Awaitable[None]], controls: RecordedControls) -> None:
    """One client presses and releases; each press answers whether it is muted now. The client ends with ``during``."""

    async def question(client: DaemonClient) -> None:
        async def press(member: str, pressed: bool) -> bool:
            await client.call(member, "b", pressed)
            return controls.settings.muted

        await during(press)

    ask(question)


def test_push_to_talk_is_heard_while_it_is_pressed_and_muted_afterwards(controls: RecordedControls) -> None:
    async def during(press: Press) -> None:
        assert [await press("PushToTalk", pressed) for pressed in (True, False, True, False)] == [False, True] * 2

    hold(during, controls)


def test_push_to_mute_gives_back_what_was(controls: RecordedControls) -> None:
    async def during(press: Press) -> None:
        assert [await press("PushToMute", pressed) for pressed in (True, False)] == [True, False]

    hold(during, controls)
    asyncio.run(send(setting("Muted", Variant("b", True))))

    async def muted_before(press: Press) -> None:
        assert [await press("PushToMute", pressed) for pressed in (True, False)] == [True, True]

    hold(muted_before, controls)


def test_the_mute_key_has_the_last_word_while_both_are_held(controls: RecordedControls) -> None:
    async def during(press: Press) -> None:
        assert await press("PushToTalk", True) is False
        assert await press("PushToMute", True) is True
        assert await press("PushToMute", False) is False
        assert await press("PushToTalk", False) is True

    hold(during, controls)


@pytest.mark.parametrize("member", ["PushToTalk", "PushToMute"])
def test_a_caller_that_ends_with_its_key_held_leaves_it_muted(controls: RecordedControls, member: str) -> None:
    async def during(press: Press) -> None:
        await press(member, True)
        await press(member, True)

    hold(during, controls)
    wait_until(lambda: controls.settings.muted)


def test_one_that_ends_takes_nothing_from_another(controls: RecordedControls) -> None:
    async def during(press: Press) -> None:
        await press("PushToTalk", True)
        await asyncio.to_thread(ask, lambda client: client.call("PushToTalk", "b", True))
        await asyncio.sleep(0.3)
        assert controls.settings.muted is False
        await asyncio.to_thread(ask, lambda client: client.call("PushToTalk", "b", False))
        assert controls.settings.muted is False
        assert await press("PushToTalk", False) is True

    hold(during, controls)


def test_no_press_is_stored_and_what_is_left_is(controls: RecordedControls, store: SettingsFile) -> None:
    async def during(press: Press) -> None:
        await press("PushToMute", True)
        await press("PushToMute", False)
        assert not store.path.exists()
        await press("PushToTalk", True)
        assert not store.path.exists()
        await press("PushToTalk", False)
        assert store.load().muted is True
        written = store.path.stat().st_ino
        for pressed in (True, False) * 3:
            await press("PushToTalk", pressed)
            assert store.load().muted is True
        assert store.path.stat().st_ino == written  # each writing makes another file

    hold(during, controls)


def test_muted_set_by_hand_ends_the_push(controls: RecordedControls, store: SettingsFile) -> None:
    async def during(press: Press) -> None:
        await press("PushToTalk", True)
        await send(setting("Muted", Variant("b", True)))
        assert controls.settings.muted is True
        await press("PushToTalk", True)
        await send(setting("Muted", Variant("b", False)))
        assert store.load().muted is False

    hold(during, controls)
    assert controls.settings.muted is False


def test_another_setting_changed_meanwhile_stores_no_press(controls: RecordedControls, store: SettingsFile) -> None:
    async def during(press: Press) -> None:
        await press("PushToMute", True)
        await send(setting("Enabled", Variant("b", False)))
        assert store.load().enabled is False
        assert store.load().muted is False
        assert await press("PushToMute", False) is False

    hold(during, controls)


def test_the_end_of_the_daemon_leaves_it_muted(
    service: ControlService, controls: RecordedControls, store: SettingsFile
) -> None:
    async def during(press: Press) -> None:
        await press("PushToTalk", True)
        await asyncio.to_thread(service.stop)
        assert store.load().muted is True

    hold(during, controls)


@pytest.mark.parametrize(
    "body", [calling("PushToTalk", "s", "yes"), calling("PushToMute"), calling("PushToTalk", "bb", True, True)]
)
def test_nonsense_is_refused_and_changes_nothing(controls: RecordedControls, body: dict[str, object]) -> None:
    reply = asyncio.run(send(body))
    assert reply.error_name, reply.body
    assert controls.settings.muted is False


def test_the_change_is_signalled_as_muted(controls: RecordedControls) -> None:
    async def question(client: DaemonClient) -> None:
        await client.call("PushToMute", "b", True)
        assert (await client.properties())["Muted"] is True

    ask(question)
