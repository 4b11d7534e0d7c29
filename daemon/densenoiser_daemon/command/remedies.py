"""Commands to type against what is wrong. Each names only what works on this machine: not every session has systemd."""

from __future__ import annotations

import shutil

from ..i18n import _
from ..system.service_manager import UNIT, has_unit


def start_command() -> str:
    """Starts the daemon."""
    return "systemctl --user start densenoised" if has_unit(UNIT) else "densenoised"


def restart_command() -> str:
    """Starts a daemon anew that answers."""
    return "systemctl --user restart densenoised" if has_unit(UNIT) else "densenoiser quit; densenoised"


def forced_restart_command() -> str:
    """Starts a daemon anew that does not answer any more."""
    return "systemctl --user restart densenoised" if has_unit(UNIT) else "pkill densenoised; densenoised"


def see_log() -> str:
    """Where the daemon's log is."""
    if has_unit(UNIT) and shutil.which("journalctl"):
        return _("see its log: {command}").format(command="journalctl --user -u densenoised")
    return _("to see its log, start it in a terminal: {command}").format(command="densenoiser quit; densenoised")


def start_sound_server() -> str:
    """How a sound server is started."""
    units = [name for name in ("pipewire-pulse", "pulseaudio") if has_unit(f"{name}.service")]
    if units:
        start = _("start it: {command}").format(command=f"systemctl --user start {units[0]}")
    elif shutil.which("pulseaudio"):
        start = _("start it: {command}").format(command="pulseaudio --start")
    elif shutil.which("pipewire-pulse"):
        start = _("start these programs: pipewire, wireplumber, pipewire-pulse")
    else:
        start = _("install one: pipewire-pulse or pulseaudio")
    return _("{start}; on bare ALSA: {command}").format(start=start, command="densenoised --backend portaudio")
