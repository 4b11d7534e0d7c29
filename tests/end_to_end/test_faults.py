"""Whatever happens to a desktop happens to the real daemon: it comes back by itself, and nobody hears the raw microphone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from tests.support.private_session import Stage
from tests.tools.faults import FAULTS

from densenoiser_daemon.measurement.private_server import SERVER_KINDS, PrivateServer

CASES = [(kind, name) for kind in SERVER_KINDS for name, fault in FAULTS.items() if kind in fault.kinds]
# A quiet machine needs 1.6 s at most; this one may be busy.
BOUND_SECONDS = 10.0


@pytest.fixture(scope="module")
def stage_on() -> Iterator[Callable[[str], Stage]]:
    """One stage of each kind for all of its faults; the folder's path is short, as socket paths must be."""
    with ExitStack() as stack:

        @cache
        def make(kind: str) -> Stage:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dn-"))
            stage = Stage(stack.enter_context(PrivateServer(kind, Path(folder))))
            stack.callback(stage.close)
            stage.frozen_seconds = 1.0
            return stage

        yield make


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_it_comes_back_by_itself_and_never_raw(stage_on: Callable[[str], Stage], kind: str, name: str) -> None:
    stage = stage_on(kind)
    outcome = stage.suffer(FAULTS[name].act)
    assert outcome.seconds < BOUND_SECONDS, f"{outcome}; the daemon's log ends:\n{stage.log()[-4000:]}"
    assert outcome.heard["raw"] <= FAULTS[name].raw_seconds
