"""The doctor's look at the sound server. Each check asks the server and yields findings; none changes anything."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pulsectl

from ..audio.demand import listeners
from ..audio.libpulse import MainLoop, RecordStream
from ..audio.virtual_source import DESCRIPTION, SINK_NAME, SOURCE_NAME
from ..errors import DeviceError
from ..i18n import _
from ..settings import AUTO
from .finding import Finding, Verdict

_NO_MONITOR = 2**32 - 1
_RATE = 48_000
_RECORD_SECONDS = 1.0
_FIRST_SOUND_SECONDS = 2.0
_FAINT_DBFS = -75.0
_LOW_VOLUME = 0.1


def check_sound(pulse: pulsectl.Pulse, is_running: bool, choice: str) -> Iterator[Finding]:
    """Everything, in the order of a frame's way. ``choice`` is the microphone of the settings."""
    yield server(pulse)
    if is_running:
        yield from virtual_source(pulse)
    yield from leftovers(pulse, is_running)
    microphone = chosen_source(pulse, choice)
    yield from real_source(pulse, choice, microphone)
    yield from bluetooth(pulse, pulse.card_list(), has_microphone=microphone is not None)
    if microphone is not None:
        yield from muted(microphone)
        if not microphone.mute:
            yield from silent(pulse, microphone)
    yield from default_source(pulse)
    yield from bystanders(pulse)


def server(pulse: pulsectl.Pulse) -> Finding:
    """Kind and version."""
    info = pulse.server_info()
    text = _("the sound server is {name} {version}").format(name=info.server_name, version=info.server_version)
    return Finding("server", Verdict.GOOD, text)


def virtual_source(pulse: pulsectl.Pulse) -> Iterator[Finding]:
    """There is one, and nobody turned it down."""
    source = _source(pulse, SOURCE_NAME)
    if source is None:
        yield Finding(
            "virtual-source",
            Verdict.FAULT,
            _('densenoised runs, but "{name}" is not among the microphones').format(name=DESCRIPTION),
            _("restart it: systemctl --user restart densenoised"),
        )
        return
    sink = next((s for s in pulse.sink_list() if s.name == SINK_NAME), None)
    turned_down = [x for x in (source, sink) if x is not None and (x.mute or x.volume.value_flat < _LOW_VOLUME)]
    if turned_down:
        yield Finding(
            "virtual-source",
            Verdict.FAULT,
            _('"{name}" is muted or turned down in the sound server, so applications hear nothing').format(name=DESCRIPTION),
            _("turn it up in the sound settings"),
            functools.partial(_turn_up, pulse, turned_down),
        )
    else:
        yield Finding("virtual-source", Verdict.GOOD, _('"{name}" is there and turned up').format(name=DESCRIPTION))


def leftovers(pulse: pulsectl.Pulse, is_running: bool) -> Iterator[Finding]:
    """Modules of a daemon that crashed, or a second set of them."""
    modules = own_modules(pulse)
    if not modules or (is_running and len(modules) <= 2):
        return
    if is_running:
        text = _("the sound server has {count} modules of the virtual microphone instead of 2").format(count=len(modules))
        yield Finding("leftovers", Verdict.FAULT, text, _("end the daemon, then run: densenoiser doctor --fix"))
    else:
        yield Finding(
            "leftovers",
            Verdict.FAULT,
            _('a densenoised that crashed left "{name}" behind; applications that use it hear silence').format(name=DESCRIPTION),
            _("start densenoised, which takes it over, or remove it with: densenoiser doctor --fix"),
            functools.partial(_unload, pulse, modules),
        )


def real_source(pulse: pulsectl.Pulse, choice: str, microphone: Any) -> Iterator[Finding]:
    """There is a microphone, and it is the chosen one."""
    if microphone is None:
        yield Finding(
            "microphone",
            Verdict.FAULT,
            _("the sound server has no microphone"),
            _("plug one in; for a built-in one, look whether its card is off in the sound settings (pavucontrol, Configuration)"),
        )
    elif choice not in (AUTO, microphone.name):
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
        yield Finding(
            "microphone", Verdict.GOOD, text.format(description=microphone.description, name=microphone.name)
        )


def bluetooth(pulse: pulsectl.Pulse, cards: list[Any], has_microphone: bool) -> Iterator[Finding]:
    """A headset in a profile for listening only has no microphone."""
    for card in cards:
        if not card.name.startswith("bluez_card."):
            continue
        name = card.proplist.get("device.description", card.name)
        with_microphone = [
            p for p in card.profile_list if p.available and p.n_sources and ("headset" in p.name or "handsfree" in p.name)
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
            _("switch it over: pactl set-card-profile {card} {profile}").format(card=card.name, profile=best.name),
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
            _("unmute it: pactl set-source-mute {name} 0").format(name=microphone.name),
        )
    elif microphone.volume.value_flat < _LOW_VOLUME:
        yield Finding(
            "muted",
            Verdict.FAULT,
            _("{description} is turned down to {volume:.0%}").format(
                description=microphone.description, volume=microphone.volume.value_flat
            ),
            _("turn it up: pactl set-source-volume {name} 100%").format(name=microphone.name),
        )


def silent(pulse: pulsectl.Pulse, microphone: Any) -> Iterator[Finding]:
    """Record a second and look."""
    try:
        peak, seconds = record_peak(pulse, microphone.name)
    except DeviceError as error:
        yield Finding("silent", Verdict.FAULT, str(error), _("close the program that holds the microphone, or plug it in again"))
        return
    dbfs = 20.0 * math.log10(peak) if peak > 0.0 else -math.inf
    if seconds == 0.0:
        text = _("{description} delivers no sound at all")
        verdict, remedy = Verdict.FAULT, _("plug it in again, or restart the sound server")
    elif peak == 0.0:
        text = _("{description} delivers nothing but zeros")
        verdict, remedy = Verdict.FAULT, _("look for a switch on the microphone or a key on the keyboard that silences it")
    elif dbfs < _FAINT_DBFS:
        text = _("{description} is very faint: {dbfs:.0f} dBFS at most within a second")
        verdict, remedy = Verdict.ADVICE, _("turn it up in the sound settings (pavucontrol, Input Devices)")
    else:
        text = _("{description} delivers sound, {dbfs:.0f} dBFS at most within a second")
        verdict, remedy = Verdict.GOOD, ""
    yield Finding("silent", verdict, text.format(description=microphone.description, dbfs=dbfs), remedy)


def default_source(pulse: pulsectl.Pulse) -> Iterator[Finding]:
    """What applications get that do not choose."""
    name = pulse.server_info().default_source_name
    source = _source(pulse, name)
    virtual = _source(pulse, SOURCE_NAME)
    if source is not None and source.monitor_of_sink != _NO_MONITOR:
        better = virtual or next(iter(_real_sources(pulse)), None)
        yield Finding(
            "default-source",
            Verdict.FAULT,
            _("the default microphone is {description}: what the speakers play").format(description=source.description),
            _("choose a microphone as the default in the sound settings"),
            functools.partial(_set_default, pulse, better) if better is not None else None,
        )
    elif virtual is not None and name != SOURCE_NAME:
        yield Finding(
            "default-source",
            Verdict.ADVICE,
            _("applications that do not choose take {name}, unfiltered").format(name=source.description if source else name),
            _('choose "{description}" in the application, or for all: pactl set-default-source {name}').format(
                description=DESCRIPTION, name=SOURCE_NAME
            ),
        )


def bystanders(pulse: pulsectl.Pulse) -> Iterator[Finding]:
    """Applications that record a microphone past the filter."""
    if _source(pulse, SOURCE_NAME) is None:
        return
    outputs = [o for o in pulse.source_output_list() if not o.proplist.get("application.name", "").startswith("DenseNoiser")]
    for source in _real_sources(pulse):
        past = [name for name in listeners(outputs, source.index) if name != "densenoised"]
        if past:
            yield Finding(
                "bystanders",
                Verdict.ADVICE,
                _("{applications} records {source} unfiltered").format(
                    applications=", ".join(past), source=source.description
                ),
                _('choose "{description}" as the microphone there').format(description=DESCRIPTION),
            )


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


def chosen_source(pulse: pulsectl.Pulse, choice: str) -> Any:
    """The source that the daemon takes for ``choice``, or None."""
    real = {source.name: source for source in _real_sources(pulse)}
    default = pulse.server_info().default_source_name
    return real.get(choice) or real.get(default) or next(iter(real.values()), None)


def own_modules(pulse: pulsectl.Pulse) -> list[Any]:
    """The server's modules that make up the virtual microphone, in the order to unload them."""
    marks = ("module-remap-source", f"source_name={SOURCE_NAME}"), ("module-null-sink", f"sink_name={SINK_NAME}")
    modules = pulse.module_list()
    return list(
        chain.from_iterable(
            (m for m in modules if m.name == kind and argument in (m.argument or "").split()) for kind, argument in marks
        )
    )


def _real_sources(pulse: pulsectl.Pulse) -> list[Any]:
    return [s for s in pulse.source_list() if s.monitor_of_sink == _NO_MONITOR and s.name != SOURCE_NAME]


def _source(pulse: pulsectl.Pulse, name: str) -> Any:
    return next((s for s in pulse.source_list() if s.name == name), None)


def _turn_up(pulse: pulsectl.Pulse, devices: list[Any]) -> str:
    for device in devices:
        pulse.mute(device, False)
        pulse.volume_set_all_chans(device, 1.0)
    return _('turned "{name}" up').format(name=DESCRIPTION)


def _unload(pulse: pulsectl.Pulse, modules: list[Any]) -> str:
    for module in modules:
        pulse.module_unload(module.index)
    return _('removed what was left of "{name}"').format(name=DESCRIPTION)


def _set_profile(pulse: pulsectl.Pulse, card: Any, profile: Any) -> str:
    pulse.card_profile_set(card, profile)
    return _('switched the headset to the profile "{profile}"').format(profile=profile.description)


def _set_default(pulse: pulsectl.Pulse, source: Any) -> str:
    pulse.source_default_set(source)
    return _("made {description} the default microphone").format(description=source.description)
