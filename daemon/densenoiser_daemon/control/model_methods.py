"""The part of the daemon's object that is about models and engines: what there is, and what each costs here."""
# ruff: noqa: N802  (names as D-Bus has them)

import asyncio
import math
import time

# No postponed annotations here: dbus-fast cannot read "None" as text.
from typing import Annotated, Any

from dbus_fast.annotations import DBusSignature
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import dbus_method, dbus_property

from densenoiser_models.engines import ENGINES, engines, is_installed, measure
from densenoiser_models.model_file import list_models

from .controls import Controls
from .status_properties import StatusProperties

_READ = PropertyAccess.READ
_LOOK_SECONDS = 10.0
"""Which packages are installed is looked at so often at most: it takes longer than all else that is reported together."""
ModelList = Annotated[list[list[Any]], DBusSignature("a(sb)")]
MeasuredList = Annotated[list[list[Any]], DBusSignature("a(sdds)")]
EngineList = Annotated[list[list[str]], DBusSignature("a(ss)")]


class ModelMethods(StatusProperties):
    """Used by the control thread alone."""

    def __init__(self, controls: Controls) -> None:
        super().__init__(controls)
        self._measuring = asyncio.Lock()
        """One measurement at a time, however many ask: each opens every model, the first time."""
        self._missing: list[list[str]] = []
        self._looked_at = -math.inf

    @dbus_property(access=_READ)
    def MissingEngines(self) -> EngineList:
        """Filters that could be chosen if their packages were installed: name, and the command that installs it."""
        if time.monotonic() - self._looked_at > _LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._missing = [[engine.name, engine.install] for engine in ENGINES.values() if not is_installed(engine)]
        return self._missing

    @dbus_method()
    def ListModels(self) -> ModelList:
        """Name, whether it is the chosen one. Engines are among them whose packages are installed."""
        chosen = self._settings.model
        return [[name, name == chosen] for name in (*list_models(), *engines())]

    @dbus_method()
    async def MeasureModels(self) -> MeasuredList:
        """Name, delay (ms), processor time on this machine (percent of a core) and licence of each that can be used.

        The first call takes about a second for each.
        """
        async with self._measuring:
            found = await asyncio.to_thread(measure, [*list_models(), *engines()])
        return [[m.name, m.delay_ms, m.core_percent, m.licence] for m in found]
