"""Shortcuts of the desktop: the real xdg-desktop-portal, pressed by a backend of ours, and the real tray and D-Bus service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.fake_shortcuts import Desktop, await_session, desktop
from tests.support.quiet_daemon import QuietDaemon
from tests.support.start_tray import StartTray
from tests.support.tray_calls import UNAVAILABLE, ask_tray, shown, triggers
from tests.support.waiting import wait_until

CHOICE = {"toggle": "F6", "mute": "F7", "push-to-talk": "F8", "push-to-mute": "F9"}


@pytest.fixture
def chosen(bus: str, tmp_path: Path) -> Iterator[Desktop]:
    """A desktop whose user has chosen all four keys in an earlier session."""
    with desktop(tmp_path, toggle="F6", mute="F7", push_to_talk="F8", push_to_mute="F9") as running:
        yield running


@pytest.fixture
def holding(chosen: Desktop, daemon: QuietDaemon, start_tray: StartTray) -> Desktop:
    """... and a tray that holds them, without an icon."""
    daemon.start()
    start_tray(["--without-icon"])
    wait_until(lambda: triggers() == CHOICE, 20, "the shortcuts")
    return chosen


def test_what_was_bound_before_works_without_a_dialog(holding: Desktop, daemon: QuietDaemon) -> None:
    assert shown("ShortcutBackend") == "portal"
    assert holding.bindings == []
    holding.press("toggle")
    wait_until(lambda: daemon.controls.settings.enabled is False)
    holding.release("toggle")
    holding.press("toggle")
    wait_until(lambda: daemon.controls.settings.enabled is True)


def test_mute_turns_at_each_press(holding: Desktop, daemon: QuietDaemon) -> None:
    for muted in (True, False, True):
        holding.press("mute")
        wait_until(lambda muted=muted: daemon.controls.settings.muted is muted)  # type: ignore[misc]
        holding.release("mute")


def test_push_to_talk_is_open_while_it_is_pressed(holding: Desktop, daemon: QuietDaemon) -> None:
    holding.press("push-to-talk")
    holding.release("push-to-talk")
    wait_until(lambda: daemon.controls.settings.muted)
    for _ in range(3):
        holding.press("push-to-talk")
        wait_until(lambda: not daemon.controls.settings.muted)
        holding.release("push-to-talk")
        wait_until(lambda: daemon.controls.settings.muted)


def test_push_to_mute_is_silent_while_it_is_pressed(holding: Desktop, daemon: QuietDaemon) -> None:
    holding.press("push-to-mute")
    wait_until(lambda: daemon.controls.settings.muted)
    holding.release("push-to-mute")
    wait_until(lambda: not daemon.controls.settings.muted)


def test_a_portal_that_vanishes_releases_and_the_next_one_is_used(holding: Desktop, daemon: QuietDaemon) -> None:
    holding.press("push-to-mute")
    wait_until(lambda: daemon.controls.settings.muted)
    holding.press("push-to-talk")
    holding.release("push-to-mute")
    wait_until(lambda: not daemon.controls.settings.muted)
    holding.kill_portal()
    wait_until(lambda: daemon.controls.settings.muted)
    wait_until(lambda: shown("ShortcutBackend") != "portal")
    sessions = len(holding.sessions)
    holding.start_portal()
    await_session(holding, sessions + 1)
    wait_until(lambda: triggers() == CHOICE)
    holding.press("push-to-talk")
    wait_until(lambda: not daemon.controls.settings.muted)


def test_the_end_of_the_tray_releases_too(chosen: Desktop, daemon: QuietDaemon, start_tray: StartTray) -> None:
    daemon.start()
    tray = start_tray(["--without-icon"])
    wait_until(lambda: triggers() == CHOICE, 20)
    chosen.press("push-to-mute")
    wait_until(lambda: daemon.controls.settings.muted)
    chosen.press("push-to-talk")
    chosen.release("push-to-mute")
    wait_until(lambda: not daemon.controls.settings.muted)
    tray.kill()
    wait_until(lambda: daemon.controls.settings.muted)


def test_bind_shows_the_dialog_once_and_tells_what_was_chosen(
    bus: str, tmp_path: Path, daemon: QuietDaemon, start_tray: StartTray
) -> None:
    daemon.start()
    with desktop(tmp_path) as running:
        tray = start_tray(["--without-icon"])
        wait_until(lambda: shown("ShortcutBackend") == "portal", 20)
        assert triggers() == dict.fromkeys(CHOICE, "")
        assert running.bindings == []
        running.leave_dialog_open(True)
        running.will_choose(CHOICE)
        assert ask_tray("Bind") == ("", [])
        wait_until(lambda: running.bindings)
        assert [name for name, _words in running.bindings[0]] == list(CHOICE)
        assert all(words for _name, words in running.bindings[0])
        error, body = ask_tray("Bind")
        assert (error, "open already" in body[0]) == (UNAVAILABLE, True)
        running.leave_dialog_open(False)
        wait_until(lambda: triggers() == CHOICE)
        assert ask_tray("Bind") == ("", [])  # a second time, in a session that version 1 needs anew
        wait_until(lambda: len(running.bindings) == 2)
        running.change({"mute": "Pause"})
        wait_until(lambda: triggers()["mute"] == "Pause")
        running.forget()
        tray.terminate()
        tray.wait(10)
        # A desktop that forgets is asked again, since its user did ask for the shortcuts.
        start_tray(["--wait", "0.1"])
        wait_until(lambda: len(running.bindings) == 3, 20)
        wait_until(lambda: triggers() == CHOICE)


def test_a_dialog_that_is_closed_changes_nothing(bus: str, tmp_path: Path, start_tray: StartTray) -> None:
    with desktop(tmp_path) as running:
        start_tray(["--without-icon"])
        wait_until(lambda: shown("ShortcutBackend") == "portal", 20)
        running.will_choose(None)
        assert ask_tray("Bind") == ("", [])
        wait_until(lambda: running.bindings)
        assert triggers() == dict.fromkeys(CHOICE, "")
        running.will_choose(CHOICE)
        wait_until(lambda: ask_tray("Bind") == ("", []))
        wait_until(lambda: triggers() == CHOICE)


def test_the_desktops_keys_are_not_ours_to_set(holding: Desktop) -> None:
    error, body = ask_tray("SetKey", "ss", "mute", "<Control><Alt>m")
    assert error == UNAVAILABLE
    assert "desktop" in body[0]
