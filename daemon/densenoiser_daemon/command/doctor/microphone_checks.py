"""Checks the microphone itself: whether it is there, turned up, and audible. Only ``mend`` changes anything."""

from __future__ import annotations

import functools
import math
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pulsectl

from ...audio.backend import Microphone
from ...audio.microphone_choice import choose, find, headset_to_take
from ...audio.pulse.full_volume import volume_db
from ...audio.pulse.headsets import silent_headsets
from ...audio.pulse.server_view import ServerView
from ...audio.pulse.streams import MainLoop, RecordStream
from ...errors import DeviceError
from ...i18n import _
from ...settings.settings import AUTO
from .finding import Finding, SwitchOn, Verdict

_FAINT_VOLUME_DB = -40.0
_RATE = 48_000
_RECORD_SECONDS = 1.0
_FIRST_SOUND_SECONDS = 2.0
_FAINT_DBFS = -75.0


def check_microphone(
    pulse: pulsectl.Pulse, choice: str, identity: Mapping[str, str], switch_on: SwitchOn | None
) -> Iterator[Finding]:
    """Everything. ``choice`` is the microphone of the settings, ``identity`` what it is recognised by."""
    microphones = ServerView(pulse).microphones
    chosen = choose(choice, microphones, identity=identity)
    microphone = next((s for s in pulse.source_list() if chosen is not None and s.name == chosen.name), None)
    is_stand_in = choice != AUTO and chosen is not None and find(choice, [chosen], identity) is None
    yield from real_source(choice, microphone, is_stand_in)
    yield from bluetooth(pulse.card_list(), choice, microphones, switch_on)
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


def bluetooth(
    cards: list[Any], choice: str, microphones: Sequence[Microphone], switch_on: SwitchOn | None
) -> Iterator[Finding]:
    """A headset in a profile for listening only has no microphone. ``switch_on`` asks the daemon to switch it over.

    Music sounds worse in a headset profile. So it is a fault only where its microphone is the chosen one or would be the
    only one.
    """
    headsets = silent_headsets(cards)
    wanted = headset_to_take(choice, microphones, headsets)
    said = _("the headset gets its microphone while somebody listens, and its earlier profile afterwards")
    for headset in headsets:
        yield Finding(
            "bluetooth",
            Verdict.FAULT if headset == wanted else Verdict.ADVICE,
            _('the Bluetooth headset {name} is in the profile "{profile}", which has no microphone').format(
                name=headset.description, profile=headset.profile_description
            ),
            _("switch it over: pactl set-card-profile {card} {profile}").format(
                card=headset.card, profile=headset.talking_profile
            ),
            functools.partial(switch_on, "HeadsetMicrophone", said)
            if headset == wanted and switch_on is not None
            else None,
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
