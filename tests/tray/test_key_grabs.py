"""Shortcuts on X11 without a portal: real keys under a real X server, taken by the real tray."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.keyboard import Keyboard, count_repeats, taken
from tests.support.quiet_daemon import QuietDaemon
from tests.support.start_tray import StartTray
from tests.support.tray_calls import INVALID, UNAVAILABLE, ask_tray, shown, triggers
from tests.support.waiting import wait_until
from tests.support.x_server import x_server

NONE = dict.fromkeys(("toggle", "mute", "push-to-talk", "push-to-mute"), "")


@pytest.fixture
def own_display() -> Iterator[str]:
    """A display that no other test types on."""
    with x_server("320x240x24") as name:
        yield name


@pytest.fixture
def keyboard(own_display: str) -> Keyboard:
    return Keyboard(own_display)


@pytest.fixture
def held(own_display: str, daemon: QuietDaemon, start_tray: StartTray) -> None:
    """A tray on the display, without an icon and without keys."""
    daemon.start()
    start_tray(["--without-icon"], DISPLAY=own_display, WAYLAND_DISPLAY="", XDG_SESSION_TYPE="x11")
    wait_until(lambda: shown("ShortcutBackend") == "x11", 20, "the keys of X")


def set_key(shortcut: str, key: str) -> tuple[str, str]:
    """The error's name and its words, both empty if the key is taken."""
    error, body = ask_tray("SetKey", "ss", shortcut, key)
    return error, str(body[0]) if body else ""


@pytest.mark.usefixtures("held")
def test_a_key_switches_noise_removal_until_it_is_given_back(keyboard: Keyboard, daemon: QuietDaemon) -> None:
    assert triggers() == NONE
    assert set_key("toggle", "<Control><Alt>n") == ("", "")
    assert triggers() == NONE | {"toggle": "Ctrl+Alt+N"}
    keyboard.tap("ctrl+alt+n")
    wait_until(lambda: daemon.controls.settings.enabled is False)
    assert set_key("toggle", "") == ("", "")
    assert set_key("mute", "<Control><Alt>m") == ("", "")
    assert triggers() == NONE | {"mute": "Ctrl+Alt+M"}
    keyboard.tap("ctrl+alt+n")
    keyboard.tap("ctrl+alt+m")
    wait_until(lambda: daemon.controls.settings.muted)
    assert daemon.controls.settings.enabled is False


@pytest.mark.usefixtures("held")
def test_push_to_talk_lasts_as_long_as_the_key(keyboard: Keyboard, daemon: QuietDaemon, own_display: str) -> None:
    assert count_repeats(own_display, "F8", 1.5) > 2, "this X server does not repeat keys, so the test shows nothing"
    set_key("push-to-talk", "F9")
    keyboard.tap("F9")
    wait_until(lambda: daemon.controls.settings.muted)
    applied: list[bool] = []
    apply = daemon.controls.apply
    daemon.controls.apply = lambda settings: (applied.append(settings.muted), apply(settings))[1]  # type: ignore[method-assign,func-returns-value]
    keyboard.press("F9")
    wait_until(lambda: not daemon.controls.settings.muted)
    time.sleep(1.5)  # the server repeats the key meanwhile: releases and presses that are none
    assert applied == [False]
    keyboard.release("F9")
    wait_until(lambda: daemon.controls.settings.muted)
    assert applied == [False, True]


@pytest.mark.usefixtures("held")
def test_the_modifier_may_come_up_first(keyboard: Keyboard, daemon: QuietDaemon) -> None:
    set_key("push-to-mute", "<Control><Alt>t")
    keyboard.press("ctrl+alt+t")
    wait_until(lambda: daemon.controls.settings.muted)
    keyboard.release("ctrl")
    time.sleep(0.3)
    assert daemon.controls.settings.muted
    keyboard.release("alt")
    keyboard.release("t")
    wait_until(lambda: not daemon.controls.settings.muted)


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("locks", [("Num_Lock",), ("Caps_Lock",), ("Caps_Lock", "Num_Lock")])
def test_locks_do_not_matter(keyboard: Keyboard, daemon: QuietDaemon, locks: tuple[str, ...]) -> None:
    set_key("toggle", "<Control><Alt>n")
    for lock in locks:
        keyboard.tap(lock)
    keyboard.tap("ctrl+alt+n")
    wait_until(lambda: daemon.controls.settings.enabled is False)


@pytest.mark.usefixtures("held")
def test_a_key_of_another_program_is_refused_in_words(
    keyboard: Keyboard, daemon: QuietDaemon, own_display: str
) -> None:
    set_key("mute", "<Control><Alt>m")
    with taken(own_display, "k"):
        error, words = set_key("mute", "<Control><Alt>k")
        assert (error, words) == (UNAVAILABLE, "another program has the key Ctrl+Alt+K; choose another")
        assert triggers()["mute"] == "Ctrl+Alt+M"
        keyboard.tap("ctrl+alt+m")  # the old one is still ours
        wait_until(lambda: daemon.controls.settings.muted)
    assert set_key("mute", "<Control><Alt>k") == ("", "")


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(
    ("shortcut", "key", "words"),
    [
        ("fly", "<Control>m", 'there is no shortcut "fly"'),
        ("mute", "<Hyper>m", '"Hyper" is no modifier'),
        ("mute", "<Control>nonsense", 'no key with the name "nonsense"'),
        ("mute", "m", '"m" alone is needed for writing'),
        ("mute", "<Shift>Return", '"Return" alone is needed'),
        ("mute", "<Control", "is not a key"),
        ("mute", "\x1b[2J", "is not a key"),
        ("mute", "<Control>__class__", "no key with the name"),
        ("mute", "k" * 500, "at most 100 characters"),
        ("mute", "k" * 5000, "too long"),
        ("mute" * 5000, "F7", "too long"),
        ("mute", "<Control><Alt>x", '"Push to talk: heard while the key is held"'),
    ],
)
def test_what_is_no_key_is_refused_in_words(shortcut: str, key: str, words: str) -> None:
    set_key("push-to-talk", "<Control><Alt>x")
    error, said = set_key(shortcut, key)
    assert error == INVALID
    assert words in said
    assert len(said) < 500
    assert triggers() == NONE | {"push-to-talk": "Ctrl+Alt+X"}


@pytest.mark.usefixtures("held")
def test_there_is_no_dialog(keyboard: Keyboard) -> None:
    error, body = ask_tray("Bind")
    assert (error, "no dialog" in body[0]) == (UNAVAILABLE, True)


def test_keys_are_kept_for_the_next_start(
    own_display: str, keyboard: Keyboard, daemon: QuietDaemon, start_tray: StartTray, tmp_path: Path
) -> None:
    daemon.start()
    x11 = {"DISPLAY": own_display, "WAYLAND_DISPLAY": "", "XDG_SESSION_TYPE": "x11"}
    first = start_tray(["--without-icon"], **x11)
    wait_until(lambda: shown("ShortcutBackend") == "x11", 20)
    set_key("mute", "<Control><Alt>m")
    file = tmp_path / "config" / "densenoiser" / "shortcuts.toml"
    file.write_text(f"# mine\n{file.read_text()}fly = 3\ntoggle = '<Control><Alt>k'\npush-to-mute = 'nonsense'\n")
    first.terminate()
    first.communicate(timeout=10)
    with taken(own_display, "k"):
        second = start_tray(["--wait", "0.1"], **x11)  # no panel: the keys are reason enough to stay
        wait_until(lambda: triggers() == NONE | {"mute": "Ctrl+Alt+M"}, 20)
        keyboard.tap("ctrl+alt+m")
        wait_until(lambda: daemon.controls.settings.muted)
        set_key("mute", "<Control><Alt>l")
        assert "# mine" in file.read_text()
        second.terminate()
        _, said = second.communicate(timeout=10)
    for words in ("no shortcut 'fly'", "another program has the key Ctrl+Alt+K", 'no key with the name "nonsense"'):
        assert words in said


def test_a_wayland_session_has_no_keys_of_x(own_display: str, bus: str, start_tray: StartTray) -> None:
    start_tray(["--without-icon"], DISPLAY=own_display, WAYLAND_DISPLAY="wayland-0")
    wait_until(lambda: shown("ShortcutBackend") is not None, 20)
    time.sleep(0.5)
    assert shown("ShortcutBackend") == ""
    error, words = set_key("mute", "<Control><Alt>m")
    assert (error, "cannot take keys" in words) == (UNAVAILABLE, True)


def test_an_x_server_that_ends_releases(daemon: QuietDaemon, start_tray: StartTray) -> None:
    daemon.start()
    with x_server("320x240x24") as name:
        tray = start_tray(["--without-icon"], DISPLAY=name, WAYLAND_DISPLAY="", XDG_SESSION_TYPE="x11")
        wait_until(lambda: shown("ShortcutBackend") == "x11", 20)
        set_key("push-to-talk", "F9")
        keyboard = Keyboard(name)
        keyboard.tap("F9")
        wait_until(lambda: daemon.controls.settings.muted)
        keyboard.press("F9")
        wait_until(lambda: not daemon.controls.settings.muted)
    wait_until(lambda: daemon.controls.settings.muted)
    wait_until(lambda: shown("ShortcutBackend") == "")
    assert tray.poll() is None
