"""Tests of when the tray shows a notification."""

from __future__ import annotations

from dataclasses import replace

import pytest

from densenoiser_tray.notifications import INTERVAL_SECONDS, Announcer, Notification
from densenoiser_tray.status import DaemonSnapshot, Reason

FINE = DaemonSnapshot(is_running=True, enabled=True, state="running", active_microphone="USB Headset")
GONE = replace(FINE, state="waiting-for-microphone", reason=Reason("microphone-gone", {"microphone": "Yeti"}))
BYPASSED = replace(FINE, state="bypassed", reason=Reason("model-failed", {"error": "the model failed"}))


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def announcer(clock: Clock) -> Announcer:
    return Announcer(clock)


def test_a_healthy_start_is_silent(announcer: Announcer) -> None:
    assert announcer.announce(DaemonSnapshot()) is None
    assert announcer.announce(FINE) is None
    assert announcer.announce(replace(FINE, muted=True)) is None


def test_trouble_and_its_end_are_each_said_once(announcer: Announcer, clock: Clock) -> None:
    assert announcer.announce(GONE) == Notification("The microphone is gone", "Yeti was unplugged or switched off")
    assert announcer.announce(replace(GONE, listeners=("Zoom",))) is None
    clock.seconds += INTERVAL_SECONDS
    assert announcer.announce(FINE) == Notification("Back to normal", "USB Headset")
    assert announcer.announce(FINE) is None


def test_a_fault_is_told_with_its_reason(announcer: Announcer) -> None:
    assert announcer.announce(BYPASSED) == Notification("Noise is not removed", "the model failed")


def test_a_loose_plug_is_told_once_an_interval_and_ends_with_the_truth(announcer: Announcer, clock: Clock) -> None:
    said = [announcer.announce(GONE if turn % 2 == 0 else FINE) for turn in range(9)]
    assert [n for n in said if n] == [said[0]]
    announcer.announce(FINE)
    assert announcer.wait_seconds == INTERVAL_SECONDS
    clock.seconds += announcer.wait_seconds
    assert announcer.announce(FINE) == Notification("Back to normal", "USB Headset")
    assert announcer.wait_seconds == 0.0


def test_a_restart_of_the_sound_server_is_not_worth_a_word(announcer: Announcer) -> None:
    assert announcer.announce(replace(FINE, state="waiting-for-server")) is None
    assert announcer.announce(FINE) is None


def test_a_daemon_that_ends_is_not_back_to_normal(announcer: Announcer, clock: Clock) -> None:
    announcer.announce(GONE)
    clock.seconds += INTERVAL_SECONDS
    assert announcer.announce(DaemonSnapshot()) is None
    assert announcer.announce(FINE) is None
