"""The same bus, controls and shared servers as the tests of the D-Bus service."""

from __future__ import annotations

from tests.daemon.control.conftest import (
    bus,
    bus_process,
    controls,
    daemon,
    daemons,
    server,
    service,
    shared_daemon,
    store,
)

__all__ = ["bus", "bus_process", "controls", "daemon", "daemons", "server", "service", "shared_daemon", "store"]
