"""The menu on the bus, for panels to draw (com.canonical.dbusmenu, version 3)."""

# ruff: noqa: N802  (names as D-Bus has them)
# No postponed annotations here: dbus-fast reads signatures from them.
import itertools
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from dbus_fast import DBusError, Variant
from dbus_fast.annotations import DBusBool, DBusInt32, DBusSignature, DBusStr, DBusUInt32, DBusVariant
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from .menu import SEPARATOR, Action, Item, Menu

Key = tuple[object, ...]
Numbers = Annotated[list[int], DBusSignature("ai")]
Names = Annotated[list[str], DBusSignature("as")]
Layout = Annotated[list[Any], DBusSignature("u(ia{sv}av)")]
Properties = Annotated[list[Any], DBusSignature("a(ia{sv})")]
Changes = Annotated[list[Any], DBusSignature("a(ia{sv})a(ias)")]
Events = Annotated[list[Any], DBusSignature("a(isvu)")]
TwoLists = Annotated[list[list[int]], DBusSignature("aiai")]
Revision = Annotated[list[int], DBusSignature("ui")]

_ROOT = 0


class MenuService(ServiceInterface):
    """Serves the items of the last ``show``. A number stands for one entry as long as this lives: a late click hits nothing else.

    The thread of the bus's loop only.
    """

    def __init__(self, click: Callable[[Action], None]) -> None:
        """``click`` is called with what was chosen."""
        super().__init__("com.canonical.dbusmenu")
        self._click = click
        self._revision = 1
        self._numbers: dict[Key, int] = {(): _ROOT}
        self._items: dict[int, Item] = {}
        self._children: dict[int, list[int]] = {_ROOT: []}

    def show(self, items: Menu) -> None:
        """Serve these from now on. Where the entries stay the same, only what differs is sent, and an open menu stays open."""
        before, shape = self._items, self._children
        self._items, self._children = {}, {}
        self._lay(_ROOT, (), items)
        if self._children != shape:
            self._revision += 1
            self.LayoutUpdated()
            return
        changed = [[n, _properties(item)] for n, item in self._items.items() if _differs(item, before[n])]
        if changed:
            self.ItemsPropertiesUpdated(changed)

    @dbus_method()
    def GetLayout(self, parent: DBusInt32, depth: DBusInt32, _names: Names) -> Layout:
        self._find(parent)
        return [self._revision, self._layout(parent, depth)]

    @dbus_method()
    def GetGroupProperties(self, numbers: Numbers, _names: Names) -> Properties:
        wanted = numbers or [_ROOT, *self._items]
        return [[n, _properties(self._items[n])] for n in wanted if n in self._items]

    @dbus_method()
    def GetProperty(self, number: DBusInt32, name: DBusStr) -> DBusVariant:
        properties = _properties(self._find(number))
        if name not in properties:
            raise DBusError("org.freedesktop.DBus.Error.InvalidArgs", f"the entry {number} has no property {name}")
        return properties[name]

    @dbus_method()
    def Event(self, number: DBusInt32, kind: DBusStr, _data: DBusVariant, _when: DBusUInt32) -> None:
        self._happen(number, kind)

    @dbus_method()
    def EventGroup(self, events: Events) -> Numbers:
        unknown = [event[0] for event in events if event[0] not in self._children and event[0] not in self._items]
        for number, kind, _data, _when in events:
            if number not in unknown:
                self._happen(number, kind)
        return unknown

    @dbus_method()
    def AboutToShow(self, number: DBusInt32) -> DBusBool:
        self._find(number)
        return False

    @dbus_method()
    def AboutToShowGroup(self, numbers: Numbers) -> TwoLists:
        return [[], [n for n in numbers if n != _ROOT and n not in self._items]]

    @dbus_property(access=PropertyAccess.READ)
    def Version(self) -> DBusUInt32:
        return 3

    @dbus_property(access=PropertyAccess.READ)
    def TextDirection(self) -> DBusStr:
        return "ltr"

    @dbus_property(access=PropertyAccess.READ)
    def Status(self) -> DBusStr:
        return "normal"

    @dbus_property(access=PropertyAccess.READ)
    def IconThemePath(self) -> Names:
        return []

    @dbus_signal()
    def LayoutUpdated(self) -> Revision:
        return [self._revision, _ROOT]

    @dbus_signal()
    def ItemsPropertiesUpdated(self, changed: Any) -> Changes:
        return [changed, []]

    def _lay(self, number: int, key: Key, items: Menu) -> None:
        """Give every entry its number: the one that it had before, if it was ever shown."""
        self._children[number] = []
        for item, part in zip(items, _keys(items), strict=True):
            path = (*key, part)
            child = self._numbers.setdefault(path, len(self._numbers))
            self._children[number].append(child)
            self._items[child] = item
            if item.submenu:
                self._lay(child, path, item.submenu)

    def _layout(self, number: int, depth: int) -> list[Any]:
        properties = (
            _properties(self._items[number]) if number != _ROOT else {"children-display": Variant("s", "submenu")}
        )
        children = self._children.get(number, []) if depth != 0 else []
        return [number, properties, [Variant("(ia{sv}av)", self._layout(child, depth - 1)) for child in children]]

    def _find(self, number: int) -> Item:
        if number == _ROOT:
            return SEPARATOR
        if number not in self._items:
            raise DBusError(
                "org.freedesktop.DBus.Error.InvalidArgs", f"the number {number} does not refer to a menu item"
            )
        return self._items[number]

    def _happen(self, number: int, kind: str) -> None:
        item = self._find(number)
        if kind == "clicked" and item.action is not None:
            self._click(item.action)


def _keys(items: Menu) -> Iterator[object]:
    """What tells each entry from its neighbours, however its label and its mark change."""
    texts = itertools.count()
    for item in items:
        if item.action is None:
            yield item.label if item.submenu else next(texts)
        else:
            yield item.action.do, item.action.argument if item.is_radio else None


def _properties(item: Item) -> dict[str, Variant]:
    if item is SEPARATOR:
        return {"type": Variant("s", "separator")}
    properties = {
        "label": Variant("s", item.label.replace("_", "__")),  # one underscore would mark a shortcut
        "enabled": Variant("b", item.action is not None or bool(item.submenu)),
    }
    if item.checked is not None:
        properties["toggle-type"] = Variant("s", "radio" if item.is_radio else "checkmark")
        properties["toggle-state"] = Variant("i", int(item.checked))
    if item.submenu:
        properties["children-display"] = Variant("s", "submenu")
    return properties


def _differs(item: Item, before: Item) -> bool:
    return (item.label, item.checked) != (before.label, before.checked)
