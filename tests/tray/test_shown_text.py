"""Foreign text in menu, tooltip, notification and log of the tray."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace

import pytest
from tests.models.test_shown_text import NASTY, PLAIN
from tests.support.fake_panel import Panel
from tests.support.quiet_daemon import HEADSET, QuietDaemon
from tests.support.start_tray import StartTray
from tests.support.waiting import wait_until

from densenoiser_daemon.status import Fact, State
from densenoiser_tray.menu import Item, build, headline
from densenoiser_tray.shown_text import LogLines, one_line
from densenoiser_tray.status import DaemonSnapshot, Microphone, Reason

ESCAPE = "\x1b]0;<b>\x07\nINFO: all is well"
SPELLED = r"\x1b]0;<b>\x07 INFO: all is well"


@pytest.mark.parametrize("text", [*PLAIN, *NASTY])
def test_it_is_shown_as_on_the_command_line(text: str) -> None:
    assert one_line(text) == NASTY.get(text, text)


def test_no_label_of_the_menu_controls_anything() -> None:
    daemon = DaemonSnapshot(
        is_running=True,
        enabled=True,
        microphone=ESCAPE,
        model=ESCAPE,
        state="bypassed",
        reason=Reason("model-failed", {"error": ESCAPE}),
        listeners=(ESCAPE,),
        microphones=(Microphone("usb", ESCAPE, is_default=True),),
        models=(ESCAPE,),
    )
    labels: list[str] = []

    def collect(items: tuple[Item, ...]) -> None:
        for item in items:
            labels.append(item.label)
            collect(item.submenu)

    collect(build(daemon, starts_at_login=False, has_monitor=True))
    assert [label for label in labels if one_line(label) != label] == []
    assert f"Automatic ({SPELLED})" in labels
    for condition in ({}, {"muted": True}, {"enabled": False}):
        for state in ("bypassed", "running", "idle"):
            title = headline(replace(daemon, state=state, **condition))  # type: ignore[arg-type]
            assert one_line(title) == title


def test_a_notification_shows_names_as_they_are(panel: Panel, daemon: QuietDaemon, start_tray: StartTray) -> None:
    """The fake service reads the body as markup, as most do."""
    daemon.start()
    start_tray()
    panel.wait_for_icon()
    said = f"A & B {SPELLED} was unplugged or switched off"
    daemon.show(state=State.WAITING_FOR_MICROPHONE, reason=Fact("microphone-gone", {"microphone": f"A & B {ESCAPE}"}))
    wait_until(lambda: panel.notifications == [("The microphone is gone", said)])
    wait_until(lambda: panel.tooltip() == f"Waiting for a microphone: {said}")


def test_a_microphone_in_the_menu_is_named_as_it_is(panel: Panel, daemon: QuietDaemon, start_tray: StartTray) -> None:
    daemon.controls.microphones = (replace(HEADSET, description=f"USB_Headset & {ESCAPE}"),)
    daemon.start()
    start_tray()
    panel.wait_for_icon()
    wait_until(lambda: panel.menu().find("Microphone", f"USB_Headset & {SPELLED}"))


def test_a_log_line_cannot_be_forged() -> None:
    try:
        raise ValueError(ESCAPE)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "lost %s", (ESCAPE,), sys.exc_info())
    lines = LogLines().format(record).split("\n")
    assert lines[0] == f"ERROR: lost {SPELLED}"
    assert [line for line in lines if line.startswith("INFO") or one_line(line) != line] == ["INFO: all is well"]
