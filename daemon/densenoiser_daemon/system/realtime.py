"""Requests real-time scheduling for the audio thread, without root: by the system's limits, or through rtkit."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import threading
from pathlib import Path

from dbus_fast import BusType, DBusError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from ..status import Fact

log = logging.getLogger(__name__)

PRIORITY = 10
"""Below the sound servers' own (20 by default, 88 for PipeWire's data loop), above everything that is not real time."""
_LIMIT_MICROSECONDS = 200_000
"""A real-time thread is demoted after computing this long without sleeping. A frame takes under 1 ms."""
NORMAL = "normal"
"""What ``scheduling`` calls a process without a real-time thread."""
_REALTIME_POLICIES = {os.SCHED_FIFO: "SCHED_FIFO", os.SCHED_RR: "SCHED_RR"}
_GRANTED = {"policy": "SCHED_RR", "priority": str(PRIORITY)}
_RTKIT = "org.freedesktop.RealtimeKit1"
_RTKIT_PATH = "/org/freedesktop/RealtimeKit1"


def request() -> Fact:
    """Ask for SCHED_RR for the calling thread. How it is scheduled from now on; never raises.

    Codes: "by-limits" and "by-rtkit" (details: policy, priority), or "normal" (detail: error).
    """
    thread = threading.get_native_id()
    try:
        _limit(_LIMIT_MICROSECONDS)
        os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
        return Fact("by-limits", _GRANTED)
    except (OSError, ValueError) as error:
        log.debug("no real time by the system's limits (%s); asking rtkit", error)
    try:
        asyncio.run(asyncio.wait_for(_ask_rtkit(thread), timeout=2.0))
    except (OSError, TimeoutError, DBusError, EOFError, ValueError) as error:
        return Fact("normal", {"error": str(error)})
    return Fact("by-rtkit", _GRANTED)


def lend(process: int) -> None:
    """Give a process that the audio thread waits for the same scheduling, if this system grants it. Never raises."""
    try:
        _limit(_LIMIT_MICROSECONDS, process)
        os.sched_setscheduler(process, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except (OSError, ValueError) as error:
        log.debug("no real time for process %d by the system's limits (%s); asking rtkit", process, error)
        try:
            asyncio.run(asyncio.wait_for(_ask_rtkit(process, process), timeout=2.0))
        except (OSError, TimeoutError, DBusError, EOFError, ValueError) as refusal:
            log.debug("process %d works at normal priority: %s", process, refusal)


def scheduling(process: int) -> str:
    """The most urgent scheduling among a process's threads, in words: "SCHED_FIFO 88", or ``NORMAL``."""
    best, text = 0, NORMAL
    for task in Path(f"/proc/{process}/task").glob("*"):
        try:
            policy = os.sched_getscheduler(int(task.name)) & ~os.SCHED_RESET_ON_FORK
            priority = os.sched_getparam(int(task.name)).sched_priority
        except OSError:
            continue  # it ended meanwhile
        if policy in _REALTIME_POLICIES and priority > best:
            best, text = priority, f"{_REALTIME_POLICIES[policy]} {priority}"
    return text


def demote_on_overrun(thread: threading.Thread) -> None:
    """Give ``thread`` normal scheduling if it ever computes past the limit, in place of the process being killed.

    Main thread only.
    """

    def demote(number: int, frame: object) -> None:
        _ = number, frame
        if thread.native_id is not None:
            os.sched_setscheduler(thread.native_id, os.SCHED_OTHER, os.sched_param(0))
        log.warning(
            "the audio thread computed for %d ms on end and lost real-time scheduling", _LIMIT_MICROSECONDS // 1000
        )

    signal.signal(signal.SIGXCPU, demote)


def _limit(microseconds: int, process: int = 0) -> None:
    _soft, hard = resource.prlimit(process, resource.RLIMIT_RTTIME)
    if hard != resource.RLIM_INFINITY:
        microseconds = min(microseconds, hard)
    resource.prlimit(process, resource.RLIMIT_RTTIME, (microseconds, hard))


async def _ask_rtkit(thread: int, process: int = 0) -> None:
    """For a thread of ``process``, or of this one."""
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    try:
        most = await _call(bus, "org.freedesktop.DBus.Properties", "Get", "ss", [_RTKIT, "RTTimeUSecMax"])
        allowed = most[0].value if most and isinstance(most[0], Variant) else _LIMIT_MICROSECONDS
        # rtkit refuses processes whose hard limit is above its own.
        limits = min(int(allowed), _LIMIT_MICROSECONDS), int(allowed)
        resource.prlimit(process, resource.RLIMIT_RTTIME, limits)
        owner = process or os.getpid()
        await _call(bus, _RTKIT, "MakeThreadRealtimeWithPID", "ttu", [owner, thread, PRIORITY])
    finally:
        bus.disconnect()


async def _call(bus: MessageBus, interface: str, member: str, signature: str, body: list[object]) -> list[object]:
    message = Message(
        destination=_RTKIT, path=_RTKIT_PATH, interface=interface, member=member, signature=signature, body=body
    )
    reply = await bus.call(message)
    if reply is None or reply.message_type is MessageType.ERROR:
        raise OSError(str(reply.body[0]) if reply is not None and reply.body else "no answer")
    return list(reply.body)
