"""The window: a page to choose on, a page to look at, and what is in the daemon's way."""

from __future__ import annotations

from typing import Any

from gi.repository import Adw, Gio, Gtk

from densenoiser_tray import preferences
from densenoiser_tray.i18n import _

from .accessible import name
from .daemon import Daemon
from .first_steps import FirstSteps
from .home import Home
from .listen import Listen
from .live import Live
from .take import TakePage

_WIDTH, _HEIGHT = 520, 740


class Window(Adw.ApplicationWindow):  # type: ignore[misc]
    """Follows ``daemon`` for as long as it is open."""

    def __init__(self, application: Any, daemon: Daemon) -> None:
        super().__init__(application=application, title="DenseNoiser", default_width=_WIDTH, default_height=_HEIGHT)
        self._daemon = daemon
        self._was_running = False
        self._pages = Adw.ViewStack()
        self._live = Live(daemon)
        self._left: Any = None
        for page, key, title, icon in (
            (Home(daemon), "home", _("Home"), "audio-input-microphone-symbolic"),
            (self._live, "live", _("Live"), "view-continuous-symbolic"),
            (Listen(daemon), "listen", _("Listen"), "audio-headphones-symbolic"),
            (TakePage(daemon), "test", _("Test"), "media-record-symbolic"),
        ):
            self._pages.add_titled(page, key, title).set_icon_name(icon)
        self._pages.connect("notify::visible-child", lambda *_: self._turn())
        self._absent = _absent(daemon)
        self._stack = Gtk.Stack(transition_type=Gtk.StackTransitionType.CROSSFADE)
        self._stack.add_child(self._pages)
        self._stack.add_child(self._absent)
        self._toasts = Adw.ToastOverlay(child=self._stack)
        title = Adw.ViewSwitcherTitle(stack=self._pages, title="DenseNoiser")
        header = Adw.HeaderBar(title_widget=title)
        header.pack_end(_menu())
        bar = Adw.ViewSwitcherBar(stack=self._pages)
        title.bind_property("title-visible", bar, "reveal")
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        for part in (header, self._toasts, bar):
            box.append(part)
        self._toasts.set_vexpand(True)
        self.set_content(box)
        daemon.connect("changed", lambda *_: self._show())
        daemon.connect("failed", lambda _daemon, words: self._toasts.add_toast(Adw.Toast(title=words, timeout=8)))
        daemon.connect("levels", lambda _daemon, *levels: self._live.show_levels(*levels))
        daemon.connect("spectra", lambda _daemon, *columns: self._live.show_spectra(*columns))
        self.connect("close-request", lambda *_: self._daemon.watch(False))
        self._show()

    def _show(self) -> None:
        snapshot = self._daemon.snapshot
        self._stack.set_visible_child(self._pages if snapshot.is_running else self._absent)
        self._live.show(snapshot)
        if snapshot.is_running and not self._was_running:
            self._watch()
            self._greet()
        self._was_running = snapshot.is_running

    def _greet(self) -> None:
        """The first steps, the first time that there is a daemon."""
        if not preferences.has_seen_first_steps():
            try:
                preferences.set_seen_first_steps()
            except OSError:
                return  # they would come again and again
            FirstSteps(self, self._daemon).present()

    def _turn(self) -> None:
        """Another page is looked at: the last one falls silent."""
        left, self._left = self._left, self._pages.get_visible_child()
        if left is not None and left is not self._left and hasattr(left, "leave"):
            left.leave()
        self._watch()

    def _watch(self) -> None:
        self._daemon.watch(self._pages.get_visible_child() is self._live)


def _absent(daemon: Daemon) -> Any:
    """What is shown while the daemon does not run."""
    button = Gtk.Button(label=_("Start DenseNoiser"), halign=Gtk.Align.CENTER, css_classes=["pill", "suggested-action"])
    button.connect("clicked", lambda *_: daemon.start())
    return Adw.StatusPage(
        icon_name="org.densenoiser.DenseNoiser",
        title=_("DenseNoiser is not running"),
        description=_("Programs hear the microphone as it is."),
        child=button,
    )


def _menu() -> Any:
    entries = Gio.Menu()
    entries.append(_("Preferences"), "app.preferences")
    entries.append(_("About DenseNoiser"), "app.about")
    entries.append(_("Close"), "app.quit")
    button = Gtk.MenuButton(
        icon_name="open-menu-symbolic", menu_model=entries, primary=True, tooltip_text=_("Main menu")
    )
    name(button, _("Main menu"))
    return button
