"""The page to hear oneself on: what programs hear, what the microphone hears, and what was removed."""

from __future__ import annotations

from typing import Any

from gi.repository import Adw, Gtk

from densenoiser_tray.i18n import _

from .daemon import Daemon
from .rows import SwitchRow


class Listen(Adw.PreferencesPage):  # type: ignore[misc]
    """One thing at a time is heard. Follows ``daemon``."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__()
        self._daemon = daemon
        hint = Adw.ActionRow(
            title=_("Put on headphones first"),
            subtitle=_("Through loudspeakers the microphone hears it again, and it howls. Then it is stopped."),
            icon_name="audio-headphones-symbolic",
            title_lines=0,
            subtitle_lines=0,
        )
        self._rows = {
            "clean": self._row("clean", _("Hear yourself"), _("As programs hear you")),
            "microphone": self._row("microphone", _("Hear the microphone"), _("Before the noise is removed")),
            "removed": self._row("removed", _("Hear what was removed"), _("There should be no words in it")),
        }
        self._ended = Gtk.Label(wrap=True, xalign=0.0)
        about = _("You hear it where the desktop plays; programs do not. It ends after two minutes.")
        for words, rows in (("", [hint]), (about, [row.row for row in self._rows.values()]), ("", [self._ended])):
            group = Adw.PreferencesGroup(description=words)
            for row in rows:
                group.add(row)
            self.add(group)
        daemon.connect("changed", lambda *_: self._show())
        daemon.connect("ended", lambda _daemon, what, why: self._tell(what, why))
        self._show()

    def leave(self) -> None:
        """It is not looked at any longer."""
        if self._daemon.listening in self._rows:
            self._daemon.listen("")

    def _row(self, what: str, title: str, subtitle: str) -> SwitchRow:
        return SwitchRow(title, subtitle, lambda is_on: self._switch(what, is_on))

    def _switch(self, what: str, is_on: bool) -> None:
        if is_on:
            self._ended.set_label("")
            self._daemon.listen(what)
        elif self._daemon.listening == what:
            self._daemon.listen("")

    def _show(self) -> None:
        for what, row in self._rows.items():
            row.show(self._daemon.listening == what)

    def _tell(self, what: str, why: str) -> None:
        if what in self._rows:
            self._ended.set_label(why_ended(why))


def why_ended(why: str) -> str:
    """What people are told when they hear nothing any longer; empty where they know."""
    words: dict[str, Any] = {
        "feedback": _("Stopped: the microphone heard it again. Put on headphones."),
        "time": _("Stopped after two minutes."),
        "locked": _("Stopped: the screen was locked."),
        "no-output": _("There is no output to hear it on. Plug in headphones, or see the sound settings."),
        "no-microphone": _("No microphone could be opened."),
    }
    return str(words.get(why, ""))
