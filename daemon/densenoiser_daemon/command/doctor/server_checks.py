"""Checks the sound server. Each check asks the server and yields findings. Only ``mend`` changes anything."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulsectl

from ...audio.backend import Microphone
from ...audio.pulse.full_volume import FAINT_DB, volume_db
from ...audio.pulse.listeners import is_own, listening_applications
from ...audio.pulse.server_view import ServerView
from ...audio.pulse.streams import NO_INDEX
from ...audio.pulse.virtual_microphone import DESCRIPTION, SINK_NAME, SOURCE_NAME, own_modules
from ...i18n import _
from ..remedies import restart_command
from .finding import Finding, SwitchOn, Verdict
from .microphone_checks import check_microphone


def check_sound(
    pulse: pulsectl.Pulse,
    is_running: bool,
    choice: str,
    identity: Mapping[str, str],
    switch_on: SwitchOn | None,
) -> Iterator[Finding]:
    """Everything, in the order of a frame's way. ``choice`` and ``identity`` are the microphone of the settings."""
    yield server(pulse)
    if is_running:
        yield from virtual_source(pulse)
        yield from strangers(pulse)
    yield from leftovers(pulse, is_running)
    yield from check_microphone(pulse, choice, identity, switch_on)
    view = ServerView(pulse)
    yield from loops(view)
    yield from default_source(pulse, view, switch_on)
    yield from bystanders(pulse, view.microphones)


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
            _("restart it: {command}").format(command=restart_command()),
        )
        return
    sink = next((s for s in pulse.sink_list() if s.name == SINK_NAME), None)
    turned_down = [x for x in (source, sink) if x is not None and (x.mute or volume_db(x) < FAINT_DB)]
    if turned_down:
        text = (
            _('"{name}" is muted in the sound server, so applications hear nothing').format(name=DESCRIPTION)
            if any(x.mute for x in turned_down)
            else _('"{name}" is turned down by {db:.0f} dB, so applications hear little').format(
                name=DESCRIPTION, db=max(-volume_db(x) for x in turned_down)
            )
        )
        remedy = _("turn it up in the sound settings")
        mend = functools.partial(_turn_up, pulse, turned_down)
        yield Finding("virtual-source", Verdict.FAULT, text, remedy, mend)
    else:
        yield Finding("virtual-source", Verdict.GOOD, _('"{name}" is there and turned up').format(name=DESCRIPTION))


def strangers(pulse: pulsectl.Pulse) -> Iterator[Finding]:
    """Who else plays into the virtual microphone. The daemon mutes what the server does not move away."""
    sink = next((s.index for s in pulse.sink_list() if s.name == SINK_NAME), None)
    for stream in pulse.sink_input_list():
        if stream.sink == sink and not is_own(stream):
            text = _('{stream} plays into "{name}"; DenseNoiser keeps it muted there, so nobody hears it')
            yield Finding(
                "stranger",
                Verdict.ADVICE,
                text.format(stream=stream.name, name=DESCRIPTION),
                _('choose another output for it; a combined output should leave "DenseNoiser internal" out'),
            )


def loops(view: ServerView) -> Iterator[Finding]:
    """Sources that carry the sound of the virtual microphone."""
    for source in view.loops:
        if source.name != SOURCE_NAME:
            text = _('{source} carries the sound of "{name}", so DenseNoiser does not take it for a microphone')
            yield Finding(
                "loop",
                Verdict.FAULT if source.is_default else Verdict.ADVICE,
                text.format(source=source.description, name=DESCRIPTION),
                _("choose a real microphone as the default, or name one: densenoiser mic NAME")
                if source.is_default
                else "",
            )


def leftovers(pulse: pulsectl.Pulse, is_running: bool) -> Iterator[Finding]:
    """Modules of a daemon that crashed, or a second set of them."""
    modules = own_modules(pulse)
    if not modules or (is_running and len(modules) <= 2):
        return
    if is_running:
        text = _("the sound server has {count} modules of the virtual microphone instead of 2").format(
            count=len(modules)
        )
        yield Finding("leftovers", Verdict.FAULT, text, _("end the daemon, then run: densenoiser doctor --fix"))
    else:
        yield Finding(
            "leftovers",
            Verdict.FAULT,
            _('a densenoised that crashed left "{name}" behind; applications that use it hear silence').format(
                name=DESCRIPTION
            ),
            _("start densenoised, which takes it over, or remove it with: densenoiser doctor --fix"),
            functools.partial(_unload, pulse, modules),
        )


def default_source(pulse: pulsectl.Pulse, view: ServerView, switch_on: SwitchOn | None) -> Iterator[Finding]:
    """What applications get that do not choose. ``switch_on`` asks the daemon; None while it does not run."""
    name = pulse.server_info().default_source_name
    source = _source(pulse, name)
    virtual = _source(pulse, SOURCE_NAME)
    if source is not None and source.monitor_of_sink != NO_INDEX:
        microphone = next(iter(view.microphones), None)
        better = virtual or (_source(pulse, microphone.name) if microphone is not None else None)
        yield Finding(
            "default-source",
            Verdict.FAULT,
            _("the default microphone is {description}: what the speakers play").format(description=source.description),
            _("choose a microphone as the default in the sound settings"),
            functools.partial(_set_default, pulse, better) if better is not None else None,
        )
    elif virtual is not None and name != SOURCE_NAME:
        said = _('made "DenseNoiser Mic" the default microphone; undo it with: densenoiser default off')
        yield Finding(
            "default-source",
            Verdict.ADVICE,
            _("applications that do not choose take {name}, unfiltered").format(
                name=source.description if source else name
            ),
            _('choose "{description}" in the application, or for all: densenoiser default on').format(
                description=DESCRIPTION
            ),
            functools.partial(switch_on, "Default", said) if switch_on is not None else None,
        )


def bystanders(pulse: pulsectl.Pulse, microphones: Sequence[Microphone]) -> Iterator[Finding]:
    """Applications that record a microphone past the filter."""
    if _source(pulse, SOURCE_NAME) is None:
        return
    outputs = [output for output in pulse.source_output_list() if not is_own(output)]
    for source in microphones:
        past = listening_applications(outputs, source.index)
        if past:
            yield Finding(
                "bystanders",
                Verdict.ADVICE,
                _("{applications} records {source} unfiltered").format(
                    applications=", ".join(past), source=source.description
                ),
                _('choose "{description}" as the microphone there').format(description=DESCRIPTION),
            )


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


def _set_default(pulse: pulsectl.Pulse, source: Any) -> str:
    pulse.source_default_set(source)
    return _("made {description} the default microphone").format(description=source.description)
