"""The icon over the bus alone: a StatusNotifierItem with a menu, for panels that have a host for it. Needs no toolkit."""

# ruff: noqa: N802  (names as D-Bus has them)
# No postponed annotations here: dbus-fast reads signatures from them.
import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusInt32, DBusObjectPath, DBusSignature, DBusStr
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from . import bus
from .bus import DBUS, DBUS_PATH, RefusedError
from .menu import Action, Menu
from .menu_service import MenuService
from .panel_host import WATCHER, WATCHER_PATH
from .status import Condition

log = logging.getLogger(__name__)

ICONS = Path(__file__).with_name("icons")
"""The panel looks here for the icons' names, besides its own icon theme."""
_ITEM_PATH = "/StatusNotifierItem"
_MENU_PATH = "/StatusNotifierItem/Menu"
Pictures = Annotated[list[Any], DBusSignature("a(iiay)")]
ToolTip = Annotated[list[Any], DBusSignature("(sa(iiay)ss)")]


def icon_name(condition: Condition) -> str:
    """The name of a condition's icon."""
    return f"densenoiser-{condition.name.lower()}"


class NotifierItem:
    """A ``PanelIcon`` on the session bus, with a connection of its own."""

    def __init__(self) -> None:
        self._picture: tuple[Condition, str, Menu] = (Condition.ABSENT, "", ())
        self._is_stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None

    def run(self, click: Callable[[Action], None]) -> None:
        """Show it until ``stop`` or the end of the bus. Main thread only. BusError without a bus."""
        asyncio.run(self._serve(click))

    def show(self, condition: Condition, title: str, items: Menu) -> None:
        """Show this from now on. Any thread."""
        self._picture = (condition, title, items)
        self._wake()

    def stop(self) -> None:
        """Let ``run`` return, now or as soon as it has begun. Any thread, and signal handlers."""
        self._is_stopped = True
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None and self._woken is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._woken.set)

    async def _serve(self, click: Callable[[Action], None]) -> None:
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        connection = await bus.connect()
        lost = asyncio.ensure_future(connection.wait_for_disconnect())  # type: ignore[no-untyped-call]
        entries = MenuService(click)
        item = _Item(lambda: self._click_default(click))
        shown: tuple[Condition, str, Menu] | None = None
        try:
            connection.export(_MENU_PATH, entries)
            connection.export(_ITEM_PATH, item)
            await self._follow_panels(connection)
            while not self._is_stopped and not lost.done():
                if self._picture != shown:
                    shown = self._picture
                    item.show(*shown[:2])
                    entries.show(shown[2])
                await asyncio.wait(
                    (asyncio.ensure_future(self._woken.wait()), lost), return_when=asyncio.FIRST_COMPLETED
                )
                self._woken.clear()
        finally:
            connection.disconnect()
            with contextlib.suppress(EOFError, OSError):  # the bus itself has ended, as at the end of a session
                await lost

    async def _follow_panels(self, connection: MessageBus) -> None:
        """Announce the item to the panel, and again to every one that comes after it."""
        announcements: set[asyncio.Task[None]] = set()

        def note(message: Message) -> None:
            if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged" and message.body[2]:
                task = asyncio.ensure_future(_announce(connection))
                announcements.add(task)
                task.add_done_callback(announcements.discard)

        connection.add_message_handler(note)
        rule = f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{WATCHER}'"
        await bus.call(connection, DBUS, DBUS_PATH, DBUS, "AddMatch", "s", rule)
        await _announce(connection)

    def _click_default(self, click: Callable[[Action], None]) -> None:
        for item in self._picture[2]:
            if item.is_default and item.action is not None:
                click(item.action)


async def _announce(connection: MessageBus) -> None:
    try:
        await bus.call(connection, WATCHER, WATCHER_PATH, WATCHER, "RegisterStatusNotifierItem", "s", _ITEM_PATH)
    except RefusedError as error:
        log.warning("the panel does not take the icon: %s", error)


class _Item(ServiceInterface):
    """The item as the panel sees it."""

    def __init__(self, activate: Callable[[], None]) -> None:
        super().__init__("org.kde.StatusNotifierItem")
        self._activate = activate
        self._icon, self._title = icon_name(Condition.ABSENT), ""

    def show(self, condition: Condition, title: str) -> None:
        """Show this from now on."""
        icon = icon_name(condition)
        if icon != self._icon:
            self._icon = icon
            self.NewIcon()
        if title != self._title:
            self._title = title
            self.NewTitle()
            self.NewToolTip()

    @dbus_method()
    def Activate(self, _x: DBusInt32, _y: DBusInt32) -> None:
        self._activate()

    @dbus_method()
    def SecondaryActivate(self, _x: DBusInt32, _y: DBusInt32) -> None:
        return

    @dbus_method()
    def ContextMenu(self, _x: DBusInt32, _y: DBusInt32) -> None:
        return

    @dbus_method()
    def Scroll(self, _delta: DBusInt32, _orientation: DBusStr) -> None:
        return

    @dbus_property(access=PropertyAccess.READ)
    def Category(self) -> DBusStr:
        return "ApplicationStatus"

    @dbus_property(access=PropertyAccess.READ)
    def Id(self) -> DBusStr:
        return "densenoiser"

    @dbus_property(access=PropertyAccess.READ)
    def Title(self) -> DBusStr:
        return self._title

    @dbus_property(access=PropertyAccess.READ)
    def Status(self) -> DBusStr:
        return "Active"

    @dbus_property(access=PropertyAccess.READ)
    def WindowId(self) -> DBusInt32:
        return 0

    @dbus_property(access=PropertyAccess.READ)
    def IconName(self) -> DBusStr:
        return self._icon

    @dbus_property(access=PropertyAccess.READ)
    def IconThemePath(self) -> DBusStr:
        return str(ICONS)

    @dbus_property(access=PropertyAccess.READ)
    def IconPixmap(self) -> Pictures:
        return []

    @dbus_property(access=PropertyAccess.READ)
    def OverlayIconName(self) -> DBusStr:
        return ""

    @dbus_property(access=PropertyAccess.READ)
    def OverlayIconPixmap(self) -> Pictures:
        return []

    @dbus_property(access=PropertyAccess.READ)
    def AttentionIconName(self) -> DBusStr:
        return ""

    @dbus_property(access=PropertyAccess.READ)
    def AttentionIconPixmap(self) -> Pictures:
        return []

    @dbus_property(access=PropertyAccess.READ)
    def AttentionMovieName(self) -> DBusStr:
        return ""

    @dbus_property(access=PropertyAccess.READ)
    def ToolTip(self) -> ToolTip:
        # Some panels read markup in the text below the title, which stays empty.
        return [self._icon, [], self._title, ""]

    @dbus_property(access=PropertyAccess.READ)
    def ItemIsMenu(self) -> DBusBool:
        return False

    @dbus_property(access=PropertyAccess.READ)
    def Menu(self) -> DBusObjectPath:
        return _MENU_PATH

    @dbus_signal()
    def NewTitle(self) -> None:
        return

    @dbus_signal()
    def NewIcon(self) -> None:
        return

    @dbus_signal()
    def NewToolTip(self) -> None:
        return
