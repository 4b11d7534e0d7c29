"""The daemon's D-Bus service for the tray's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.quiet_daemon import QuietDaemon


@pytest.fixture
def daemon(bus: str, tmp_path: Path) -> Iterator[QuietDaemon]:
    """Not started yet."""
    daemon = QuietDaemon(tmp_path)
    yield daemon
    daemon.stop()
