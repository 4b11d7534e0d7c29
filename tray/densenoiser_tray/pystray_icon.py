"""The icon through pystray, which draws with AppIndicator, GTK or plain X, whichever the system has."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from . import icon
from .menu import SEPARATOR, Action, Item, Menu
from .status import Condition

log = logging.getLogger(__name__)


class PystrayIcon:
    """A ``PanelIcon`` in pystray's main loop."""

    def __init__(self) -> None:
        """Whatever X or GTK raise where the display cannot be used: both have types of their own."""
        self._pystray = importlib.import_module("pystray")
        if toolkit := sys.modules.get("pystray._util.gtk"):
            # Its notifier asks for the notification service on start and again on the way out, and fails without one.
            # Notifications go over the bus of DaemonLink, and a service that cannot start is none of the icon's business.
            toolkit.notify_dbus.Notifier = _NoNotifier
        self._click: Callable[[Action], None] = lambda _action: None
        self._items: Menu = ()
        self._is_stopped = False
        self._icon = self._pystray.Icon("densenoiser", icon.draw(Condition.ABSENT), "", self._pystray.Menu())

    @property
    def has_menu(self) -> bool:
        """Whether a click can open one: pystray has none on plain X."""
        return bool(self._pystray.Icon.HAS_MENU)

    def run(self, click: Callable[[Action], None]) -> None:
        """Show it until ``stop``. Main thread only. A fault of the toolkit is logged and ends the process."""
        self._click = click
        try:
            self._icon.run(self._appear)
        except Exception:
            log.exception("the icon failed")
            logging.shutdown()
            # The thread that waits for the loop's start would wait for ever, and hold the interpreter.
            os._exit(1)

    def show(self, condition: Condition, title: str, items: Menu) -> None:
        """Draw this from now on. Touches only what differs: a redrawn menu closes under the user's pointer. Any thread."""
        picture = icon.draw(condition)
        if picture is not self._icon.icon:
            self._icon.icon = picture
        # On plain X the title is the window's name, which pystray cannot set in other letters than Latin.
        self._icon.title = title if self.has_menu else title.encode("latin-1", "replace").decode("latin-1")
        if items != self._items:
            self._items = items
            self._icon.menu = self._drawn(items)

    def stop(self) -> None:
        """Let ``run`` return, now or as soon as it has begun. Any thread."""
        self._is_stopped = True
        self._icon.stop()

    def _appear(self, shown: Any) -> None:
        """Runs in a thread of pystray's once its loop runs."""
        shown.visible = True
        if self._is_stopped:
            shown.stop()

    def _drawn(self, items: Menu) -> Any:
        return self._pystray.Menu(*(self._drawn_item(item) for item in items))

    def _drawn_item(self, item: Item) -> Any:
        if item is SEPARATOR:
            return self._pystray.Menu.SEPARATOR

        def click(*_: object) -> None:
            if item.action is not None:
                self._click(item.action)

        return self._pystray.MenuItem(
            item.label,
            self._drawn(item.submenu) if item.submenu else click,
            checked=None if item.checked is None else lambda _entry: bool(item.checked),
            radio=item.is_radio,
            default=item.is_default,
            enabled=item.action is not None or bool(item.submenu),
        )


class _NoNotifier:
    """What pystray needs to have of a notifier, and never calls for us."""

    def hide(self) -> None:
        """Nothing was shown."""
