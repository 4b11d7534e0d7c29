"""The virtual microphone on real servers: made, adopted, repaired, removed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pulsectl
import pytest
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import DESCRIPTION, SINK_NAME, SOURCE_NAME, VirtualMicrophone
from densenoiser_daemon.errors import BackendError
from densenoiser_daemon.measurement.private_server import SERVER_KINDS, PrivateServer

RATE = 48_000
MONITOR_OF_NOTHING = 2**32 - 1


@pytest.fixture(scope="module", params=SERVER_KINDS)
def one_server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    """One of each kind for all tests here: each leaves it as it was."""
    with tempfile.TemporaryDirectory(prefix="dn-") as folder, PrivateServer(request.param, Path(folder)) as running:
        yield running


@pytest.fixture
def pulse(one_server: PrivateServer) -> Iterator[pulsectl.Pulse]:
    with one_server.control() as connection:
        yield connection
        for module in reversed(connection.module_list()):
            if "densenoiser" in (module.argument or ""):
                connection.module_unload(module.index)


def modules(pulse: pulsectl.Pulse) -> list[tuple[str, int]]:
    return [(m.name, m.index) for m in pulse.module_list() if "densenoiser" in (m.argument or "")]


def complete(pulse: pulsectl.Pulse) -> bool:
    names = [s.name for s in pulse.source_list()]
    return names.count(SOURCE_NAME) == 1 and sorted(m for m, _ in modules(pulse)) == [
        "module-null-sink",
        "module-remap-source",
    ]


def test_it_is_listed_as_a_microphone_by_its_name(pulse: pulsectl.Pulse) -> None:
    virtual = VirtualMicrophone(pulse, RATE)
    wait_until(lambda: complete(pulse), 5, "one complete pair")
    source = pulse.get_source_by_name(SOURCE_NAME)
    assert source.name == "densenoiser_mic"
    assert source.description == DESCRIPTION == "DenseNoiser Mic"
    assert source.monitor_of_sink == MONITOR_OF_NOTHING, "applications hide monitors"
    assert (source.sample_spec.rate, source.channel_count) == (RATE, 1)
    assert virtual.source_index() == source.index
    assert not virtual.adopted
    assert pulse.get_sink_by_name(SINK_NAME).sample_spec.rate == RATE


def test_a_complete_pair_is_adopted_as_it_is(pulse: pulsectl.Pulse) -> None:
    VirtualMicrophone(pulse, RATE)
    before, index = modules(pulse), pulse.get_source_by_name(SOURCE_NAME).index
    again = VirtualMicrophone(pulse, RATE)
    assert again.adopted
    assert modules(pulse) == before
    assert again.source_index() == index


def test_it_is_there_as_soon_as_it_is_made(pulse: pulsectl.Pulse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy PipeWire lists it a little after it has loaded the module: simulated by hiding it at first."""
    find, asked = pulse.get_source_by_name, []

    def find_late(name: str) -> object:
        asked.append(name)
        if len(asked) < 5:
            raise pulsectl.PulseIndexError(name)
        return find(name)

    monkeypatch.setattr(pulse, "get_source_by_name", find_late)
    VirtualMicrophone(pulse, RATE)
    assert len(asked) >= 5
    assert pulse.get_source_by_name(SOURCE_NAME).description == DESCRIPTION


def test_a_source_that_never_appears_is_waited_for_so_long_only(
    pulse: pulsectl.Pulse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(VirtualMicrophone, "source_index", lambda self: None)
    monkeypatch.setattr("densenoiser_daemon.audio.pulse.virtual_microphone._APPEARING_SECONDS", 0.05)
    VirtualMicrophone(pulse, RATE)
    assert "has not listed the virtual microphone" in caplog.text


def test_removing_leaves_nothing(pulse: pulsectl.Pulse) -> None:
    others = {m.index for m in pulse.module_list()}
    virtual = VirtualMicrophone(pulse, RATE)
    virtual.remove()
    assert modules(pulse) == []
    assert {m.index for m in pulse.module_list()} == others
    wait_until(lambda: SINK_NAME not in [s.name for s in pulse.sink_list()], 5, "the sink is gone")
    assert virtual.source_index() is None
    virtual.remove()


def lose_source(pulse: pulsectl.Pulse) -> None:
    pulse.module_unload(dict(modules(pulse))["module-remap-source"])


def lose_sink(pulse: pulsectl.Pulse) -> None:
    pulse.module_unload(dict(modules(pulse))["module-null-sink"])


def double_the_sink(pulse: pulsectl.Pulse) -> None:
    pulse.module_load("module-null-sink", f"sink_name={SINK_NAME} rate=44100")


def double_the_source(pulse: pulsectl.Pulse) -> None:
    pulse.module_load("module-remap-source", f"source_name={SOURCE_NAME} master={SINK_NAME}.monitor")


@pytest.mark.parametrize("damage", [lose_source, lose_sink, double_the_sink, double_the_source])
def test_a_damaged_pair_is_made_anew(pulse: pulsectl.Pulse, damage: Callable[[pulsectl.Pulse], None]) -> None:
    VirtualMicrophone(pulse, RATE)
    try:
        damage(pulse)
    except pulsectl.PulseOperationFailed:  # PulseAudio refuses a second one of the same name
        assert damage in (double_the_sink, double_the_source)
    VirtualMicrophone(pulse, RATE)
    wait_until(lambda: complete(pulse), 5, "one complete pair")
    assert pulse.get_source_by_name(SOURCE_NAME).description == DESCRIPTION


def test_modules_of_others_are_left_alone(pulse: pulsectl.Pulse) -> None:
    theirs = pulse.module_load("module-null-sink", f"sink_name={SINK_NAME}_of_mine rate={RATE}")
    VirtualMicrophone(pulse, RATE).remove()
    assert theirs in {m.index for m in pulse.module_list()}


def test_a_refusing_server_is_an_error_that_leaves_nothing(
    pulse: pulsectl.Pulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = pulse.module_load

    def refuse_the_source(name: str, arguments: str) -> int:
        if name == "module-remap-source":
            name = "module-there-is-none"
        return int(load(name, arguments))

    monkeypatch.setattr(pulse, "module_load", refuse_the_source)
    with pytest.raises(BackendError, match="refused module-remap-source"):
        VirtualMicrophone(pulse, RATE)
    wait_until(lambda: modules(pulse) == [], 5, "nothing is left")
