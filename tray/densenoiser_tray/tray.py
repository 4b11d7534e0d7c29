"""The icon on the panel: shows what ``menu.py`` says of the daemon, and passes on what is clicked."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from . import autostart, menu, preferences, programs
from .daemon_link import DaemonLink
from .menu import Action, Do
from .notifications import Announcer, Notification
from .status import Condition, DaemonSnapshot

log = logging.getLogger(__name__)

APP_ICON = "org.densenoiser.DenseNoiser"


class PanelIcon(Protocol):
    """An icon on the panel, whatever draws it. One main loop, in the main thread; clicks arrive there."""

    def run(self, click: Callable[[Action], None]) -> None:
        """Show it until ``stop``. ``click`` is called for what the user chooses in the menu, and must not block."""

    def show(self, condition: Condition, title: str, items: menu.Menu) -> None:
        """Show this from now on, before ``run`` or during it. Any thread."""

    def stop(self) -> None:
        """Let ``run`` return, now or as soon as it has begun. Any thread, and signal handlers."""


class Tray:
    """The icon and its menu. The icon's loop runs in the main thread, the client in its own; clicks arrive in the former."""

    def __init__(self, icon: PanelIcon, program: Path) -> None:
        """``program`` is what autostart shall start."""
        self._icon = icon
        self._program = program
        self._client = DaemonLink(self._update, self._fail, self._leave)
        self._announcer = Announcer()
        self._monitor = programs.monitor_command()
        self._daemon = DaemonSnapshot()
        self._redraw()

    def run(self) -> int:
        """Show the icon until Quit, SIGTERM, SIGINT or the end of the session bus; the exit code. Main thread only.

        BusError without a session bus, or beside another tray.
        """
        self._client.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._leave())
        try:
            self._icon.run(self._act)
        finally:
            self._client.stop()
        return 1 if self._client.has_died else 0

    def _update(self, daemon: DaemonSnapshot) -> None:
        self._daemon = daemon
        self._redraw()
        notification = self._announcer.announce(daemon)
        if notification is not None and preferences.has_notifications():
            self._client.notify(notification, APP_ICON)
        if self._announcer.wait_seconds:
            self._client.report_in(self._announcer.wait_seconds)

    def _redraw(self) -> None:
        items = menu.build(self._daemon, autostart.is_on(), has_monitor=self._monitor is not None)
        self._icon.show(self._daemon.condition, menu.headline(self._daemon), items)

    def _act(self, action: Action) -> None:
        try:
            match action.do:
                case Do.START:
                    self._client.start_daemon()
                case Do.OPEN_MONITOR:
                    programs.launch(self._monitor or [])
                case Do.OPEN_WINDOW:
                    programs.open_window(self._fail)
                case Do.START_AT_LOGIN:
                    autostart.switch(bool(action.argument), self._program)
                    self._redraw()
                case Do.QUIT:
                    self._leave()
                case _daemons:
                    self._client.send(action)
        except OSError as error:
            self._fail(str(error))

    def _fail(self, text: str) -> None:
        log.error("%s", text)
        self._client.notify(Notification("DenseNoiser", text), APP_ICON)

    def _leave(self) -> None:
        self._icon.stop()
