"""A Bluetooth headset gets its microphone while somebody listens, and its earlier profile afterwards."""

from __future__ import annotations

from dataclasses import replace

from tests.support.fake_backend import WEBCAM, FakeBackend
from tests.support.running_engine import Start

from densenoiser_daemon.audio.backend import Headset
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import Fact, State, WarningCode

BUDS = Headset("bluez_card.00_11", "Soft Buds", "High fidelity", "a2dp-sink", "headset-head-unit")


def backend_with_buds() -> FakeBackend:
    backend = FakeBackend()
    backend.microphones, backend.headsets, backend.listeners = (), (BUDS,), ()
    return backend


def test_it_is_told_and_left_alone_until_the_user_wants_it(start: Start) -> None:
    backend = backend_with_buds()
    running = start(backend)
    running.await_state(State.WAITING_FOR_MICROPHONE)
    warning = Fact(WarningCode.HEADSET, {"headset": "Soft Buds", "profile": "High fidelity"})
    assert running.engine.status.warnings == (warning,)
    backend.listeners = ("Zoom",)
    backend.settle()
    assert backend.taken_headset is None


def test_it_is_switched_while_somebody_listens_and_back_afterwards(start: Start) -> None:
    backend = backend_with_buds()
    start(backend, settings=Settings(headset=True))
    backend.settle()
    assert backend.taken_headset is None, "nobody listens"
    backend.listeners = ("Zoom",)
    backend.settle()
    assert backend.taken_headset == BUDS
    backend.headsets, backend.microphones = (), (replace(WEBCAM, name="bluez_input.00_11.0"),)
    backend.settle()
    assert backend.taken_headset == BUDS, "it has its microphone now"
    assert backend.opened is not None
    backend.listeners = ()
    backend.settle()
    assert backend.taken_headset is None


def test_another_microphone_leaves_the_headset_its_music(start: Start) -> None:
    backend = backend_with_buds()
    backend.microphones, backend.listeners = (WEBCAM,), ("Zoom",)
    running = start(backend, settings=Settings(headset=True))
    running.await_state(State.RUNNING)
    assert backend.taken_headset is None
    running.engine.apply(Settings(headset=True, microphone="bluez_input.00:11.0"))
    backend.settle()
    assert backend.taken_headset == BUDS, "the chosen one"
