"""Puts the daemon's D-Bus properties into words and into JSON. Pure functions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..i18n import _, ngettext
from ..settings.settings import AUTO
from ..status import ReasonCode, State, WarningCode
from .daemon_client import Properties

Fact = Sequence[Any]
"""A code and its details, as they come over the bus."""


def headline(values: Properties) -> str:
    """What the daemon does, in one sentence."""
    listeners = ", ".join(values["Listeners"]) or _("you alone")
    troubles = {
        State.WAITING_FOR_SERVER: _("waiting for the sound server: {reason}"),
        State.WAITING_FOR_MICROPHONE: _("waiting for a microphone: {reason}"),
        State.BYPASSED: _("noise passes through to {listeners}: {reason}"),
    }
    state = State(values["State"])
    if state in troubles:
        return troubles[state].format(listeners=listeners, reason=reason(values))
    if values["Muted"]:
        return _("muted")
    if not values["Enabled"]:
        return _("off: the microphone passes through unchanged")
    if state is State.IDLE:
        return _("on; nobody listens, the microphone is released")
    if why := reason(values):
        return _("removing noise for {listeners}: {reason}").format(listeners=listeners, reason=why)
    return _("removing noise for {listeners}").format(listeners=listeners)


def lines(values: Properties, verbose: bool = False) -> list[tuple[str, str]]:
    """Label and text of each line of the human status. ``verbose``: with what only engineers ask for."""
    plain = [
        (_("State"), headline(values)),
        *((_("Attention"), text) for text in warnings(values)),
        (_("Microphone"), microphone(values)),
        (_("Levels"), levels(values)),
        (_("Strength"), strength(values["Strength"])),
        (_("Model"), model_label(values["ActiveModel"] or values["Model"])),
        (_("Delay"), delay(values)),
        (_("Problems"), problems(values["Counters"])),
    ]
    if not verbose:
        return plain
    return [
        *plain,
        (_("Listeners"), ", ".join(values["Listeners"]) or _("nobody")),
        (_("Runs on"), model(values)),
        (_("Latency"), latency(values)),
        (_("Sound server"), values["Server"] or _("none")),
        (_("Counters"), trouble(values["Counters"])),
        (_("Real time"), real_time(values)),
        (_("Version"), values["Version"]),
    ]


def levels(values: Properties) -> str:
    """How loud the microphone is, what applications hear of it, and the difference."""
    if values["State"] not in (State.RUNNING, State.BYPASSED):
        return _("the microphone is closed")
    heard, removed = values["OutputLevel"], values["NoiseReduction"]
    text = _("microphone {before}, applications hear {after}").format(
        before=level(values["InputLevel"]), after=level(heard)
    )
    if math.isfinite(removed) and removed >= 0.5:
        text += _("; {level:.0f} dB of noise removed").format(level=removed)
    return text


def level(level_dbfs: float) -> str:
    """A level in words; 0 dB is the loudest there is."""
    return _("silence") if not math.isfinite(level_dbfs) else _("{level:.0f} dB").format(level=level_dbfs)


def delay(values: Properties) -> str:
    """How much later than the microphone applications hear it, ms."""
    milliseconds = values["AlgorithmicLatency"] + values["TransportLatency"]
    if values["TransportLatency"]:
        return _("{delay:.0f} ms").format(delay=milliseconds)
    return _("{delay:.0f} ms, and what the sound server adds").format(delay=milliseconds)


def problems(counters: Mapping[str, int]) -> str:
    """What went wrong since the start, in words, or "none"."""
    interruptions, skipped, clipped, restarts = (
        counters[name] for name in ("xruns", "dropped_frames", "clipped_frames", "restarts")
    )
    said = []
    if interruptions:
        text = ngettext("the sound broke off once", "the sound broke off {n} times", interruptions)
        said.append(text.format(n=interruptions))
    if counters["deadline_misses"]:
        said.append(_("the machine was too busy for {n:.2f} s").format(n=counters["deadline_misses"] / 100))
    if skipped:
        said.append(_("{n:.2f} s were left out to keep the delay short").format(n=skipped / 100))
    if clipped:
        said.append(_("the microphone was too loud for {n:.2f} s; turn it down").format(n=clipped / 100))
    if restarts:
        text = ngettext("the connection was made anew once", "the connection was made anew {n} times", restarts)
        said.append(text.format(n=restarts))
    return ", ".join(said) or _("none")


def microphone(values: Properties) -> str:
    """The microphone in use and how it was chosen."""
    used, choice = values["ActiveMicrophoneDescription"] or values["ActiveMicrophone"], values["Microphone"]
    if values.get("ChannelCount", 0) > 1:
        used = _("{used}, channel {channel} of {count}").format(
            used=used, channel=values["ActiveChannel"], count=values["ChannelCount"]
        )
    if not used:
        return _("none") if choice == AUTO else _("none ({choice} is chosen)").format(choice=choice)
    if choice == AUTO:
        return _("{used} (automatic)").format(used=used)
    return used if not values["IsStandIn"] else _("{used} (until {choice} is back)").format(used=used, choice=choice)


def model(values: Properties) -> str:
    """The model and where it runs."""
    if not values["Provider"]:
        return _("{model} (not loaded)").format(model=values["Model"])
    return _("{model} on {provider}").format(model=values["ActiveModel"], provider=values["Provider"])


def model_meaning(name: str) -> str:
    """What a model or an engine is good for; empty for a model that is not ours."""
    return {
        "densenet-small": _("balanced (ours)"),
        "densenet-next": _("most noise removed (ours)"),
        "densenet-tiny": _("lightest (ours)"),
        "deepfilternet3": _("strongest, and the best voice"),
        "rnnoise": _("well known"),
        "hush": _("only my voice, not those around me (experimental)"),
        "webrtc": _("steady noise alone"),
    }.get(name, "")


def model_label(name: str) -> str:
    """A model's name, and what it is good for."""
    meaning = model_meaning(name)
    return f"{name}: {meaning}" if meaning else name


def strength(strength_db: float) -> str:
    """The attenuation limit, with a word for how much that is."""
    if math.isinf(strength_db):
        return _("full")
    for limit, words in (
        (0.0, _("nothing is removed, {strength:g} dB")),
        (8.0, _("very gentle, {strength:g} dB")),
        (15.0, _("gentle, {strength:g} dB")),
        (25.0, _("medium, {strength:g} dB")),
    ):
        if strength_db <= limit:
            return words.format(strength=strength_db)
    return _("strong, {strength:g} dB").format(strength=strength_db)


def latency(values: Properties) -> str:
    """The filter's own delay and that of the transport."""
    text = _("{filter:.1f} ms filter").format(filter=values["AlgorithmicLatency"])
    if values["TransportLatency"]:
        text += _(" + {transport:.1f} ms transport").format(transport=values["TransportLatency"])
    return text + _(" (at most {ceiling:.0f} ms queued)").format(ceiling=values["LatencyCeiling"])


def reason(values: Properties) -> str:
    """Why the state is what it is; empty if there is nothing to say."""
    return _words(
        values["Reason"],
        {
            ReasonCode.SERVER: "{error}",
            ReasonCode.NO_MICROPHONE: _("no microphone is connected"),
            ReasonCode.MICROPHONE_NOT_READY: _("the microphone is not ready"),
            ReasonCode.MICROPHONE_GONE: _("{microphone} was unplugged or switched off"),
            ReasonCode.MICROPHONE_FAILED: _("{microphone} cannot be opened; another program may hold it"),
            ReasonCode.MODEL_FAILED: "{error}",
            ReasonCode.MODEL_REPLACED: _("{error}; filtering with {lighter} until {chosen} works again"),
            ReasonCode.TOO_SLOW: _(
                "the machine is too slow for {chosen} now; filtering with {lighter} until it is less busy"
            ),
            ReasonCode.TOO_SLOW_FOR_ANY_MODEL: _(
                "the machine is too slow for any model now; it is tried again when it is less busy"
            ),
        },
    )


def warnings(values: Properties) -> list[str]:
    """What hinders people from being heard, a sentence each."""
    words: dict[str, str] = {
        WarningCode.SOURCE_MUTED: _('"DenseNoiser Mic" is muted in the sound settings: applications hear nothing'),
        WarningCode.SOURCE_TURNED_DOWN: _(
            '"DenseNoiser Mic" is turned down by {db} dB in the sound settings: applications hear little'
        ),
        WarningCode.MICROPHONE_MUTED: _("{microphone} is muted in the sound settings"),
        WarningCode.MICROPHONE_TURNED_DOWN: _("{microphone} is turned down by {db} dB in the sound settings"),
        WarningCode.STRANGER: _('{streams} plays into "DenseNoiser Mic"; it is muted there, so nobody hears it'),
        WarningCode.HEADSET: _(
            'the headset {headset} has no microphone in the profile "{profile}"; to switch it over while somebody '
            "listens: densenoiser doctor --fix"
        ),
        WarningCode.LOOP: _(
            '{microphone} carries the sound of "DenseNoiser Mic" itself, so it cannot be the microphone; choose another'
        ),
    }
    return [_words(fact, words) for fact in values.get("Warnings", ())]


def real_time(values: Properties) -> str:
    """How the audio thread is scheduled and whether its memory is locked."""
    return "; ".join(filter(None, (scheduling(values), memory(values)))) or _("unknown")


def scheduling(values: Properties) -> str:
    """How the audio thread is scheduled; empty before it runs."""
    words = {
        "by-limits": _("real time ({policy} {priority}), by the system's limits"),
        "by-rtkit": _("real time ({policy} {priority}), by rtkit"),
        "normal": _("no real time: rtkit is not there or refused ({error})"),
    }
    return _words(values["Scheduling"], words)


def memory(values: Properties) -> str:
    """Whether the daemon's memory is locked; empty before the audio thread runs."""
    words = {
        "locked": _("memory is locked"),
        "limited": _("memory is not locked: the limit (ulimit -l) is {limit} KiB"),
        "not-locked": _("memory is not locked: {error}"),
    }
    return _words(values["Memory"], words)


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
    for name in ("reason", "scheduling", "memory"):
        code, details = values[name.capitalize()]
        plain[name] = {"code": code, **details}
    plain["warnings"] = [{"code": code, **details} for code, details in values.get("Warnings", ())]
    return plain


def _words(fact: Fact, sentences: Mapping[str, str]) -> str:
    """The sentence for a fact from the bus. A code that a newer daemon has is shown as it is."""
    code: str = fact[0]
    details: Mapping[str, str] = fact[1]
    try:
        return sentences.get(code, code).format(**details)
    except KeyError:  # a detail is missing: another version of the daemon
        return code


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
