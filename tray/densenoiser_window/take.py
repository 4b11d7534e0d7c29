"""The page to test oneself on: ten seconds are recorded, then compared by ear, by eye and by figures."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

from gi.repository import Gio, GLib, Gtk

from densenoiser_tray.i18n import _

from .daemon import Daemon
from .listen import why_ended
from .spectrogram import Spectrogram

_SECONDS = 10.0
_SIDES = ("take-microphone", "take-clean")


class TakePage(Gtk.Box):  # type: ignore[misc]
    """Follows ``daemon``. The recording stays in the daemon's memory until Save."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=12)
        for side in ("start", "end", "top", "bottom"):
            getattr(self, f"set_margin_{side}")(12)
        self._daemon = daemon
        self._began_at = 0.0
        self._clock = 0
        words = _("Say something, and let there be noise too. Ten seconds are kept in memory, for five minutes.")
        self._words = Gtk.Label(label=words, wrap=True, xalign=0.0)
        self._record = Gtk.Button(label=_("Record ten seconds"), css_classes=["suggested-action"])
        self._record.connect("clicked", lambda *_: daemon.listen("take"))
        self._progress = Gtk.ProgressBar(visible=False)
        self._progress.update_property([Gtk.AccessibleProperty.LABEL], [_("Recording")])
        self._spectrograms = Spectrogram(_("The microphone")), Spectrogram(_("What programs hear"))
        self._players = [Gtk.ToggleButton(label=_("Play before")), Gtk.ToggleButton(label=_("Play after"))]
        for what, player in zip(_SIDES, self._players, strict=True):
            player.connect("clicked", self._play, what)
        self._figures = Gtk.Label(wrap=True, xalign=0.0)
        self._save = Gtk.Button(label=_("Save…"))
        self._save.connect("clicked", lambda *_: self._ask_where())
        buttons = Gtk.Box(spacing=6)
        for button in (*self._players, self._save):
            buttons.append(button)
        self._result = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, visible=False)
        for part in (*self._spectrograms, self._figures, buttons):
            self._result.append(part)
        for part in (self._words, self._record, self._progress, self._result):
            self.append(part)
        self._dialog: Any = None
        daemon.connect("changed", lambda *_: self._show())
        daemon.connect("ended", lambda _daemon, what, why: self._on_ended(what, why))
        self._show()

    def leave(self) -> None:
        """It is not looked at any longer: nothing is recorded or played behind one's back."""
        if self._daemon.listening in {"take", *_SIDES}:
            self._daemon.listen("")

    def _show(self) -> None:
        listening = self._daemon.listening
        is_recording = listening == "take"
        self._record.set_sensitive(not is_recording)
        self._progress.set_visible(is_recording)
        if is_recording and not self._clock:
            self._began_at = time.monotonic()
            self._clock = GLib.timeout_add(100, self._tick)
        self._result.set_visible(bool(self._daemon.value("HasTake", False)) and not is_recording)
        for what, player in zip(_SIDES, self._players, strict=True):
            player.set_active(listening == what)

    def _tick(self) -> bool:
        share = (time.monotonic() - self._began_at) / _SECONDS
        self._progress.set_fraction(min(share, 1.0))
        is_on = self._daemon.listening == "take"
        if not is_on:
            self._clock = 0
        return is_on

    def _play(self, player: Any, what: str) -> None:
        self._daemon.listen(what if player.get_active() else "")

    def _on_ended(self, what: str, why: str) -> None:
        if what == "take" and why == "done":
            self._words.set_label(_("Recorded. Compare by ear, best with headphones."))
            self._daemon.ask("TakeSpectra", self._draw)
            self._daemon.ask("TakeFigures", self._tell)
        elif what in {"take", *_SIDES} and why_ended(why):
            self._words.set_label(why_ended(why))

    def _draw(self, sides: Any) -> None:
        for picture, columns in zip(self._spectrograms, sides, strict=True):
            picture.fill(bytes(columns))

    def _tell(self, figures: Any) -> None:
        delay = self._daemon.value("AlgorithmicLatency", 0.0)
        self._figures.set_label(
            "\n".join((_noise(figures[0]), _voice(figures[1]), _("Delay of the filter: {ms:.0f} ms").format(ms=delay)))
        )

    def _ask_where(self) -> None:
        """A folder; the dialog is kept, or it would vanish."""
        self._dialog = Gtk.FileChooserNative.new(
            _("Save both recordings"),
            self.get_root(),
            Gtk.FileChooserAction.SELECT_FOLDER,
            _("Save here"),
            _("Cancel"),
        )
        music = GLib.get_user_special_dir(GLib.UserDirectory.DIRECTORY_MUSIC) or GLib.get_home_dir()
        self._dialog.set_current_folder(Gio.File.new_for_path(music))
        self._dialog.connect("response", self._on_where)
        self._dialog.show()

    def _on_where(self, dialog: Any, response: int) -> None:
        if response == Gtk.ResponseType.ACCEPT:
            self._save_in(Path(dialog.get_file().get_path()))

    def _save_in(self, folder: Path) -> None:
        moment = time.strftime("%Y-%m-%d %H-%M-%S")
        names = _("DenseNoiser {moment} microphone.wav"), _("DenseNoiser {moment} filtered.wav")
        files: list[int] = []
        try:
            for name in names:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                files.append(os.open(folder / name.format(moment=moment), flags, 0o600))
            words = _("Saved in {folder}").format(folder=folder)
            self._daemon.save_take(files[0], files[1], lambda: self._words.set_label(words))
        except OSError as error:
            self._daemon.emit("failed", f"{folder}: {error.strerror}")
        finally:
            for file in files:  # the message has copies of them
                os.close(file)


def _noise(decibels: float) -> str:
    if math.isnan(decibels):
        return _("There was no pause to measure the noise in")
    return _("Noise: {db:.0f} dB quieter").format(db=max(decibels, 0.0))


def _voice(decibels: float) -> str:
    if math.isnan(decibels):
        return _("Nobody spoke")
    if abs(decibels) < 0.5:
        return _("Voice: as loud as before")
    words = _("Voice: {db:.1f} dB louder") if decibels > 0 else _("Voice: {db:.1f} dB quieter")
    return words.format(db=abs(decibels))
