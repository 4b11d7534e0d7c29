"""The shortcuts, as the tray holds them: chosen in the desktop's dialog, or by pressing a key here."""

from __future__ import annotations

from typing import Any

from gi.repository import Adw, Gdk, Gio, GLib, Gtk

from densenoiser_tray import programs
from densenoiser_tray.i18n import _

from .rows import row

_NAME, _PATH = "org.densenoiser.Tray1", "/org/densenoiser/Tray1"
_PATIENCE_MS = 30_000


class Shortcuts(Adw.PreferencesGroup):  # type: ignore[misc]
    """Follows the tray for as long as it is shown."""

    def __init__(self, tell: Any) -> None:
        """``tell`` shows words to the user."""
        super().__init__(title=_("Shortcuts"))
        self._tell = tell
        self._bus = Gio.bus_get_sync(Gio.BusType.SESSION)
        self._rows: list[Any] = []
        no_flags = Gio.BusNameWatcherFlags.NONE
        self._watch = Gio.bus_watch_name_on_connection(
            self._bus, _NAME, no_flags, lambda *_: self._read(), lambda *_: self._show_absent()
        )
        self._signal = self._bus.signal_subscribe(
            _NAME,
            "org.freedesktop.DBus.Properties",
            "PropertiesChanged",
            _PATH,
            None,
            Gio.DBusSignalFlags.NONE,
            lambda *_: self._read(),
        )
        self.connect("unrealize", lambda *_: self._leave())

    def _leave(self) -> None:
        Gio.bus_unwatch_name(self._watch)
        self._bus.signal_unsubscribe(self._signal)

    def _put(self, rows: list[Any]) -> None:
        for old in self._rows:
            self.remove(old)
        for new in rows:
            self.add(new)
        self._rows = rows

    def _show_absent(self) -> None:
        start = Gtk.Button(label=_("Start it"), valign=Gtk.Align.CENTER)
        start.connect("clicked", lambda *_: self._start())
        self._put([row(_("The tray holds the shortcuts, and it is not running"), start)])

    def _start(self) -> None:
        tray = programs.find("densenoiser-tray")
        if tray is None:
            self._tell(_("The command densenoiser-tray was not found."))
        else:
            programs.launch([str(tray), "--without-icon"])

    def _read(self) -> None:
        def done(bus: Any, result: Any) -> None:
            try:
                (found,) = bus.call_finish(result).unpack()
            except GLib.Error:
                self._show_absent()
                return
            self._show(found["Shortcuts"], found["ShortcutBackend"])

        arguments = GLib.Variant("(s)", (_NAME,))
        self._call("org.freedesktop.DBus.Properties", "GetAll", arguments, done)

    def _show(self, shortcuts: list[tuple[str, str, str]], backend: str) -> None:
        rows = []
        if backend == "":
            words = _("This desktop gives no shortcuts to programs. Bind the command in its keyboard settings")
            rows.append(Adw.ActionRow(title=words, subtitle="densenoiser toggle", title_lines=0))
        if backend == "portal":
            choose = Gtk.Button(label=_("Choose the keys…"), valign=Gtk.Align.CENTER)
            choose.connect("clicked", lambda *_: self._ask("Bind", None))
            rows.append(row(_("Keys are chosen in the desktop's own dialog"), choose))
        for name, words, trigger in shortcuts if backend else ():
            line = Adw.ActionRow(title=words, subtitle=trigger or _("no key"), title_lines=0)
            if backend == "x11":
                change = Gtk.Button(label=_("Change…"), valign=Gtk.Align.CENTER)
                change.update_property([Gtk.AccessibleProperty.LABEL], [_("Change: {what}").format(what=words)])
                change.connect("clicked", self._press, name, words)
                line.add_suffix(change)
            rows.append(line)
        self._put(rows)

    def _press(self, button: Any, name: str, words: str) -> None:
        """The next key with its modifiers is taken."""
        dialog = Adw.MessageDialog(
            transient_for=button.get_root(),
            modal=True,
            heading=words,
            body=_("Press the key, with Control, Alt or Super. Backspace takes it away."),
        )
        dialog.add_response("close", _("Cancel"))
        keys = Gtk.EventControllerKey(propagation_phase=Gtk.PropagationPhase.CAPTURE)

        def pressed(_keys: Any, symbol: int, _code: int, state: Any) -> bool:
            modifiers = state & Gtk.accelerator_get_default_mod_mask()
            if symbol == Gdk.KEY_Escape and not modifiers:
                return False
            if symbol == Gdk.KEY_BackSpace and not modifiers:
                chosen = ""
            elif Gtk.accelerator_valid(symbol, modifiers):
                chosen = Gtk.accelerator_name(Gdk.keyval_to_lower(symbol), modifiers)
            else:
                return False  # a modifier alone: more is to come
            self._ask("SetKey", GLib.Variant("(ss)", (name, chosen)))
            dialog.close()
            return True

        keys.connect("key-pressed", pressed)
        dialog.add_controller(keys)
        dialog.present()

    def _ask(self, member: str, arguments: Any) -> None:
        def done(bus: Any, result: Any) -> None:
            try:
                bus.call_finish(result)
            except GLib.Error as error:
                Gio.DBusError.strip_remote_error(error)
                self._tell(error.message)

        self._call(_NAME, member, arguments, done)

    def _call(self, interface: str, member: str, arguments: Any, done: Any) -> None:
        flags = Gio.DBusCallFlags.NO_AUTO_START
        self._bus.call(_NAME, _PATH, interface, member, arguments, None, flags, _PATIENCE_MS, None, done)
