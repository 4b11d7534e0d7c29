"""What is wrong, a row each, and a button that lets the doctor mend it."""

from __future__ import annotations

from typing import Any

from gi.repository import Adw, Gio, GLib, Gtk

from densenoiser_tray import programs
from densenoiser_tray.i18n import _
from densenoiser_tray.status import DaemonSnapshot

from .daemon import Daemon


class Remedy:
    """Rows for the page: one of words, hidden while nothing is wrong."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._row = Adw.ActionRow(visible=False, title_lines=0, subtitle_lines=0, icon_name="dialog-warning-symbolic")
        self._button = Gtk.Button(label=_("Find out and mend"), valign=Gtk.Align.CENTER)
        self._button.connect("clicked", lambda *_: self._mend())
        self._row.add_suffix(self._button)
        self.rows = (self._row,)

    def show(self, snapshot: DaemonSnapshot) -> None:
        """What ``snapshot`` says is wrong."""
        words = [fact.words for fact in (snapshot.reason, *snapshot.warnings) if fact.words]
        self._row.set_visible(bool(words))
        self._row.set_title(GLib.markup_escape_text("\n".join(words)))

    def _mend(self) -> None:
        doctor = programs.find("densenoiser")
        if doctor is None:
            self._daemon.emit("failed", _("The command densenoiser was not found."))
            return
        self._button.set_sensitive(False)
        flags = Gio.SubprocessFlags.STDOUT_PIPE | Gio.SubprocessFlags.STDERR_MERGE
        process = Gio.Subprocess.new([str(doctor), "doctor", "--fix"], flags)
        process.communicate_utf8_async(None, None, self._done)

    def _done(self, process: Any, result: Any) -> None:
        self._button.set_sensitive(True)
        _finished, said, _errors = process.communicate_utf8_finish(result)
        text = Gtk.TextView(editable=False, monospace=True, wrap_mode=Gtk.WrapMode.WORD_CHAR, css_classes=["card"])
        text.get_buffer().set_text(said.strip())
        view = Gtk.ScrolledWindow(child=text, min_content_height=260, min_content_width=420)
        dialog = Adw.MessageDialog(
            transient_for=self._row.get_root(), heading=_("What the doctor found"), extra_child=view, modal=True
        )
        dialog.add_response("close", _("Close"))
        dialog.present()
        self._daemon.refresh()
