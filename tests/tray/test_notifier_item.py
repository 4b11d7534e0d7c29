"""The icon over the bus alone, as panels see it: names of icons, numbers of entries, what changes and what stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from tests.support.fake_panel import Panel
from tests.support.quiet_daemon import QuietDaemon
from tests.support.start_tray import StartTray
from tests.support.waiting import wait_until
from tests.tray.test_menu import RUNNING

from densenoiser_tray.menu import Action, Do, Item, build
from densenoiser_tray.notifier_item import ICONS, NotifierItem, icon_name
from densenoiser_tray.status import Condition, DaemonSnapshot

MENU = build(RUNNING, starts_at_login=False, has_monitor=True)


class Shown:
    """An item in a thread of its own, as the tray's main thread is, and what was clicked."""

    def __init__(self) -> None:
        self.item = NotifierItem()
        self.clicks: list[Action] = []
        self.thread = threading.Thread(target=self.item.run, args=(self.clicks.append,))


@pytest.fixture
def shown(panel: Panel) -> Iterator[Shown]:
    shown = Shown()
    shown.item.show(Condition.ACTIVE, "Removing noise", MENU)
    shown.thread.start()
    panel.wait_for_icon()
    wait_until(lambda: panel.tooltip() == "Removing noise")
    yield shown
    shown.item.stop()
    shown.thread.join(10)
    assert not shown.thread.is_alive()


@pytest.mark.parametrize("condition", Condition)
def test_every_condition_has_a_picture_of_its_own(condition: Condition) -> None:
    pictures = [(ICONS / f"{icon_name(c)}.svg").read_bytes() for c in Condition]
    assert len(set(pictures)) == len(Condition)
    assert ElementTree.parse(ICONS / f"{icon_name(condition)}.svg").getroot().tag.endswith("svg")


def test_the_icon_is_named_not_drawn(panel: Panel, shown: Shown) -> None:
    assert panel.icon_path() == ICONS / "densenoiser-active.svg"
    assert panel.pictures() == []
    shown.item.show(Condition.MUTED, "Muted", MENU)
    wait_until(lambda: panel.tooltip() == "Muted")
    assert panel.icon_path() == ICONS / "densenoiser-muted.svg"


def test_the_menu_has_switches_choices_and_texts(panel: Panel, shown: Shown) -> None:
    menu = panel.menu()
    assert [e.label for e in menu.entries if not e.is_separator] == [item.label for item in MENU if item.label]
    assert (menu.find("Remove noise").is_checked, menu.find("Remove noise").is_radio) == (True, False)
    assert (menu.find("Strength", "Full").is_checked, menu.find("Strength", "Full").is_radio) == (True, True)
    assert not menu.entries[0].is_enabled


def test_a_click_is_passed_on(panel: Panel, shown: Shown) -> None:
    panel.click("Strength", "Gentle, 12 dB")
    panel.click("Hide this icon: DenseNoiser keeps running")
    assert shown.clicks == [Action(Do.SET_STRENGTH, 12.0), Action(Do.QUIT)]


def test_a_left_click_on_the_icon_is_the_default_entry(panel: Panel, shown: Shown) -> None:
    panel.activate()
    assert shown.clicks == [Action(Do.TOGGLE)]


def test_a_menu_whose_entries_stay_is_not_laid_out_again(panel: Panel, shown: Shown) -> None:
    """A menu that is laid out again closes under the pointer."""
    revision = panel.revision()
    daemon = replace(RUNNING, muted=True, strength_db=12.0, listeners=())
    shown.item.show(Condition.MUTED, "Muted", build(daemon, starts_at_login=False, has_monitor=True))
    wait_until(lambda: panel.menu().find("Mute").is_checked)
    assert panel.menu().find("Strength", "Gentle, 12 dB").is_checked
    assert panel.revision() == revision
    assert panel.menu().entries[0].label == "Muted"
    wait_until(lambda: panel.changed_entries >= {"Mute", "Gentle, 12 dB", "Full", "Muted"})


def test_a_late_click_hits_no_other_entry(panel: Panel, shown: Shown) -> None:
    """The daemon ends while the menu is open: a number of the old menu is none of the new one."""
    old = {
        entry.number for entry in panel.menu().entries if entry.label in {"Remove noise", "Mute", "Stop DenseNoiser"}
    }
    revision = panel.revision()
    items = build(DaemonSnapshot(), starts_at_login=False, has_monitor=True)
    shown.item.show(Condition.ABSENT, "DenseNoiser is not running", items)
    wait_until(lambda: panel.revision() > revision)
    assert not old & {entry.number for entry in panel.menu().entries}
    for number in old:
        with pytest.raises(LookupError):
            panel.click_number(number)
    assert shown.clicks == []


def test_a_panel_that_comes_again_gets_the_icon_again(bus: str) -> None:
    shown = Shown()
    shown.item.show(Condition.ACTIVE, "Removing noise", MENU)
    try:
        for _ in range(2):
            panel = Panel(bus)
            try:
                if not shown.thread.is_alive():
                    shown.thread.start()
                panel.wait_for_icon()
                assert panel.menu().find("Remove noise")
            finally:
                panel.close()
    finally:
        shown.item.stop()
        shown.thread.join(10)


def test_it_may_be_told_to_stop_before_it_has_begun(panel: Panel) -> None:
    shown = Shown()
    shown.item.show(Condition.IDLE, "Ready", (Item("Ready"),))
    shown.item.stop()
    shown.thread.start()
    shown.thread.join(10)
    assert not shown.thread.is_alive()


def test_no_toolkit_is_loaded_for_it(panel: Panel, daemon: QuietDaemon, start_tray: StartTray) -> None:
    """As in a plain pipx environment, which has no PyGObject: there the menu must work too."""
    daemon.start()
    tray = start_tray(PYSTRAY_BACKEND="missing")
    panel.wait_for_icon()
    wait_until(lambda: panel.menu().find("Remove noise").is_checked)
    panel.click("Remove noise")
    wait_until(lambda: daemon.controls.settings.enabled is False)
    assert tray.poll() is None
