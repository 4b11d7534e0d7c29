"""The daemon's properties in words and in JSON: pure functions."""

from __future__ import annotations

import math
import re
from typing import Any

from ..i18n import _, ngettext
from ..settings.settings import AUTO
from ..status import State
from .daemon_client import Properties


def headline(values: Properties) -> str:
    """What the daemon does, in one sentence."""
    listeners = ", ".join(values["Listeners"])
    troubles = {
        State.WAITING_FOR_SERVER: _("waiting for the sound server: {reason}"),
        State.WAITING_FOR_MICROPHONE: _("waiting for a microphone: {reason}"),
        State.BYPASSED: _("noise passes through to {listeners}: {reason}"),
    }
    state = State(values["State"])
    if state in troubles:
        return troubles[state].format(listeners=listeners, reason=values["Reason"])
    if values["Muted"]:
        return _("muted")
    if not values["Enabled"]:
        return _("off: the microphone passes through unchanged")
    if state is State.IDLE:
        return _("on; nobody listens, the microphone is released")
    if values["Reason"]:
        return _("removing noise for {listeners}: {reason}").format(listeners=listeners, reason=values["Reason"])
    return _("removing noise for {listeners}").format(listeners=listeners)


def lines(values: Properties) -> list[tuple[str, str]]:
    """Label and text of each line of the human status."""
    counters = values["Counters"]
    return [
        (_("State"), headline(values)),
        (_("Listeners"), ", ".join(values["Listeners"]) or _("nobody")),
        (_("Microphone"), microphone(values)),
        (_("Strength"), strength(values["Strength"])),
        (_("Model"), model(values)),
        (_("Latency"), latency(values)),
        (_("Sound server"), values["Server"] or _("none")),
        (_("Trouble"), trouble(counters)),
        (_("Real time"), real_time(values)),
        (_("Version"), values["Version"]),
    ]


def microphone(values: Properties) -> str:
    """The microphone in use and how it was chosen."""
    used, choice = values["ActiveMicrophoneDescription"] or values["ActiveMicrophone"], values["Microphone"]
    if not used:
        return _("none") if choice == AUTO else _("none ({choice} is chosen)").format(choice=choice)
    if choice == AUTO:
        return _("{used} (automatic)").format(used=used)
    return (
        used
        if choice == values["ActiveMicrophone"]
        else _("{used} (until {choice} is back)").format(used=used, choice=choice)
    )


def model(values: Properties) -> str:
    """The model and where it runs."""
    if not values["Provider"]:
        return _("{model} (not loaded)").format(model=values["Model"])
    return _("{model} on {provider}").format(model=values["ActiveModel"], provider=values["Provider"])


def strength(strength_db: float) -> str:
    """The attenuation limit."""
    return _("full") if math.isinf(strength_db) else _("{strength:g} dB").format(strength=strength_db)


def latency(values: Properties) -> str:
    """The filter's own delay and that of the transport."""
    text = _("{filter:.1f} ms filter").format(filter=values["AlgorithmicLatency"])
    if values["TransportLatency"]:
        text += _(" + {transport:.1f} ms transport").format(transport=values["TransportLatency"])
    return text + _(" (at most {ceiling:.0f} ms queued)").format(ceiling=values["LatencyCeiling"])


def real_time(values: Properties) -> str:
    """How the audio thread is scheduled and whether its memory is locked."""
    words = _("{scheduling}; memory {memory}")
    return words.format(scheduling=values["Scheduling"] or _("unknown"), memory=values["Memory"] or _("unknown"))


def trouble(counters: dict[str, int]) -> str:
    """The counters that should stay at zero."""
    return ", ".join(
        (
            ngettext("{n} xrun", "{n} xruns", counters["xruns"]).format(n=counters["xruns"]),
            ngettext("{n} late frame", "{n} late frames", counters["deadline_misses"]).format(
                n=counters["deadline_misses"]
            ),
            ngettext("{n} dropped frame", "{n} dropped frames", counters["dropped_frames"]).format(
                n=counters["dropped_frames"]
            ),
            ngettext("{n} restart", "{n} restarts", counters["restarts"]).format(n=counters["restarts"]),
            ngettext("{n} clipped frame", "{n} clipped frames", counters["clipped_frames"]).format(
                n=counters["clipped_frames"]
            ),
        )
    )


def for_json(values: Properties) -> dict[str, Any]:
    """The D-Bus properties in snake_case; full strength is "full", digital silence null."""
    plain = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): _finite(value) for name, value in values.items()}
    if math.isinf(values["Strength"]):
        plain["strength"] = "full"
    return plain


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
