"""``densenoiser doctor``: finds out what is wrong, says what to do, and mends what can be mended."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import sys
from collections.abc import Iterable, Iterator, Mapping

import pulsectl
from pulsectl._pulsectl import LibPulse

from ...audio.pulse.connection import Connection
from ...errors import BackendError, DensenoiserError
from ...i18n import _, ngettext
from ...settings.file import SettingsFile
from ...system.instance_lock import lock_path
from ..remedies import start_sound_server
from ..terminal import complain, say, say_json
from . import daemon_checks, installation_checks, machine_checks, tray_checks
from .finding import Finding, SwitchOn, Verdict
from .server_checks import check_sound

_SIGNS = {Verdict.FAULT: ("✗", "31"), Verdict.ADVICE: ("!", "33"), Verdict.GOOD: ("✓", "32")}
"""The sign of each verdict and its colour, the worst first."""
_CONNECT_SECONDS = 5.0
_PULSE_ERRORS = (pulsectl.PulseError, LibPulse.CallError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--fix", action="store_true", help=_("mend what is safe to mend, and say what was done"))
    parser.add_argument("--verbose", action="store_true", help=_("say what is fine, too"))
    parser.add_argument("--json", action="store_true", help=_("as JSON; always with what is fine"))


def run(args: argparse.Namespace) -> int:
    """0 if nothing is at fault (any more), 1 otherwise."""
    # Mended while the checks go on, as later ones look at what earlier ones mended; said when all is known.
    report = [(finding, _mend(finding) if args.fix and finding.mend is not None else "") for finding in examine()]
    faults = sum(finding.verdict is Verdict.FAULT and not mended for finding, mended in report)
    if args.json:
        say_json([_for_json(finding, mended) for finding, mended in report])
        return 1 if faults else 0
    worst_first = list(_SIGNS)
    for finding, mended in sorted(report, key=lambda entry: worst_first.index(entry[0].verdict)):
        if finding.verdict is not Verdict.GOOD or args.verbose:
            _say(finding, mended)
    if faults:
        say(ngettext("{n} fault.", "{n} faults.", faults).format(n=faults))
    else:
        say(_("No fault is left.") if args.fix else _("No fault was found."))
    return 1 if faults else 0


def examine() -> Iterator[Finding]:
    """All checks, one after the other."""
    values, process = asyncio.run(daemon_checks.daemon_properties())
    is_locked = process != 0 or _is_locked()
    store = SettingsFile()
    chosen = store.load()
    yield from daemon_checks.daemon(values, is_locked)
    yield from installation_checks.hidden_package()
    choice = values["Microphone"] if values else chosen.microphone
    identity = chosen.microphone_identity if choice == chosen.microphone else {}
    yield from _sound(is_locked, choice, identity, daemon_checks.switch_on if values else None)
    yield from daemon_checks.settings(store)
    yield from machine_checks.models(chosen)
    yield from machine_checks.providers(chosen)
    yield from machine_checks.realtime(process)
    yield from machine_checks.tray()
    yield from tray_checks.panel()
    yield from tray_checks.entry()
    yield from daemon_checks.autostart(by_tray=tray_checks.starts_daemon())


def _sound(is_running: bool, choice: str, identity: Mapping[str, str], switch_on: SwitchOn | None) -> Iterable[Finding]:
    try:
        with Connection("densenoiser-doctor", connect=False) as pulse:
            pulse.reach(_CONNECT_SECONDS)
            yield from check_sound(pulse, is_running, choice, identity, switch_on)
    except (BackendError, *_PULSE_ERRORS) as error:
        yield Finding(
            "server",
            Verdict.FAULT,
            _("no sound server answers: {error}").format(error=getattr(error, "system_words", "") or error),
            start_sound_server(),
        )


def _for_json(finding: Finding, mended: str) -> dict[str, str]:
    return {
        "check": finding.check,
        "verdict": finding.verdict,
        "text": finding.text,
        "remedy": finding.remedy,
        "mended": mended,
    }


def _mend(finding: Finding) -> str:
    """What was done, or "" if it could not be."""
    assert finding.mend is not None
    try:
        return finding.mend()
    except (*_PULSE_ERRORS, DensenoiserError, OSError) as error:
        complain(_("could not mend {check}: {error}").format(check=finding.check, error=error))
        return ""


def _say(finding: Finding, mended: str) -> None:
    say(finding.text, _sign(finding.verdict))
    if mended:
        say(mended, f"  {_sign(Verdict.GOOD)}")
    elif finding.remedy:
        say(finding.remedy, "  →")


def _sign(verdict: Verdict) -> str:
    sign, colour = _SIGNS[verdict]
    return f"\033[{colour}m{sign}\033[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else sign


def _is_locked() -> bool:
    """Whether a daemon holds its lock, bus or no bus."""
    try:
        with lock_path().open(encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
