"""Real time by rtkit: a service on a private bus that checks the caller as the real one does; and locked memory."""
# ruff: noqa: N802  (names as D-Bus has them)

import asyncio
import contextlib
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated

import pytest
from dbus_fast import DBusError, PropertyAccess
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusSignature, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

from densenoiser_daemon.status import Fact
from densenoiser_daemon.system import memory_lock, realtime
from densenoiser_daemon.system.memory_lock import lock_memory

MOST_MICROSECONDS = 150_000
ThreadNumber = Annotated[int, DBusSignature("t")]
Microseconds = Annotated[int, DBusSignature("x")]

# The kernel's own refusal comes first where the user has no limits of his own, as on most desktops.
ASK = """
import os, resource, threading
def refuse(*_):
    raise PermissionError(1, "Operation not permitted")
os.sched_setscheduler = refuse
from densenoiser_daemon.status import Fact
from densenoiser_daemon.system import realtime
said = realtime.request()
print(said.code, *said.details.values())
print(os.getpid(), threading.get_native_id(), *resource.getrlimit(resource.RLIMIT_RTTIME))
"""


# The daemon lends what it has to a process that it waits for.
LEND = ASK.replace(
    "said = realtime.request()",
    """
import subprocess
child = subprocess.Popen(["sleep", "60"])
realtime.lend(child.pid)
said = Fact("lent")
""",
).replace(
    "print(os.getpid(), threading.get_native_id(), *resource.getrlimit(",
    "print(child.pid, *resource.prlimit(child.pid, ",
)
LEND += "child.kill(); child.wait()"


class RealtimeKit(ServiceInterface):
    """``org.freedesktop.RealtimeKit1`` as far as the daemon uses it."""

    def __init__(self, refuses: bool) -> None:
        super().__init__("org.freedesktop.RealtimeKit1")
        self.calls: list[tuple[int, int, int]] = []
        self._refuses = refuses

    @dbus_property(access=PropertyAccess.READ)
    def RTTimeUSecMax(self) -> Microseconds:
        return MOST_MICROSECONDS

    @dbus_method()
    def MakeThreadRealtimeWithPID(self, process: ThreadNumber, thread: ThreadNumber, priority: DBusUInt32) -> None:
        self.calls.append((process, thread, priority))
        hard = resource.prlimit(process, resource.RLIMIT_RTTIME)[1]
        if self._refuses or not 0 <= hard <= MOST_MICROSECONDS:
            raise DBusError("org.freedesktop.DBus.Error.AccessDenied", "Operation not permitted")


@pytest.fixture
def system_bus() -> Iterator[str]:
    """Address of a private bus that stands in for the system's."""
    command = ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as bus:
        assert bus.stdout is not None
        yield bus.stdout.readline().strip()
        bus.terminate()


async def ask(address: str, kit: RealtimeKit | None, program: str = ASK) -> list[str]:
    """What a process that is refused by the kernel prints, while ``kit`` serves on the bus."""
    bus = await MessageBus(bus_address=address).connect()
    if kit is not None:
        bus.export("/org/freedesktop/RealtimeKit1", kit)
        await bus.request_name("org.freedesktop.RealtimeKit1")
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address}
    asking = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, env=environment
    )
    out, _err = await asyncio.wait_for(asking.communicate(), 60.0)
    bus.disconnect()
    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
    assert asking.returncode == 0
    return out.decode().splitlines()


def test_rtkit_is_asked_for_the_calling_thread_within_its_time_limit(system_bus: str) -> None:
    kit = RealtimeKit(refuses=False)
    said, facts = asyncio.run(ask(system_bus, kit))
    process, thread, soft, hard = map(int, facts.split())
    assert said == f"by-rtkit SCHED_RR {realtime.PRIORITY}"
    assert kit.calls == [(process, thread, realtime.PRIORITY)]
    assert (soft, hard) == (MOST_MICROSECONDS, MOST_MICROSECONDS)


def test_rtkit_is_asked_for_a_process_that_the_audio_thread_waits_for(system_bus: str) -> None:
    kit = RealtimeKit(refuses=False)
    process, soft, hard = map(int, asyncio.run(ask(system_bus, kit, LEND))[1].split())
    assert kit.calls == [(process, process, realtime.PRIORITY)]
    assert (soft, hard) == (MOST_MICROSECONDS, MOST_MICROSECONDS)


def test_a_process_that_is_refused_goes_on(system_bus: str) -> None:
    assert asyncio.run(ask(system_bus, RealtimeKit(refuses=True), LEND))[0] == "lent"


def test_a_refusal_is_told_and_harmless(system_bus: str) -> None:
    said, _facts = asyncio.run(ask(system_bus, RealtimeKit(refuses=True)))
    assert re.match(r"normal .*Operation not permitted", said)


def test_a_system_without_rtkit_or_without_a_bus_goes_on(system_bus: str) -> None:
    assert asyncio.run(ask(system_bus, None))[0].startswith("normal ")
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("normal ")


def test_under_a_limit_memory_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_lock, "_may_exceed_limits", lambda: False)
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (8 * 2**20, 8 * 2**20))
    assert lock_memory() == Fact("limited", {"limit": "8192"})


def test_locking_says_what_the_kernel_did() -> None:
    """In a process of its own, which does not stay locked."""
    source = (
        "from densenoiser_daemon.system.memory_lock import lock_memory\n"
        "said = lock_memory()\n"
        "print(said.code, *said.details.values())\n"
        "print(open('/proc/self/status').read())"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True)
    said, _newline, status = done.stdout.partition("\n")
    locked = 0
    with contextlib.suppress(StopIteration):
        locked = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmLck:")))
    assert (said == "locked") == (locked > 0)
    assert said == "locked" or said.startswith(("not-locked ", "limited "))
