"""Whatever a client sends and whatever stands in the settings file: an answer, valid settings, and a service that goes on."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.recorded_controls import RecordedControls

from densenoiser_daemon.bus.session_bus import BUS_NAME, INTERFACE, OBJECT_PATH, session_bus_address
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_daemon.settings.settings import Settings

PROPERTIES = "org.freedesktop.DBus.Properties"
fuzzing = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
names = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40)
numbers = st.floats() | st.sampled_from([0.0, -0.0, 1e308, 24.0])
calls = st.one_of(
    st.tuples(st.just("SetMicrophoneStrength"), st.just("sd"), st.tuples(names, numbers)),
    st.tuples(st.just("ForgetMicrophoneStrength"), st.just("s"), st.tuples(names)),
    st.tuples(
        st.sampled_from(["Toggle", "SetMicrophoneStrength", "Watch"]), st.just("u"), st.tuples(st.integers(0, 9))
    ),
    st.tuples(
        st.from_regex(r"[A-Z][A-Za-z]{0,9}", fullmatch=True).filter(lambda n: n != "Quit"), st.just(""), st.just(())
    ),
)
values = st.builds(Variant, st.just("s"), names) | st.builds(Variant, st.just("d"), numbers)
writes = st.tuples(st.sampled_from(["Strength", "Microphone", "Model", "Enabled", "Muted", "State", "None"]), values)


async def send(messages: list[Message]) -> list[MessageType]:
    """All on one connection; the kinds of their replies."""
    bus = await MessageBus(bus_address=session_bus_address()).connect()
    try:
        async with asyncio.timeout(20):
            replies = [await bus.call(message) for message in messages]
    finally:
        bus.disconnect()
    return [reply.message_type for reply in replies if reply is not None]


def call(interface: str, member: str, signature: str, body: list[Any]) -> Message:
    return Message(
        destination=BUS_NAME, path=OBJECT_PATH, interface=interface, member=member, signature=signature, body=body
    )


@fuzzing
@given(called=st.lists(calls, max_size=4), written=st.lists(writes, max_size=4))
def test_any_argument_is_answered_and_leaves_settings_valid(
    service: ControlService,
    controls: RecordedControls,
    store: SettingsFile,
    called: list[tuple[str, str, tuple[Any, ...]]],
    written: list[tuple[str, Variant]],
) -> None:
    messages = [call(INTERFACE, member, signature, list(body)) for member, signature, body in called]
    messages += [call(PROPERTIES, "Set", "ssv", [INTERFACE, name, value]) for name, value in written]
    messages.append(call(PROPERTIES, "Get", "ss", [INTERFACE, "State"]))
    kinds = asyncio.run(send(messages))
    assert len(kinds) == len(messages)
    assert kinds[-1] is MessageType.METHOD_RETURN, "it still answers"
    assert service.fault is None
    in_force = controls.settings
    strengths = [in_force.strength_db, *in_force.microphone_strengths.values()]
    assert all(not math.isnan(strength) and strength >= 0.0 for strength in strengths)
    store.load()
    assert store.problems == (), "what it stored it can read"


@settings(fuzzing, max_examples=150)
@given(
    text=st.text(max_size=200)
    | st.from_regex(r'(strength|model|microphone|enabled) ?= ?("[^"]*"|[-+0-9.einfatrulsx]*)\n')
)
def test_any_settings_file_gives_settings_and_says_what_is_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    store = SettingsFile(path)
    loaded = store.load()
    assert not math.isnan(loaded.strength_db)
    assert loaded.strength_db >= 0.0
    assert isinstance(loaded.model, str)
    if loaded == Settings() and store.problems:
        assert all(str(path) in problem for problem in store.problems)


@settings(fuzzing, max_examples=60)
@given(content=st.binary(max_size=300))
def test_any_bytes_for_a_settings_file_do_no_harm(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    assert isinstance(SettingsFile(path).load(), Settings)


@pytest.mark.parametrize("size", [10**5, 10**6])
def test_a_long_name_is_refused_at_once(service: ControlService, size: int) -> None:
    kinds = asyncio.run(send([call(INTERFACE, "ForgetMicrophoneStrength", "s", ["x" * size])]))
    assert kinds == [MessageType.ERROR]
