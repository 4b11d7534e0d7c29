"""Checks the daemon: whether it runs and answers, its settings, its unit, and its start at login."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from densenoiser_models import __version__

from ...bus.session_bus import session_bus_address
from ...errors import DensenoiserError
from ...i18n import _
from ...settings.file import SettingsFile
from ...status import State
from ...system.service_manager import UNIT, has_unit, systemctl
from ...system.system_package import how_to_start
from .. import status_text
from ..daemon_client import DaemonClient, Properties
from ..remedies import forced_restart_command, restart_command, see_log, start_command
from .finding import Finding, Verdict

_MISSED_SHARE = 0.001
_CLIPPED_SHARE = 0.01


async def daemon_properties() -> tuple[Properties | None, int]:
    """What the running daemon says, and its process number; None and 0 if none answers."""
    try:
        async with DaemonClient() as client:
            return await client.properties(), await client.process()
    except DensenoiserError:
        return None, 0


def switch_on(name: str, said: str) -> str:
    """Switch a D-Bus property of the daemon on; returns ``said``. DensenoiserError."""

    async def ask() -> None:
        async with DaemonClient() as client:
            await client.set(name, "b", True)

    asyncio.run(ask())
    return said


def daemon(values: Properties | None, is_locked: bool) -> Iterator[Finding]:
    """It runs, answers, and does what it should. ``is_locked``: a process holds the daemon's lock."""
    if session_bus_address() is None:
        yield Finding(
            "bus",
            Verdict.ADVICE,
            _("there is no session bus, so tray and commands cannot reach the daemon"),
            _("log in to a desktop session, or start one with: dbus-run-session"),
        )
    if values is None:
        if is_locked:
            text, remedy = (
                _("densenoised runs, but does not answer over D-Bus"),
                forced_restart_command(),
            )
            yield Finding("daemon", Verdict.FAULT, text, remedy)
        else:
            text, remedy = (
                _("densenoised is not running"),
                start_command(),
            )
            yield Finding("daemon", Verdict.ADVICE, text, remedy)
        return
    if values["Version"] != __version__:
        text = _("the running daemon is version {running}, installed is {installed}")
        yield Finding(
            "version",
            Verdict.ADVICE,
            text.format(running=values["Version"], installed=__version__),
            _("restart it: {command}").format(command=restart_command()),
        )
    state = values["State"]
    if state in (State.BYPASSED, State.WAITING_FOR_SERVER, State.WAITING_FOR_MICROPHONE):
        text = _("densenoised is in trouble: {what}").format(what=status_text.headline(values))
        yield Finding("daemon", Verdict.FAULT, text, see_log())
    else:
        text = _("densenoised runs: {what}").format(what=status_text.headline(values))
        yield Finding("daemon", Verdict.GOOD, text)
    if values["Muted"]:
        yield Finding("daemon-muted", Verdict.ADVICE, _("DenseNoiser is muted"), "densenoiser unmute")
    elif not values["Enabled"]:
        yield Finding("daemon-off", Verdict.ADVICE, _("noise removal is off"), "densenoiser on")
    counters = values["Counters"]
    if counters["deadline_misses"] > _MISSED_SHARE * counters["frames"]:
        text = _("{missed} of {frames} frames took longer than they last")
        yield Finding(
            "deadlines",
            Verdict.ADVICE,
            text.format(missed=counters["deadline_misses"], frames=counters["frames"]),
            _("choose a smaller model (densenoiser models), and see whether another program takes the processor"),
        )
    if counters.get("clipped_frames", 0) > _CLIPPED_SHARE * counters["frames"]:
        text = _("the microphone clips: {clipped} of {frames} frames were cut off at full scale")
        yield Finding(
            "clipping",
            Verdict.ADVICE,
            text.format(clipped=counters["clipped_frames"], frames=counters["frames"]),
            _("lower the microphone's volume, or speak farther from it"),
        )
    if text := status_text.memory(values):
        yield Finding("memory", Verdict.GOOD, text)


def settings(store: SettingsFile) -> Iterator[Finding]:
    """The file says what it means, and can be written."""
    store.load()
    for problem in store.problems:
        yield Finding("settings", Verdict.FAULT, problem, _("edit {path}").format(path=shlex.quote(str(store.path))))
    folder = next(path for path in store.path.parents if path.exists())
    if not os.access(folder, os.W_OK):
        text = _("{folder} is not writable, so settings are lost at the daemon's end").format(folder=folder)
        yield Finding("settings", Verdict.FAULT, text, _("chown or chmod it"))
    elif not store.problems:
        yield Finding("settings", Verdict.GOOD, _("the settings in {path} are fine").format(path=store.path))


def autostart(by_tray: bool = False) -> Iterator[Finding]:
    """The unit is there, starts a program that exists, and is enabled. ``by_tray``: the tray icon starts it at login."""
    unit = next((folder / UNIT for folder in _unit_folders() if (folder / UNIT).is_file()), None)
    if unit is None and by_tray:
        yield Finding("autostart", Verdict.GOOD, _("the daemon starts at login, with the tray icon"))
        return
    if unit is None:
        text = _("{unit} is not installed, so the daemon does not start by itself").format(unit=UNIT)
        yield Finding("autostart", Verdict.ADVICE, text, how_to_start())
        return
    program = _program(unit)
    if not Path(program).is_file():
        text = _("{unit} starts {program}, which does not exist").format(unit=unit, program=program)
        yield Finding("autostart", Verdict.FAULT, text, how_to_start())
        return
    answer = systemctl("is-enabled", UNIT).stdout.strip()
    if answer == "enabled":
        yield Finding("autostart", Verdict.GOOD, _("the daemon starts at login"))
    elif by_tray:
        yield Finding("autostart", Verdict.GOOD, _("the daemon starts at login, with the tray icon"))
    elif has_unit(UNIT):
        text = _("the daemon does not start at login ({answer})").format(answer=answer)
        yield Finding("autostart", Verdict.ADVICE, text, f"systemctl --user enable --now {UNIT}")
    else:
        text = _("there is no systemd here, so the daemon starts with the tray icon or the first command")
        yield Finding("autostart", Verdict.ADVICE, text, "densenoiser-tray --autostart on")


def _unit_folders() -> list[Path]:
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    users = [config / "systemd/user", data / "systemd/user"]
    return [*users, *(Path(base) / "systemd/user" for base in ("/etc", "/usr/local/lib", "/usr/lib", "/lib"))]


def _program(unit: Path) -> str:
    for line in unit.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _equals, value = line.partition("=")
        if key.strip() == "ExecStart":
            words = shlex.split(value.strip().lstrip("@-:+!"))
            return words[0].replace("%h", str(Path.home())) if words else ""
    return ""
