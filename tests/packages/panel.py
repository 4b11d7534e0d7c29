"""A panel that shows tray icons, in a few lines of Gio: prints the title and the icon of the first item that comes, and ends."""

from __future__ import annotations

import sys

from gi.repository import Gio, GLib

NAME, PATH = "org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
INTERFACE = f"""<node><interface name="{NAME}">
<method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
<property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
</interface></node>"""
PATIENCE_SECONDS = 60

loop = GLib.MainLoop()


def show(bus: Gio.DBusConnection, sender: str, path: str) -> None:
    """Asks the item as a panel does, and prints what a person would see."""

    def ask(name: str) -> object:
        words = GLib.Variant("(ss)", (ITEM, name))
        properties = "org.freedesktop.DBus.Properties"
        return bus.call_sync(sender, path, properties, "Get", words, None, Gio.DBusCallFlags.NONE, 5000, None).unpack()[
            0
        ]

    sys.stdout.write(f"{ask('Title')}\n{ask('IconThemePath')}/{ask('IconName')}.svg\n")
    loop.quit()


def called(bus, sender, _path, _interface, _member, words, invocation) -> None:  # type: ignore[no-untyped-def]
    """``RegisterStatusNotifierItem``: answers, and looks at the item half a second later, once its title is there."""
    invocation.return_value(None)
    GLib.timeout_add(500, show, bus, sender, words.unpack()[0])


bus = Gio.bus_get_sync(Gio.BusType.SESSION)
interface = Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0]
bus.register_object(PATH, interface, called, lambda *_: GLib.Variant("b", True), None)
Gio.bus_own_name_on_connection(bus, NAME, Gio.BusNameOwnerFlags.NONE, None, None)
GLib.timeout_add_seconds(PATIENCE_SECONDS, lambda: sys.exit("no icon came"))
loop.run()
