"""Checks the microphone itself: whether it is there, turned up, and audible. Only ``mend`` changes anything."""

from __future__ import annotations

import functools
import math
import shlex
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pulsectl

from ...audio.microphone_choice import choose, find
from ...audio.pulse.full_volume import volume_db
from ...audio.pulse.server_view import ServerView
from ...audio.pulse.streams import MainLoop, RecordStream
from ...errors import DeviceError
from ...i18n import _
from ...settings.settings import AUTO
from .finding import Finding, Verdict

_FAINT_VOLUME_DB = -40.0
_RATE = 48_000
_RECORD_SECONDS = 1.0
_FIRST_SOUND_SECONDS = 2.0
_FAINT_DBFS = -75.0


def check_microphone(pulse: pulsectl.Pulse, choice: str, identity: Mapping[str, str]) -> Iterator[Finding]:
    """Everything. ``choice`` is the microphone of the settings, ``identity`` what it is recognised by."""
    chosen = choose(choice, ServerView(pulse).microphones, identity=identity)
    microphone = next((s for s in pulse.source_list() if chosen is not None and s.name == chosen.name), None)
    is_stand_in = choice != AUTO and chosen is not None and find(choice, [chosen], identity) is None
    yield from real_source(choice, microphone, is_stand_in)
    yield from bluetooth(pulse, pulse.card_list(), has_microphone=microphone is not None)
    if microphone is not None:
        yield from muted(microphone)
        if not microphone.mute:
            yield from silent(pulse, microphone)


def real_source(choice: str, microphone: Any, is_stand_in: bool) -> Iterator[Finding]:
    """There is a microphone, and it is the chosen one."""
    if microphone is None:
        yield Finding(
            "microphone",
            Verdict.FAULT,
            _("the sound server has no microphone"),
            _(
                "plug one in; for a built-in one, look whether its card is off in the sound settings (pavucontrol, Configuration)"
            ),
        )
    elif is_stand_in:
        yield Finding(
            "microphone",
            Verdict.ADVICE,
            _("the chosen microphone {choice} is not connected; {used} stands in").format(
                choice=choice, used=microphone.description
            ),
            _("connect it, or choose another: densenoiser mic NAME"),
        )
    else:
        text = _("the microphone is {description} ({name})")
        yield Finding("microphone", Verdict.GOOD, text.format(description=microphone.description, name=microphone.name))


def bluetooth(pulse: pulsectl.Pulse, cards: list[Any], has_microphone: bool) -> Iterator[Finding]:
    """A headset in a profile for listening only has no microphone."""
    for card in cards:
        if not card.name.startswith("bluez_card."):
            continue
        name = card.proplist.get("device.description", card.name)
        with_microphone = [
            p
            for p in card.profile_list
            if p.available and p.n_sources and ("headset" in p.name or "handsfree" in p.name)
        ]
        active = card.profile_active
        if not with_microphone or active is None or active.n_sources:
            continue
        best = max(with_microphone, key=lambda profile: profile.priority)
        yield Finding(
            "bluetooth",
            Verdict.ADVICE if has_microphone else Verdict.FAULT,
            _('the Bluetooth headset {name} is in the profile "{profile}", which has no microphone').format(
                name=name, profile=active.description
            ),
            _("switch it over: pactl set-card-profile {card} {profile}").format(
                card=shlex.quote(card.name), profile=shlex.quote(best.name)
            ),
            # Music sounds worse in a headset profile: done unasked only where there is no microphone otherwise.
            None if has_microphone else functools.partial(_set_profile, pulse, card, best),
        )


def muted(microphone: Any) -> Iterator[Finding]:
    """Muting a physical microphone is a user's decision, so it is not undone unasked."""
    if microphone.mute:
        yield Finding(
            "muted",
            Verdict.FAULT,
            _("{description} is muted in the sound server").format(description=microphone.description),
            _("unmute it: pactl set-source-mute {name} 0").format(name=shlex.quote(microphone.name)),
        )
    elif (volume := volume_db(microphone)) < _FAINT_VOLUME_DB:
        yield Finding(
            "muted",
            Verdict.FAULT,
            _("{description} is turned down by {db:.0f} dB").format(description=microphone.description, db=-volume),
            _("turn it up: pactl set-source-volume {name} 100%").format(name=shlex.quote(microphone.name)),
        )


def silent(pulse: pulsectl.Pulse, microphone: Any) -> Iterator[Finding]:
    """Record a second and look."""
    try:
        peak, seconds = record_peak(pulse, microphone.name)
    except DeviceError as error:
        yield Finding(
            "silent", Verdict.FAULT, str(error), _("close the program that holds the microphone, or plug it in again")
        )
        return
    dbfs = 20.0 * math.log10(peak) if peak > 0.0 else -math.inf
    if seconds == 0.0:
        text = _("{description} delivers no sound at all")
        verdict, remedy = Verdict.FAULT, _("plug it in again, or restart the sound server")
    elif peak == 0.0:
        text = _("{description} delivers nothing but zeros")
        verdict, remedy = (
            Verdict.FAULT,
            _("look for a switch on the microphone or a key on the keyboard that silences it"),
        )
    elif dbfs < _FAINT_DBFS:
        text = _("{description} is very faint: {dbfs:.0f} dBFS at most within a second")
        verdict, remedy = Verdict.ADVICE, _("turn it up in the sound settings (pavucontrol, Input Devices)")
    else:
        text = _("{description} delivers sound, {dbfs:.0f} dBFS at most within a second")
        verdict, remedy = Verdict.GOOD, ""
    yield Finding("silent", verdict, text.format(description=microphone.description, dbfs=dbfs), remedy)


def record_peak(pulse: pulsectl.Pulse, source: str) -> tuple[float, float]:
    """The largest magnitude within a second of sound, and how long a sound came, s. DeviceError if it is refused."""
    stream = RecordStream(pulse, source, _RATE, _RATE // 100)
    loop = MainLoop(pulse)
    peak, samples = 0.0, 0
    deadline = time.monotonic() + _FIRST_SOUND_SECONDS + _RECORD_SECONDS
    try:
        while samples < _RATE * _RECORD_SECONDS and time.monotonic() < deadline:
            loop.iterate(0.1)
            while (block := stream.read()) is not None:
                samples += len(block)
                peak = max(peak, float(np.abs(block).max()))
            if stream.fault is not None:
                raise DeviceError(_("cannot record from {source}: {fault}").format(source=source, fault=stream.fault))
    finally:
        stream.close()
    return peak, samples / _RATE


def _set_profile(pulse: pulsectl.Pulse, card: Any, profile: Any) -> str:
    pulse.card_profile_set(card, profile)
    return _('switched the headset to the profile "{profile}"').format(profile=profile.description)
