"""The measurement of push-to-talk, with a few presses on each server."""

from __future__ import annotations

import pytest
from tests.tools import press_to_open

from densenoiser_daemon.measurement.private_server import SERVER_KINDS

PRESSES = 5
GENEROUS_MS = 1000.0
"""A machine that runs other tests may be late; the command itself holds the bound."""


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("kind", SERVER_KINDS)
def test_every_press_opens_and_every_release_closes(kind: str) -> None:
    found = press_to_open.measure(kind, PRESSES)
    assert len(found.opened) == len(found.closed) == PRESSES
    assert all(0.0 < milliseconds < GENEROUS_MS for milliseconds in found.opened + found.closed)
