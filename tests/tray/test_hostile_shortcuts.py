"""Programs that lie: a caller that plays the portal, a portal that answers nonsense, a flood of calls."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Message, MessageFlag, Variant
from dbus_fast.aio import MessageBus
from tests.support.fake_shortcuts import Desktop, desktop
from tests.support.quiet_daemon import QuietDaemon
from tests.support.start_tray import StartTray
from tests.support.strange_portal import StrangePortal
from tests.support.tray_calls import NAME, PATH, ask_tray, shown, triggers
from tests.support.waiting import wait_until

SHORTCUTS = "org.freedesktop.portal.GlobalShortcuts"
WAYLAND = {"WAYLAND_DISPLAY": "wayland-0"}


@pytest.fixture
def chosen(bus: str, tmp_path: Path) -> Iterator[Desktop]:
    with desktop(tmp_path, toggle="F6", push_to_talk="F8") as running:
        yield running


def test_only_the_portal_presses_keys(bus: str, chosen: Desktop, daemon: QuietDaemon, start_tray: StartTray) -> None:
    daemon.start()
    start_tray(["--without-icon"], **WAYLAND)
    wait_until(lambda: triggers().get("toggle") == "F6", 20)
    liar = StrangePortal(bus, lambda _call: None, name="")
    applied: list[bool] = []
    apply = daemon.controls.apply
    daemon.controls.apply = lambda settings: (applied.append(settings.enabled), apply(settings))[1]  # type: ignore[method-assign,func-returns-value]
    try:
        tray = liar.owner(NAME)
        part = tray.removeprefix(":").replace(".", "_")
        for number in range(1, 9):
            session = f"/org/freedesktop/portal/desktop/session/{part}/densenoiser{number}"
            liar.signal(SHORTCUTS, "Activated", "osta{sv}", session, "toggle", 0, {}, to=tray)
            liar.signal("org.freedesktop.portal.Session", "Closed", "a{sv}", {}, path=session, to=tray)
        liar.signal(
            "org.freedesktop.DBus", "NameOwnerChanged", "sss", "org.freedesktop.portal.Desktop", ":1.1", "", to=tray
        )
        liar.signal(SHORTCUTS, "Activated", "s", "toggle", to=tray)
        liar.signal("org.freedesktop.portal.Request", "Response", "", to=tray)
        chosen.press("toggle")  # comes after all of that
        wait_until(lambda: applied)
        time.sleep(0.3)
        assert applied == [False]
        assert shown("ShortcutBackend") == "portal"
        chosen.press("fly")
        chosen.press("toggle")
        wait_until(lambda: daemon.controls.settings.enabled is True)
    finally:
        liar.close()


def _nonsense(call: Message) -> tuple[str, list[Any]] | None:
    return "s", ["nonsense"]


def _empty(call: Message) -> tuple[str, list[Any]] | None:
    return "", []


def _wrong_version(call: Message) -> tuple[str, list[Any]] | None:
    return ("v", [Variant("s", "two")]) if call.member == "Get" else ("o", ["/"])


@pytest.mark.parametrize("answer", [_nonsense, _empty, _wrong_version, lambda _call: None])
def test_a_portal_that_answers_nonsense_does_no_harm(bus: str, start_tray: StartTray, answer: Any) -> None:
    portal = StrangePortal(bus, answer)
    try:
        tray = start_tray(["--without-icon"], **WAYLAND)
        wait_until(lambda: portal.calls, 20)
        wait_until(lambda: shown("ShortcutBackend") is not None)
        time.sleep(0.3)
        assert shown("ShortcutBackend") == ""
        assert portal.calls[0] == "Register"
    finally:
        portal.close()
    time.sleep(0.3)
    assert shown("ShortcutBackend") == ""
    tray.terminate()
    _, said = tray.communicate(timeout=20)
    assert (tray.returncode, "Traceback" in said) == (0, False), said


RESPONSES: list[tuple[str, list[Any]]] = [
    ("", []),
    ("u", [0]),
    ("ua{sv}", [2, {}]),
    ("ua{sv}", [0, {"session_handle": Variant("s", "no path"), "shortcuts": Variant("s", "none")}]),
    ("ua{sv}", [0, {"session_handle": Variant("u", 3), "shortcuts": Variant("a(sa{sv})", [["mute", {}]])}]),
    (
        "ua{sv}",
        [0, {"shortcuts": Variant("a(sa{sv})", [["mute", {"trigger_description": Variant("u", 1)}], ["", {}]])}],
    ),
]


@pytest.mark.parametrize("number", range(len(RESPONSES)))
def test_nor_does_one_whose_responses_are(bus: str, start_tray: StartTray, number: int) -> None:
    asked: list[str] = []

    def answer(call: Message) -> tuple[str, list[Any]] | None:
        if call.member == "Get":
            return "v", [Variant("u", 1)]
        if call.member not in {"CreateSession", "ListShortcuts", "BindShortcuts"}:
            return "", []
        asked.append(call.member)
        part = (call.sender or "").removeprefix(":").replace(".", "_")
        token = call.body[-1]["handle_token"].value
        path = f"/org/freedesktop/portal/desktop/request/{part}/{token}"
        signature, body = RESPONSES[number]
        message = Message.new_signal(path, "org.freedesktop.portal.Request", "Response", signature, body)
        message.destination = call.sender
        asyncio.get_running_loop().create_task(portal._bus.call(message))
        return "o", [path]

    portal = StrangePortal(bus, answer)
    try:
        tray = start_tray(["--without-icon"], **WAYLAND)
        wait_until(lambda: asked, 20)
        wait_until(lambda: shown("ShortcutBackend") is not None)
        time.sleep(0.3)
        assert set(triggers().values()) == {""}
        ask_tray("Bind")
        time.sleep(0.2)
        assert set(triggers().values()) == {""}
        tray.terminate()
        _, said = tray.communicate(timeout=20)
        assert (tray.returncode, "Traceback" in said) == (0, False), said
    finally:
        portal.close()


@pytest.mark.parametrize(
    ("member", "signature", "body"),
    [
        ("SetKey", "s", ["mute"]),
        ("SetKey", "ui", [1, -1]),
        ("SetKey", "as", [["mute"]]),
        ("Bind", "s", ["x"]),
        ("Quit", "", []),
        ("SetKey", "ss", ["\u202e" * 900, "\x07" * 900]),
    ],
)
def test_calls_that_are_none_get_errors(
    bus: str, start_tray: StartTray, member: str, signature: str, body: list[Any]
) -> None:
    tray = start_tray(["--without-icon"], **WAYLAND)
    wait_until(lambda: shown("ShortcutBackend") is not None, 20)
    error, _body = ask_tray(member, signature, *body)
    assert error
    error, _body = ask_tray(
        "Set", "ssv", NAME, "ShortcutBackend", Variant("s", "x"), interface="org.freedesktop.DBus.Properties"
    )
    assert error
    tray.terminate()
    _, said = tray.communicate(timeout=20)
    assert (tray.returncode, "Traceback" in said) == (0, False), said


def test_a_flood_without_replies_fills_no_log(bus: str, start_tray: StartTray) -> None:
    tray = start_tray(["--without-icon"], **WAYLAND)
    wait_until(lambda: shown("ShortcutBackend") is not None, 20)

    async def flood() -> None:
        client = await MessageBus(bus_address=os.environ["DBUS_SESSION_BUS_ADDRESS"]).connect()
        for number in range(500):
            call: dict[str, Any] = {"member": "SetKey", "signature": "ss", "body": ["fly", str(number)]}
            await client.send(Message(NAME, PATH, NAME, flags=MessageFlag.NO_REPLY_EXPECTED, **call))
            if number % 20 == 0:  # dbus-fast loses its connection when more waits than the socket takes
                await client.call(Message(NAME, PATH, "org.freedesktop.DBus.Peer", "Ping"))
        client.disconnect()

    asyncio.run(flood())
    assert shown("ShortcutBackend") == ""
    tray.terminate()
    _, said = tray.communicate(timeout=20)
    assert (tray.returncode, said) == (0, "")
