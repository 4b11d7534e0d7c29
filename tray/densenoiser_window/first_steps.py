"""Four steps for those who are here for the first time. Each can be skipped, and they are never shown twice."""

from __future__ import annotations

from typing import Any

from gi.repository import Adw, Gtk

from densenoiser_tray.i18n import _
from densenoiser_tray.menu import microphone_labels

from .daemon import Daemon
from .rows import ChoiceRow, SwitchRow
from .spectrogram import Spectrogram


class FirstSteps(Adw.Window):  # type: ignore[misc]
    """Follows ``daemon`` while it is open."""

    def __init__(self, parent: Any, daemon: Daemon) -> None:
        super().__init__(
            transient_for=parent, modal=True, title=_("First steps"), default_width=440, default_height=560
        )
        self._daemon = daemon
        self._before, self._after = Spectrogram(_("The microphone")), Spectrogram(_("What programs hear"))
        self._microphone = ChoiceRow(_("Microphone"), lambda chosen: daemon.set("Microphone", "s", chosen))
        self._default = SwitchRow(
            _("Use as the default microphone"),
            _("For programs in which nothing else is chosen"),
            lambda is_on: daemon.set("Default", "b", is_on),
        )
        steps = (
            (_("Which microphone do you speak into?"), "", _group(self._microphone)),
            (_("Speak, and make some noise"), _("Above is what comes in, below what programs hear."), self._pictures()),
            (
                _("Should all programs use it?"),
                _('Else choose "DenseNoiser Mic" in the settings of each.'),
                _group(self._default.row),
            ),
            (
                _("Switch off the other filters"),
                _("Two filters in a row make a voice thin. Where your call program has its own:"),
                _programs(),
            ),
        )
        self._steps = Gtk.Stack(transition_type=Gtk.StackTransitionType.SLIDE_LEFT_RIGHT, vexpand=True)
        for place, step in enumerate(steps):
            self._steps.add_named(_page(place + 1, len(steps), *step), str(place))
        self._last = len(steps) - 1
        self._next = Gtk.Button(css_classes=["suggested-action"])
        self._next.connect("clicked", lambda *_: self._go(+1))
        self._back = Gtk.Button(label=_("Back"))
        self._back.connect("clicked", lambda *_: self._go(-1))
        skip = Gtk.Button(label=_("Skip"))
        skip.connect("clicked", lambda *_: self.close())
        header = Adw.HeaderBar(show_end_title_buttons=False, show_start_title_buttons=False)
        header.pack_start(skip)
        header.pack_end(self._next)
        header.pack_end(self._back)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        box.append(header)
        box.append(self._steps)
        self.set_content(box)
        self._handlers = [
            daemon.connect("changed", lambda *_: self._show()),
            daemon.connect("spectra", lambda _daemon, *columns: self._draw(*columns)),
        ]
        self.connect("close-request", lambda *_: self._leave())
        self._place = 0
        self._show()
        self._go(0)

    def _pictures(self) -> Any:
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12)
        box.append(self._before)
        box.append(self._after)
        return box

    def _go(self, by: int) -> None:
        if self._place + by > self._last:
            self.close()
            return
        self._look(self._place == 1, False)
        self._place = max(0, self._place + by)
        self._look(self._place == 1, True)
        self._steps.set_visible_child_name(str(self._place))
        self._back.set_sensitive(self._place > 0)
        self._next.set_label(_("Done") if self._place == self._last else _("Next"))

    def _look(self, is_there: bool, wanted: bool) -> None:
        """The step in which one sees oneself needs the microphone."""
        if is_there:
            self._daemon.watch(wanted)
            if wanted or self._daemon.listening == "nothing":
                self._daemon.listen("nothing" if wanted else "")

    def _show(self) -> None:
        snapshot = self._daemon.snapshot
        self._microphone.show(microphone_labels(snapshot), snapshot.microphone)
        self._default.show(snapshot.is_wished_default)

    def _draw(self, before: bytes, after: bytes) -> None:
        self._before.add(before)
        self._after.add(after)

    def _leave(self) -> None:
        self._look(self._place == 1, False)
        for handler in self._handlers:
            self._daemon.disconnect(handler)


def _page(place: int, count: int, title: str, words: str, content: Any) -> Any:
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12)
    for side in ("start", "end", "top", "bottom"):
        getattr(box, f"set_margin_{side}")(18)
    where = _("Step {place} of {count}").format(place=place, count=count)
    for text, style in ((where, "dim-label"), (title, "title-2"), (words, "body")):
        if text:
            box.append(Gtk.Label(label=text, wrap=True, xalign=0.0, css_classes=[style]))
    box.append(content)
    return box


def _group(row: Any) -> Any:
    group = Adw.PreferencesGroup()
    group.add(row)
    return group


def _programs() -> Any:
    group = Adw.PreferencesGroup()
    for name, where in (
        ("Discord", _("Settings, Voice & Video, Noise Suppression: None")),
        ("Zoom", _("Settings, Audio, Original sound for musicians; or Background noise suppression: Low")),
        ("Google Meet", _("Settings, Audio, Noise cancellation: off")),
        (_("Chrome, Firefox"), _("They have no switch of their own: each page decides")),
    ):
        group.add(Adw.ActionRow(use_markup=False, title=name, subtitle=where, subtitle_lines=0))
    return group
