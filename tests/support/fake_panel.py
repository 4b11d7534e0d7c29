"""A desktop for tests: a StatusNotifier host that can read an icon and click its menu, and a notification service."""

# ruff: noqa: N802  (names as D-Bus has them)
# No postponed annotations here: dbus-fast cannot read "None" as text.
import asyncio
import re
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusInt32, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

Strings = Annotated[list[str], DBusSignature("as")]
Hints = Annotated[dict[str, Variant], DBusSignature("a{sv}")]
_ITEM = "org.kde.StatusNotifierItem"
_BUS = "org.freedesktop.DBus"
_MENU = "com.canonical.dbusmenu"
_WAIT_SECONDS = 20.0


class _Watcher(ServiceInterface):
    def __init__(self) -> None:
        super().__init__("org.kde.StatusNotifierWatcher")
        self.items: list[str] = []

    @dbus_method()
    def RegisterStatusNotifierItem(self, item: DBusStr) -> None:
        self.items.append(item)
        self.StatusNotifierItemRegistered(item)

    @dbus_method()
    def RegisterStatusNotifierHost(self, _host: DBusStr) -> None:
        return

    @dbus_property(access=PropertyAccess.READ)
    def IsStatusNotifierHostRegistered(self) -> DBusBool:
        return True

    @dbus_property(access=PropertyAccess.READ)
    def RegisteredStatusNotifierItems(self) -> Strings:
        return self.items

    @dbus_property(access=PropertyAccess.READ)
    def ProtocolVersion(self) -> DBusInt32:
        return 0

    @dbus_signal()
    def StatusNotifierItemRegistered(self, item: DBusStr) -> DBusStr:
        return item


def _read_as_markup(body: str) -> str:
    """The text that a service shows for this body."""
    return "".join(ElementTree.fromstring(f"<body>{body}</body>").itertext()) if "<" not in body else f"MARKUP {body}"


class _Notifications(ServiceInterface):
    def __init__(self) -> None:
        super().__init__("org.freedesktop.Notifications")
        self.shown: list[tuple[str, str]] = []

    @dbus_method()
    def Notify(
        self,
        _program: DBusStr,
        replaces: DBusUInt32,
        _icon: DBusStr,
        title: DBusStr,
        body: DBusStr,
        _actions: Strings,
        _hints: Hints,
        _milliseconds: DBusInt32,
    ) -> DBusUInt32:
        self.shown.append((title, _read_as_markup(body)))
        return replaces or len(self.shown)

    @dbus_method()
    def GetCapabilities(self) -> Strings:
        return ["body", "body-markup"]

    @dbus_method()
    def CloseNotification(self, _number: DBusUInt32) -> None:
        return


class Entry:
    """A menu entry as the panel sees it."""

    def __init__(self, raw: Any) -> None:
        self.number: int = raw[0]
        properties = {name: variant.value for name, variant in raw[1].items()}
        # One underscore marks a shortcut and is not shown, two are one.
        self.label: str = re.sub(r"_(.?)", r"\1", properties.get("label", ""))
        self.is_enabled: bool = properties.get("enabled", True)
        self.is_separator = properties.get("type") == "separator"
        self.is_radio = properties.get("toggle-type") == "radio"
        self.is_checked: bool | None = bool(properties["toggle-state"]) if properties.get("toggle-type") else None
        self.entries = [Entry(child.value) for child in raw[2]]

    def find(self, *labels: str) -> "Entry":
        """The entry at this path of labels; KeyError with what there is instead."""
        if not labels:
            return self
        child = next((e for e in self.entries if e.label == labels[0]), None)
        if child is None:
            raise KeyError(f"no {labels[0]!r} among {[e.label for e in self.entries]}")
        return child.find(*labels[1:])


class Panel:
    """Runs on its own thread from construction to ``close``; every method blocks and may be called from the test."""

    def __init__(self, address: str, has_notifications: bool = True, has_icons: bool = True) -> None:
        self._has_notifications, self._has_icons = has_notifications, has_icons
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="panel")
        self._thread.start()
        self._watcher = _Watcher()
        self._notifications = _Notifications()
        self._senders: list[str] = []
        self.changed_entries: set[str] = set()
        """Labels of the entries whose properties were sent anew."""
        self._do(self._open(address))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._bus.disconnect)
        self._do(asyncio.sleep(0.05))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def notifications(self) -> list[tuple[str, str]]:
        """Title and body of everything shown so far."""
        return list(self._notifications.shown)

    @property
    def icon_count(self) -> int:
        """How many programs show one; the AppIndicator library at times announces the same icon twice."""
        return len(set(self._senders))

    def wait_for_icon(self) -> None:
        deadline = time.monotonic() + _WAIT_SECONDS
        while not self._watcher.items:
            assert time.monotonic() < deadline, "no icon came"
            time.sleep(0.02)

    def tooltip(self) -> str:
        return str(self._get("Title"))

    def icon_path(self) -> Path:
        """The picture behind the icon's name, where the item says that its icons are."""
        name, folder = str(self._get("IconName")), Path(self._get("IconThemePath"))
        return folder / f"{name}.svg"

    def activate(self) -> None:
        """A left click on the icon."""
        self._ask(self._watcher.items[-1], _ITEM, "Activate", "ii", 0, 0)

    def pictures(self) -> list[Any]:
        """The pictures that the item draws itself."""
        return list(self._get("IconPixmap"))

    def revision(self) -> int:
        """Counts how often the menu was laid out anew."""
        return int(self._ask(self._get("Menu"), _MENU, "GetLayout", "iias", 0, 0, [])[0])

    def click_number(self, number: int) -> None:
        """Click the entry that had this number once; LookupError if it is gone."""
        self._ask(self._get("Menu"), _MENU, "Event", "isvu", number, "clicked", Variant("s", ""), 0)

    def menu(self) -> Entry:
        """What a click on the icon opens."""
        layout = self._ask(self._get("Menu"), _MENU, "GetLayout", "iias", 0, -1, [])
        return Entry(layout[1])

    def click(self, *labels: str) -> float:
        """Click the entry at this path of labels; again if the menu was redrawn between the look and the click.

        Returns when the click left, on the monotonic clock.
        """
        for _ in range(20):
            entry = self.menu().find(*labels)
            assert entry.is_enabled, f"{labels} is greyed out"
            path = self._get("Menu")
            moment = time.monotonic()
            try:
                self._ask(path, _MENU, "Event", "isvu", entry.number, "clicked", Variant("s", ""), 0)
            except LookupError:
                continue
            return moment
        raise AssertionError(f"the menu never stood still for a click on {labels}")

    async def _open(self, address: str) -> None:
        self._bus = await MessageBus(bus_address=address).connect()
        self._bus.add_message_handler(self._note_sender)
        rule = f"type='signal',interface='{_MENU}',member='ItemsPropertiesUpdated'"
        match = Message(_BUS, "/org/freedesktop/DBus", _BUS, "AddMatch", signature="s", body=[rule])
        await self._bus.call(match)
        self._bus.export("/StatusNotifierWatcher", self._watcher)
        if self._has_icons:
            await self._bus.request_name(self._watcher.name)
        if self._has_notifications:
            self._bus.export("/org/freedesktop/Notifications", self._notifications)
            await self._bus.request_name(self._notifications.name)

    def _note_sender(self, message: Message) -> None:
        if message.member == "RegisterStatusNotifierItem":
            self._senders.append(message.sender or "")
        elif message.member == "ItemsPropertiesUpdated":
            self.changed_entries |= {Entry([number, changed, []]).label for number, changed in message.body[0]}

    def _get(self, name: str) -> Any:
        path = self._watcher.items[-1]
        return self._ask(path, "org.freedesktop.DBus.Properties", "Get", "ss", _ITEM, name)[0].value

    def _ask(self, path: str, interface: str, member: str, signature: str, *body: Any) -> list[Any]:
        message = Message(self._senders[-1], path, interface, member, signature=signature, body=list(body))
        reply = self._do(self._bus.call(message))
        if reply.message_type is MessageType.ERROR and "does not refer to a menu item" in str(reply.body[0]):
            raise LookupError(reply.body[0])
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body
        return list(reply.body)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_WAIT_SECONDS)
