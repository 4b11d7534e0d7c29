"""A desktop's global shortcuts for tests: the real xdg-desktop-portal, before a backend of ours that presses the keys."""

# ruff: noqa: N802  (names as D-Bus has them)
# No postponed annotations here: dbus-fast reads signatures from them.
import asyncio
import contextlib
import os
import subprocess
import threading
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from dbus_fast import Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusDict, DBusObjectPath, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal
from tests.support.waiting import wait_until

PORTAL = "org.freedesktop.portal.Desktop"
_BACKEND = "org.freedesktop.impl.portal.desktop.densenoisertest"
_PATH = "/org/freedesktop/portal/desktop"
_PROGRAMS = ("/usr/libexec/xdg-desktop-portal", "/usr/lib/xdg-desktop-portal/xdg-desktop-portal")
_WAIT_SECONDS = 20.0
_IMPLEMENTATION = "org.freedesktop.impl.portal.GlobalShortcuts"
Answer = Annotated[tuple[int, dict[str, Variant]], DBusSignature("ua{sv}")]
Rows = Annotated[list[Any], DBusSignature("a(sa{sv})")]
Turn = Annotated[tuple[str, str, int, dict[str, Variant]], DBusSignature("osta{sv}")]
Changed = Annotated[tuple[str, list[Any]], DBusSignature("oa(sa{sv})")]


class _Session(ServiceInterface):
    def __init__(self) -> None:
        super().__init__("org.freedesktop.impl.portal.Session")

    @dbus_method()
    def Close(self) -> None:
        return

    @dbus_signal()
    def Closed(self) -> None:
        return

    @dbus_property(access=PropertyAccess.READ)
    def version(self) -> DBusUInt32:
        return 1


class _Shortcuts(ServiceInterface):
    def __init__(self, bus: MessageBus) -> None:
        super().__init__(_IMPLEMENTATION)
        self._bus = bus
        self.sessions: list[str] = []
        self.applications: list[str] = []
        self.bindings: list[list[tuple[str, str]]] = []
        """What each dialog was asked to bind: name and words."""
        self.triggers: dict[str, str] = {}
        self.choice: dict[str, str] | None = {}
        self.dialog = asyncio.Event()
        self.dialog.set()

    @dbus_method()
    def CreateSession(
        self, _handle: DBusObjectPath, session: DBusObjectPath, application: DBusStr, _options: DBusDict
    ) -> Answer:
        self._bus.export(session, _Session())
        self.sessions.append(session)
        self.applications.append(application)
        return 0, {}

    @dbus_method()
    async def BindShortcuts(
        self, _handle: DBusObjectPath, _session: DBusObjectPath, wanted: Rows, _window: DBusStr, _options: DBusDict
    ) -> Answer:
        self.bindings.append([(name, details["description"].value) for name, details in wanted])
        await self.dialog.wait()
        if self.choice is None:
            return 1, {}
        self.triggers = dict(self.choice)
        return 0, {"shortcuts": Variant("a(sa{sv})", self.rows())}

    @dbus_method()
    def ListShortcuts(self, _handle: DBusObjectPath, _session: DBusObjectPath) -> Answer:
        return 0, {"shortcuts": Variant("a(sa{sv})", self.rows())}

    @dbus_signal()
    def Activated(self, session: str, shortcut: str) -> Turn:
        return session, shortcut, 0, {}

    @dbus_signal()
    def Deactivated(self, session: str, shortcut: str) -> Turn:
        return session, shortcut, 0, {}

    @dbus_signal()
    def ShortcutsChanged(self, session: str) -> Changed:
        return session, self.rows()

    @dbus_property(access=PropertyAccess.READ)
    def version(self) -> DBusUInt32:
        return 1

    def rows(self) -> list[Any]:
        return [
            [name, {"description": Variant("s", name), "trigger_description": Variant("s", trigger)}]
            for name, trigger in self.triggers.items()
        ]


class Desktop:
    """Runs on its own thread from construction to ``close``; every method blocks and may be called from the test."""

    def __init__(self, environment: Mapping[str, str], folder: Path, bound: Mapping[str, str]) -> None:
        """``bound`` are the shortcuts that the user chose in an earlier session, and their triggers."""
        self._program = next((program for program in _PROGRAMS if Path(program).exists()), "")
        if not self._program:
            pytest.skip("xdg-desktop-portal is not installed")
        portals = folder / "portals"
        portals.mkdir(exist_ok=True)
        (portals / "densenoisertest.portal").write_text(
            f"[portal]\nDBusName={_BACKEND}\nInterfaces={_IMPLEMENTATION}\nUseIn=densenoisertest\n", encoding="utf-8"
        )
        self._environment = {
            **environment,
            "XDG_DESKTOP_PORTAL_DIR": str(portals),
            "XDG_CURRENT_DESKTOP": "densenoisertest",
        }
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="desktop")
        self._thread.start()
        self._do(self._open(environment["DBUS_SESSION_BUS_ADDRESS"]))
        self._shortcuts.triggers = dict(bound)
        self._log = folder / "portal.log"
        self._portal: subprocess.Popen[bytes] | None = None
        self.start_portal()

    @property
    def sessions(self) -> list[str]:
        """All that were made."""
        return list(self._shortcuts.sessions)

    @property
    def bindings(self) -> list[list[tuple[str, str]]]:
        """What each dialog was asked to bind: names and words."""
        return list(self._shortcuts.bindings)

    def will_choose(self, choice: Mapping[str, str] | None) -> None:
        """What the user will choose in the next dialog; None: they close it."""
        self._shortcuts.choice = None if choice is None else dict(choice)

    def leave_dialog_open(self, wanted: bool) -> None:
        """Whether dialogs wait for this to be called again."""
        self._loop.call_soon_threadsafe(self._shortcuts.dialog.clear if wanted else self._shortcuts.dialog.set)

    def change(self, triggers: Mapping[str, str]) -> None:
        """The user chooses others in the desktop's settings."""
        self._shortcuts.triggers = dict(triggers)
        self._do(self._signal("ShortcutsChanged"))

    def forget(self) -> None:
        """As desktops do that keep no shortcuts beyond a session."""
        self._shortcuts.triggers = {}

    def press(self, shortcut: str) -> None:
        self._do(self._signal("Activated", shortcut))

    def release(self, shortcut: str) -> None:
        self._do(self._signal("Deactivated", shortcut))

    def start_portal(self) -> None:
        """Start the portal, which is ready some time later."""
        with self._log.open("ab") as log:
            self._portal = subprocess.Popen([self._program], env=self._environment, stdout=log, stderr=log)

    def kill_portal(self) -> None:
        if self._portal is not None:
            self._portal.kill()
            self._portal.wait()

    def close(self) -> None:
        self.kill_portal()
        self._loop.call_soon_threadsafe(self._bus.disconnect)
        self._do(asyncio.sleep(0.05))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self, address: str) -> None:
        self._bus = await MessageBus(bus_address=address).connect()
        self._shortcuts = _Shortcuts(self._bus)
        self._bus.export(_PATH, self._shortcuts)
        await self._bus.request_name(_BACKEND)

    async def _signal(self, member: str, *body: str) -> None:
        getattr(self._shortcuts, member)(self._shortcuts.sessions[-1], *body)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_WAIT_SECONDS)


@contextlib.contextmanager
def desktop(folder: Path, environment: Mapping[str, str] | None = None, **bound: str) -> Iterator[Desktop]:
    """A desktop on the session bus of ``environment``. ``bound`` as of ``Desktop``, with "_" for "-"."""
    names = {name.replace("_", "-"): trigger for name, trigger in bound.items()}
    running = Desktop(environment or os.environ, folder, names)
    try:
        yield running
    finally:
        running.close()


def await_session(running: Desktop, count: int = 1) -> None:
    """Until the tray has made its session, or as many."""
    wait_until(lambda: len(running.sessions) >= count, _WAIT_SECONDS, "a session of the tray")
