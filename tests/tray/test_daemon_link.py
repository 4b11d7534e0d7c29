"""The client thread on the real D-Bus service."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests.support.quiet_daemon import HEADSET, QuietDaemon
from tests.support.recorded_controls import WEBCAM
from tests.support.waiting import wait_until

from densenoiser_tray.bus import BusError
from densenoiser_tray.daemon_link import DaemonLink
from densenoiser_tray.menu import Action, Do
from densenoiser_tray.status import Condition, DaemonSnapshot


class Seen:
    """What a client reported."""

    def __init__(self) -> None:
        self.daemons: list[DaemonSnapshot] = []
        self.failures: list[str] = []
        self.ended = threading.Event()
        self.client = DaemonLink(self.daemons.append, self.failures.append, self.ended.set)


@pytest.fixture
def seen(bus: str) -> Iterator[Seen]:
    seen = Seen()
    seen.client.start()
    yield seen
    seen.client.stop()
    assert seen.ended.is_set()


def test_it_reads_everything_the_menu_shows(daemon: QuietDaemon, seen: Seen) -> None:
    wait_until(lambda: seen.daemons[-1:] == [DaemonSnapshot()])
    daemon.start()
    wait_until(lambda: seen.daemons[-1].is_running)
    last = seen.daemons[-1]
    assert last.condition is Condition.ACTIVE
    assert last.listeners == ("Zoom",)
    assert last.active_microphone == HEADSET.description
    assert [(m.name, m.is_default) for m in last.microphones] == [(HEADSET.name, True), (WEBCAM.name, False)]
    daemon.stop()
    wait_until(lambda: seen.daemons[-1] == DaemonSnapshot())


def test_levels_of_a_watching_monitor_cause_no_readings(daemon: QuietDaemon, seen: Seen) -> None:
    daemon.start()
    wait_until(lambda: seen.daemons and seen.daemons[-1].is_running)
    seen.client._later(seen.client._ask("Watch", "b", True))
    before = len(seen.daemons)
    for turn in range(20):
        daemon.show(transport_latency_ms=float(turn + 1))
    daemon.show(listeners=("Zoom", "OBS"))
    wait_until(lambda: seen.daemons[-1].listeners == ("Zoom", "OBS"))
    assert len(seen.daemons) - before <= 3


def test_a_refusal_comes_back_in_words(daemon: QuietDaemon, seen: Seen) -> None:
    daemon.start()
    seen.client.send(Action(Do.SET_STRENGTH, -1.0))
    wait_until(lambda: seen.failures)
    assert "dB from 0 up" in seen.failures[0]


def test_looking_never_starts_the_daemon(daemon: QuietDaemon, seen: Seen) -> None:
    seen.client.send(Action(Do.TOGGLE))
    wait_until(lambda: seen.failures)
    assert "org.densenoiser.Daemon1" in seen.failures[0]


def test_a_second_one_is_refused(seen: Seen) -> None:
    with pytest.raises(BusError, match="already"):
        Seen().client.start()


def test_a_fault_of_its_own_ends_it_and_is_logged(bus: str, caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()

    def fail(daemon: DaemonSnapshot) -> None:
        raise ValueError(f"cannot draw {daemon}")

    client = DaemonLink(fail, fail, ended.set)  # type: ignore[arg-type]
    client.start()
    assert ended.wait(10)
    client.stop()
    assert client.has_died
    assert "cannot draw" in caplog.text
