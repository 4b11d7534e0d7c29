"""The application: one instance, one window, the same however it is opened."""

from __future__ import annotations

import signal
from typing import Any

from gi.repository import Adw, Gio, GLib, Gtk

from densenoiser_tray.i18n import _

from .daemon import Daemon
from .frame_times import FrameTimes
from .preferences_window import Preferences
from .window import Window

APPLICATION_ID = "org.densenoiser.Window1"


class Application(Adw.Application):  # type: ignore[misc]
    """Runs until its window is closed. A second launch shows the first one's window."""

    def __init__(self, has_frame_times: bool = False) -> None:
        """``has_frame_times``: print at the end how long frames took."""
        super().__init__(application_id=APPLICATION_ID, flags=Gio.ApplicationFlags.DEFAULT_FLAGS)
        GLib.set_prgname("densenoiser-window")
        GLib.set_application_name("DenseNoiser")
        self._window: Window | None = None
        self._has_frame_times = has_frame_times
        self.connect("startup", self._on_startup)
        self.connect("activate", self._on_activate)

    def _on_startup(self, _application: Any) -> None:
        Gtk.Window.set_default_icon_name("org.densenoiser.DenseNoiser")
        for number in (signal.SIGTERM, signal.SIGINT):
            GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, self.quit)
        leave = Gio.SimpleAction.new("quit", None)
        leave.connect("activate", lambda *_: self.quit())
        self.add_action(leave)
        self.set_accels_for_action("app.quit", ["<Control>q", "<Control>w"])
        preferences = Gio.SimpleAction.new("preferences", None)
        preferences.connect("activate", lambda *_: Preferences(self._window).present())
        self.add_action(preferences)
        self.set_accels_for_action("app.preferences", ["<Control>comma"])
        about = Gio.SimpleAction.new("about", None)
        about.connect("activate", lambda *_: self._show_about())
        self.add_action(about)

    def _on_activate(self, _application: Any) -> None:
        if self._window is None:
            self._window = Window(self, Daemon(self.get_dbus_connection()))
            if self._has_frame_times:
                times = FrameTimes(self._window)
                self.connect("shutdown", lambda *_: print(times.summary, flush=True))  # noqa: T201
        self._window.present()

    def _show_about(self) -> None:
        Adw.AboutWindow(
            transient_for=self._window,
            application_name="DenseNoiser",
            application_icon="org.densenoiser.DenseNoiser",
            developer_name=_("The DenseNoiser authors"),
            license_type=Gtk.License.MIT_X11,
            website="https://github.com/densenoiser/densenoiser",
            issue_url="https://github.com/densenoiser/densenoiser/issues",
        ).present()
