"""Locked memory: only without a limit in force, and never an error."""

from __future__ import annotations

import ctypes
import resource

import pytest

from densenoiser_daemon.status import Fact
from densenoiser_daemon.system import memory_lock


class Library:
    """libc with an ``mlockall`` that returns ``result``."""

    def __init__(self, result: int) -> None:
        self.result, self.asked = result, list[int]()

    def mlockall(self, flags: int) -> int:
        self.asked.append(flags)
        return self.result


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    fake = Library(0)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_args, **_options: fake)
    return fake


def limit(monkeypatch: pytest.MonkeyPatch, number: int, may_exceed: bool) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (number, number))
    monkeypatch.setattr(memory_lock, "_may_exceed_limits", lambda: may_exceed)


def test_without_a_limit_touched_pages_now_and_later_are_locked(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, resource.RLIM_INFINITY, False)
    assert memory_lock.lock_memory() == Fact("locked")
    assert library.asked == [1 | 2 | 4]  # MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT


def test_under_a_limit_nothing_is_locked(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 8 * 1024**2, False)
    assert memory_lock.lock_memory() == Fact("limited", {"limit": "8192"})
    assert library.asked == []


def test_who_may_exceed_limits_has_none(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 8 * 1024**2, True)
    assert memory_lock.lock_memory() == Fact("locked")


def test_a_refusal_is_told_and_raises_nothing(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, resource.RLIM_INFINITY, False)
    library.result = -1
    assert memory_lock.lock_memory().code == "not-locked"

    def missing(*_args: object, **_options: object) -> object:
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert memory_lock.lock_memory() == Fact("not-locked", {"error": "no such library"})
