"""The daemon's D-Bus service over controls that make no sound, with a microphone whose name needs care in a menu."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.support.recorded_controls import HEADSET as PLAIN_HEADSET
from tests.support.recorded_controls import WEBCAM, RecordedControls

from densenoiser_daemon.audio.backend import Microphone
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.settings.file import SettingsFile

HEADSET = replace(PLAIN_HEADSET, description="USB_Headset & Co")
"""Menus take "_" for a shortcut and "&" for markup."""


class QuietDaemon:
    """The daemon's D-Bus service alone; may be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.controls = RecordedControls()
        self.controls.microphones = (HEADSET, WEBCAM)
        self.controls.status = replace(
            self.controls.status, microphone=HEADSET.name, microphone_description=HEADSET.description
        )
        self._store = SettingsFile(folder / "settings.toml")
        self._service: ControlService | None = None

    def start(self) -> None:
        self._service = ControlService(self.controls, self._store)
        assert self._service.start()

    def stop(self) -> None:
        if self._service is not None:
            self._service.stop()
        self._service = None

    def show(self, **changes: object) -> None:
        """Change the status, as the engine does."""
        self.controls.status = replace(self.controls.status, **changes)  # type: ignore[arg-type]
        self.tell()

    def plug(self, *microphones: Microphone) -> None:
        """These are the microphones from now on."""
        self.controls.microphones = microphones
        self.tell()

    def tell(self) -> None:
        assert self._service is not None
        self._service.changed()
