"""The menu as a function of the daemon's status."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from densenoiser_tray.menu import SEPARATOR, Action, Do, Item, build, headline
from densenoiser_tray.status import DaemonSnapshot, Microphone, Reason

RUNNING = DaemonSnapshot(
    is_running=True,
    enabled=True,
    model="densenet-small",
    state="running",
    listeners=("Zoom", "OBS"),
    microphones=(Microphone("usb", "USB Headset", is_default=True), Microphone("webcam", "Webcam")),
    models=("densenet-small", "densenet-large"),
)


def find(items: tuple[Item, ...], label: str) -> Item:
    return next(item for item in items if item.label == label)


def menu(daemon: DaemonSnapshot, starts_at_login: bool = False, has_monitor: bool = True) -> tuple[Item, ...]:
    return build(daemon, starts_at_login, has_monitor)


def test_the_headline_says_what_happens_and_for_whom() -> None:
    assert headline(DaemonSnapshot()) == "DenseNoiser is not running"
    assert headline(RUNNING) == "Removing noise for Zoom, OBS"
    assert headline(replace(RUNNING, enabled=False)) == "Off; Zoom, OBS hear the microphone as it is"
    assert headline(replace(RUNNING, muted=True)) == "Muted; Zoom, OBS hear silence"
    assert headline(replace(RUNNING, state="idle", listeners=())) == "Ready; nobody is listening"
    slow = Reason("model-failed", {"error": "too slow"})
    assert headline(replace(RUNNING, state="bypassed", reason=slow)) == "Noise is not removed: too slow"
    assert headline(replace(RUNNING, state="waiting-for-server")) == "Waiting for the sound server"


def test_trouble_comes_before_what_was_asked_for() -> None:
    assert headline(replace(RUNNING, muted=True, state="waiting-for-microphone")) == "Waiting for a microphone"


def test_without_a_daemon_it_offers_to_start_it_and_the_window() -> None:
    actions = [item.action.do for item in menu(DaemonSnapshot()) if item.action]
    assert actions == [Do.START, Do.OPEN_WINDOW, Do.START_AT_LOGIN, Do.QUIT]
    assert find(menu(DaemonSnapshot()), "Start DenseNoiser").is_default


def test_a_left_click_toggles() -> None:
    (default,) = [item for item in menu(RUNNING) if item.is_default]
    assert default.action == Action(Do.TOGGLE)
    assert default.checked is True


def test_switches_ask_for_the_other_position() -> None:
    assert find(menu(RUNNING), "Mute").action == Action(Do.MUTE, True)
    assert find(menu(replace(RUNNING, muted=True)), "Mute").action == Action(Do.MUTE, False)
    assert find(menu(RUNNING, starts_at_login=True), "Start at login").action == Action(Do.START_AT_LOGIN, False)


def test_exactly_one_strength_is_chosen_even_an_odd_one() -> None:
    for strength in (6.0, 15.5, math.inf):
        chosen = [i for i in find(menu(replace(RUNNING, strength_db=strength)), "Strength").submenu if i.checked]
        assert [item.action for item in chosen] == [Action(Do.SET_STRENGTH, strength)]
    odd = find(menu(replace(RUNNING, strength_db=15.5)), "Strength").submenu
    assert [item.label for item in odd] == [
        "Very gentle, 6 dB",
        "Gentle, 12 dB",
        "Medium, 15.5 dB",
        "Medium, 20 dB",
        "Strong, 30 dB",
        "Full",
    ]


def test_microphones_are_a_radio_list_that_names_the_automatic_one() -> None:
    entries = find(menu(RUNNING), "Microphone").submenu
    assert [e.label for e in entries] == ["Automatic (USB Headset)", "USB Headset", "Webcam"]
    assert [e.checked for e in entries] == [True, False, False]
    assert all(e.is_radio for e in entries)


def test_a_chosen_microphone_that_is_gone_stays_in_the_list() -> None:
    entries = find(menu(replace(RUNNING, microphone="bluez.gone")), "Microphone").submenu
    assert [e.label for e in entries if e.checked] == ["bluez.gone (not connected)"]


def test_a_model_outside_the_list_is_shown_as_chosen() -> None:
    entries = find(menu(replace(RUNNING, model="/models/mine.onnx")), "Model").submenu
    assert [e.label for e in entries if e.checked] == ["/models/mine.onnx"]


def test_no_monitor_without_a_terminal() -> None:
    assert find(menu(RUNNING), "Open monitor").action == Action(Do.OPEN_MONITOR)
    assert "Open monitor" not in [item.label for item in menu(RUNNING, has_monitor=False)]


def test_separators_part_groups_only() -> None:
    for daemon in (DaemonSnapshot(), RUNNING):
        items = menu(daemon)
        assert SEPARATOR not in {items[0], items[-1]}
        assert all(not (a is SEPARATOR and b is SEPARATOR) for a, b in pairwise(items))


def test_what_ends_the_icon_and_what_ends_the_filter_say_so() -> None:
    labels = {item.action.do: item.label for item in menu(RUNNING) if item.action}
    assert labels[Do.QUIT] == "Hide this icon: DenseNoiser keeps running"
    assert labels[Do.STOP] == "Shut down DenseNoiser: noise is heard again"


def test_models_are_called_by_what_they_are_good_for() -> None:
    models = find(menu(replace(RUNNING, models=("densenet-small", "densenet-tiny", "mine"))), "Model").submenu
    assert [item.label for item in models] == ["Balanced (ours)", "Lightest (ours)", "mine"]


def test_a_filter_whose_package_is_missing_is_shown_and_cannot_be_chosen() -> None:
    models = find(menu(replace(RUNNING, models=("densenet-small",), missing_engines=("rnnoise",))), "Model").submenu
    assert models[-1].label == "RNNoise: well known, more delay (not installed)"
    assert models[-1].action is None


def test_what_is_muted_or_turned_down_in_the_sound_settings_is_said() -> None:
    muted = replace(RUNNING, warnings=(Reason("microphone-muted", {"microphone": "Yeti"}),))
    assert headline(muted) == "Yeti is muted in the sound settings"
    faint = replace(RUNNING, warnings=(Reason("source-turned-down", {"db": "36"}),))
    assert headline(faint) == headline(RUNNING)
    assert '"DenseNoiser Mic" is turned down by 36 dB in the sound settings' in [item.label for item in menu(faint)]


def test_it_can_be_the_default_microphone() -> None:
    assert find(menu(RUNNING), "Use as the default microphone").action == Action(Do.BE_DEFAULT, True)
    assert find(menu(replace(RUNNING, is_wished_default=True)), "Use as the default microphone").checked
