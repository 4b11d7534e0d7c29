"""The daemon over D-Bus, by Gio: one frozen snapshot, and signals for what changes. All on GTK's own thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from gi.repository import Gio, GLib, GObject

from densenoiser_tray import programs
from densenoiser_tray.i18n import _
from densenoiser_tray.status import DaemonSnapshot

NAME = "org.densenoiser.Daemon1"
PATH = "/org/densenoiser/Daemon1"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_LIVE = frozenset({"InputLevel", "OutputLevel", "NoiseReduction", "TransportLatency", "Counters"})
"""Properties that change all the time while somebody watches."""
_PATIENCE_MS = 60_000
"""A model takes a second to load, on a busy machine many."""


class Daemon(GObject.Object):  # type: ignore[misc]
    """Follows the daemon from the first moment on, through its end and its start."""

    __gsignals__: ClassVar[dict[str, Any]] = {
        "changed": (GObject.SignalFlags.RUN_FIRST, None, ()),
        "levels": (GObject.SignalFlags.RUN_FIRST, None, (float, float, float)),
        "spectra": (GObject.SignalFlags.RUN_FIRST, None, (object, object)),
        "failed": (GObject.SignalFlags.RUN_FIRST, None, (str,)),
        "ended": (GObject.SignalFlags.RUN_FIRST, None, (str, str)),
    }
    """``changed``: ``snapshot`` is another. ``levels``: before and after, dBFS, and what was removed, dB. ``spectra``
    and ``ended``: see the daemon's signals Spectra and ListeningEnded. ``failed``: what to tell the user."""

    def __init__(self, bus: Any) -> None:
        """``bus`` is the session bus's Gio.DBusConnection, or None where there is none."""
        super().__init__()
        self.snapshot = DaemonSnapshot()
        self._bus = bus
        self._values: dict[str, Any] = {}
        self._reading = False
        self._stale = False
        if bus is None:
            return
        bus.signal_subscribe(
            NAME, _PROPERTIES, "PropertiesChanged", PATH, None, Gio.DBusSignalFlags.NONE, self._on_properties
        )
        bus.signal_subscribe(NAME, NAME, None, PATH, None, Gio.DBusSignalFlags.NONE, self._on_signal)
        Gio.bus_watch_name_on_connection(
            bus, NAME, Gio.BusNameWatcherFlags.NONE, lambda *_: self.refresh(), lambda *_: self._vanished()
        )

    def value(self, name: str, otherwise: Any) -> Any:
        """A property as the daemon has it, or ``otherwise`` while it does not run."""
        return self._values.get(name, otherwise)

    def set(self, name: str, signature: str, value: Any) -> None:
        """Change a property. A refusal comes back through ``failed``, and the snapshot as it is through ``changed``."""
        arguments = GLib.Variant("(ssv)", (NAME, name, GLib.Variant(signature, value)))
        self._send(_PROPERTIES, "Set", arguments)

    def call(self, member: str, arguments: Any = None) -> None:
        """Call a method whose answer is of no interest. Refusals as of ``set``."""
        self._send(NAME, member, arguments)

    @property
    def listening(self) -> str:
        """What the daemon lets hear; see its method Listen."""
        return str(self.value("Listening", ""))

    def listen(self, what: str) -> None:
        """Hear something, or with "" nothing any longer. Refusals as of ``set``."""
        if what or self.listening:
            self.call("Listen", GLib.Variant("(s)", (what,)))

    def ask(self, member: str, answered: Callable[[Any], None]) -> None:
        """Call a method without arguments; ``answered`` gets all it returns. Refusals as of ``set``."""
        self._ask(NAME, member, None, answered, lambda words: self.emit("failed", words), is_whole=True)

    def save_take(self, microphone: int, clean: int, saved: Callable[[], None]) -> None:
        """Have the take written into two open files, which stay the caller's. Refusals as of ``set``."""
        files = Gio.UnixFDList.new()
        arguments = GLib.Variant("(hh)", (files.append(microphone), files.append(clean)))

        def done(bus: Any, result: Any) -> None:
            try:
                bus.call_with_unix_fd_list_finish(result)
            except GLib.Error as error:
                Gio.DBusError.strip_remote_error(error)
                self.emit("failed", error.message)
                return
            saved()

        no_start = Gio.DBusCallFlags.NO_AUTO_START
        self._bus.call_with_unix_fd_list(
            NAME, PATH, NAME, "SaveTake", arguments, None, no_start, _PATIENCE_MS, files, None, done
        )

    def watch(self, wanted: bool) -> None:
        """Ask for ``levels`` and ``spectra``, or give them up."""
        if self.snapshot.is_running:
            for member in ("Watch", "WatchSpectra"):
                self.call(member, GLib.Variant("(b)", (wanted,)))

    def start(self) -> None:
        """Start the daemon: by the bus, or as a program where the bus does not know it. Refusals as of ``set``."""
        if self._bus is None:
            self.emit("failed", _("There is no session bus."))
            return
        names = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "StartServiceByName")
        arguments = GLib.Variant("(su)", (NAME, 0))
        self._bus.call(*names, arguments, None, Gio.DBusCallFlags.NONE, _PATIENCE_MS, None, self._started)

    def _started(self, bus: Any, result: Any) -> None:
        try:
            bus.call_finish(result)
        except GLib.Error as error:
            program = programs.find("densenoised")
            if program is None:
                Gio.DBusError.strip_remote_error(error)
                self.emit("failed", error.message)
            else:
                programs.launch([str(program), "--wait"])

    def refresh(self) -> None:
        """Read everything anew. What changes meanwhile is one more reading."""
        self._stale = True
        if not self._reading:
            self._reading = True
            self._read()

    def _read(self) -> None:
        self._stale = False
        found: list[Any] = []
        questions = [
            (_PROPERTIES, "GetAll", GLib.Variant("(s)", (NAME,))),
            (NAME, "ListMicrophones", None),
            (NAME, "ListModels", None),
        ]

        def ask() -> None:
            self._ask(*questions[len(found)], answered, failed)

        def answered(answer: Any) -> None:
            found.append(answer)
            if len(found) < len(questions):
                ask()
                return
            self._values = found[0]
            self._show(DaemonSnapshot.of(*found))

        def failed(_words: str) -> None:
            self._values = {}
            self._show(DaemonSnapshot())

        ask()

    def _show(self, snapshot: DaemonSnapshot) -> None:
        self._reading = False
        self.snapshot = snapshot
        self.emit("changed")
        if self._stale:
            self.refresh()

    def _vanished(self) -> None:
        self._values = {}
        self.snapshot = DaemonSnapshot()
        self.emit("changed")

    def _on_properties(self, *arguments: Any) -> None:
        _interface, changed, _invalidated = arguments[5].unpack()
        self._values |= changed
        if changed.keys() & {"InputLevel", "OutputLevel", "NoiseReduction"}:
            names = ("InputLevel", "OutputLevel", "NoiseReduction")
            self.emit("levels", *(float(self._values.get(name, 0.0)) for name in names))
        if changed.keys() - _LIVE:
            self.refresh()

    def _on_signal(self, *arguments: Any) -> None:
        member, body = arguments[4], arguments[5]
        if member == "Spectra":
            self.emit("spectra", *(body.get_child_value(n).get_data_as_bytes().get_data() for n in (0, 1)))
        elif member == "ListeningEnded":
            self.emit("ended", *body.unpack())
        elif member == "MicrophonesChanged":
            self.refresh()

    def _send(self, interface: str, member: str, arguments: Any) -> None:
        def failed(words: str) -> None:
            self.emit("failed", words)
            self.emit("changed")  # so that the widget shows again what is

        self._ask(interface, member, arguments, lambda _answer: None, failed)

    def _ask(
        self,
        interface: str,
        member: str,
        arguments: Any,
        answered: Callable[[Any], None],
        failed: Callable[[str], None],
        is_whole: bool = False,
    ) -> None:
        if self._bus is None:
            failed(_("There is no session bus."))
            return

        def done(bus: Any, result: Any) -> None:
            try:
                answer = bus.call_finish(result).unpack()
            except GLib.Error as error:
                Gio.DBusError.strip_remote_error(error)
                failed(error.message)
                return
            answered(answer if is_whole else answer[0] if answer else None)

        no_start = Gio.DBusCallFlags.NO_AUTO_START
        self._bus.call(NAME, PATH, interface, member, arguments, None, no_start, _PATIENCE_MS, None, done)
