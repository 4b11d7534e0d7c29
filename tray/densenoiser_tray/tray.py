"""The icon on the panel: draws what ``menu.py`` and ``icon.py`` say, in pystray's main loop."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from types import ModuleType
from typing import Any

from . import autostart, icon, menu, programs
from .daemon_link import DaemonLink
from .i18n import _
from .menu import SEPARATOR, Action, Do, Item
from .notifications import Announcer, Notification
from .status import DaemonSnapshot

log = logging.getLogger(__name__)

APP_ICON = "org.densenoiser.DenseNoiser"


class Tray:
    """The icon and its menu. pystray's loop runs in the main thread, the client in its own; clicks arrive in the former."""

    def __init__(self, pystray: ModuleType, program: Path) -> None:
        """``pystray`` is handed in because its import needs a display; ``program`` is what autostart shall start."""
        self._pystray = pystray
        self._program = program
        self._client = DaemonLink(self._update, self._fail, self._leave)
        self._announcer = Announcer()
        self._monitor = programs.monitor_command()
        self._daemon = DaemonSnapshot()
        self._menu = self._build()
        title = menu.headline(self._daemon)
        self._icon = pystray.Icon("densenoiser", icon.draw(self._daemon.condition), title, self._drawn(self._menu))

    def run(self, start_daemon: bool) -> int:
        """Show the icon until Quit, SIGTERM or the end of the session bus; the exit code. Main thread only.

        BusError without a session bus, or beside another tray.
        """
        self._client.start()
        signal.signal(signal.SIGTERM, lambda *_: self._leave())
        if start_daemon:
            self._client.start_daemon(self._launch_daemon)
        try:
            self._icon.run()
        except Exception as error:
            # On its way out pystray's GTK loop withdraws its notification, which fails where no notification service runs.
            if type(error).__module__ != "gi.repository.GLib":
                raise
        finally:
            self._client.stop()
        return 1 if self._client.has_died else 0

    def _update(self, daemon: DaemonSnapshot) -> None:
        self._daemon = daemon
        self._redraw()
        if notification := self._announcer.announce(daemon):
            self._client.notify(notification, APP_ICON)
        if self._announcer.wait_seconds:
            self._client.report_in(self._announcer.wait_seconds)

    def _redraw(self) -> None:
        """Touch only what differs: a redrawn menu closes under the user's pointer."""
        picture = icon.draw(self._daemon.condition)
        if picture is not self._icon.icon:
            self._icon.icon = picture
        self._icon.title = menu.headline(self._daemon)
        items = self._build()
        if items != self._menu:
            self._menu = items
            self._icon.menu = self._drawn(items)

    def _build(self) -> menu.Menu:
        return menu.build(self._daemon, autostart.is_on(), has_monitor=self._monitor is not None)

    def _drawn(self, items: menu.Menu) -> Any:
        return self._pystray.Menu(*(self._drawn_item(item) for item in items))

    def _drawn_item(self, item: Item) -> Any:
        if item is SEPARATOR:
            return self._pystray.Menu.SEPARATOR

        def click(*_: object) -> None:
            if item.action is not None:
                self._act(item.action)

        return self._pystray.MenuItem(
            item.label,
            self._drawn(item.submenu) if item.submenu else click,
            checked=None if item.checked is None else lambda _entry: bool(item.checked),
            radio=item.is_radio,
            default=item.is_default,
            enabled=item.action is not None or bool(item.submenu),
        )

    def _act(self, action: Action) -> None:
        try:
            match action.do:
                case Do.START:
                    self._client.start_daemon(self._launch_daemon)
                case Do.OPEN_MONITOR:
                    programs.launch(self._monitor or [])
                case Do.START_AT_LOGIN:
                    autostart.switch(bool(action.argument), self._program)
                    self._redraw()
                case Do.QUIT:
                    self._leave()
                case _daemons:
                    self._client.send(action)
        except OSError as error:
            self._fail(str(error))

    def _launch_daemon(self) -> None:
        program = programs.find("densenoised")
        if program is None:
            self._fail(_("densenoised is not installed beside this program, nor on PATH"))
            return
        programs.launch([str(program), "--wait"])

    def _fail(self, text: str) -> None:
        log.error("%s", text)
        self._client.notify(Notification("DenseNoiser", text), APP_ICON)

    def _leave(self) -> None:
        self._icon.stop()
