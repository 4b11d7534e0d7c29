"""The virtual microphone: a null sink that the daemon plays into, and a remapped source that applications record from.

One way for PulseAudio and PipeWire alike. When the daemon dies both stay, and applications hear silence rather than
the physical microphone; the next start adopts them.
"""

from __future__ import annotations

import logging
import time

import pulsectl

from ...errors import AlreadyRunningError, BackendError
from ...i18n import _
from .listeners import is_own
from .streams import NO_INDEX

log = logging.getLogger(__name__)

SINK_NAME = "densenoiser_sink"
SOURCE_NAME = "densenoiser_mic"
DESCRIPTION = "DenseNoiser Mic"
_SINK_DESCRIPTION = "DenseNoiser internal"
NOWHERE_NAME = "densenoiser_nowhere"
"""A sink for players on a server without loudspeakers; see ``strangers.py``."""
OWN_SINKS = (SINK_NAME, NOWHERE_NAME)
_NOWHERE_ARGUMENTS = (
    f'sink_name={NOWHERE_NAME} sink_properties=\'device.description="Dummy Output" device.class="sound"\''
)

_SINK_MODULE = "module-null-sink"
_SOURCE_MODULE = "module-remap-source"
_SETTLING_SECONDS = 0.2
"""How long the session manager may take to note a new pair: some 30 ms. Before that, listeners of the old one find no other."""

_LEAVING_SECONDS = 2.0
"""How long the stream of a daemon that has just ended may stay listed."""
_APPEARING_SECONDS = 2.0
"""PipeWire, when busy, has loaded a module some milliseconds before it lists what the module made."""


def _sink_arguments(rate: int) -> str:
    # norewinds: without it an idle PulseAudio null sink holds an application's first audio back by 0.6 s and more.
    # This way of quoting is the only one that both PulseAudio and every PipeWire understand. Any other sink is preferred as
    # the default output: by the class on PulseAudio, which ranks modems last, by the priority on PipeWire.
    return (
        f"sink_name={SINK_NAME} rate={rate} channels=1 channel_map=mono norewinds=1 "
        f'sink_properties=\'device.description="{_SINK_DESCRIPTION}" device.class="modem" priority.session="-100"\''
    )


_MONO = "channels=1 channel_map=mono master_channel_map=mono remix=no"
_STEREO = "channels=2 channel_map=front-left,front-right"
"""The same in both channels; see ``VirtualMicrophone.renew``."""


def _source_arguments(layout: str = _MONO) -> str:
    return (
        f"source_name={SOURCE_NAME} master={SINK_NAME}.monitor {layout} "
        f'source_properties=\'device.description="{DESCRIPTION}" device.icon_name="audio-input-microphone"\''
    )


class VirtualMicrophone:
    """The pair of modules on one server. Modules are found by name and argument each time, never remembered."""

    def __init__(self, pulse: pulsectl.Pulse, rate: int) -> None:
        """Make the pair exist, adopting a complete one that a crash left.

        BackendError if the server refuses, AlreadyRunningError while another daemon plays into the pair: it may serve
        another session or user on the same server.
        """
        self._pulse = pulse
        self._rate = rate
        self._await_sole_use()
        self.adopted = self._is_complete()
        if self.adopted:
            log.info("taking over the virtual microphone that an earlier run left")
            return
        self.remove()
        self._make()

    def _await_sole_use(self) -> None:
        end = time.monotonic() + _LEAVING_SECONDS
        while (player := self._other_player()) is not None:
            if time.monotonic() > end:
                properties = player.proplist
                raise AlreadyRunningError(
                    _(
                        'another densenoised (process {process} of {user}) already plays into "{name}" on this sound server; '
                        "end it first"
                    ).format(
                        process=properties.get("application.process.id", "?"),
                        user=properties.get("application.process.user", "?"),
                        name=DESCRIPTION,
                    )
                )
            time.sleep(0.05)

    def _other_player(self) -> pulsectl.PulseSinkInputInfo | None:
        """The stream of another daemon into the sink, or None."""
        sink = next((s.index for s in self._pulse.sink_list() if s.name == SINK_NAME), None)
        return next((i for i in self._pulse.sink_input_list() if i.sink == sink and is_own(i)), None)

    def source_index(self) -> int | None:
        """The server's index of the source that applications record from, or None if somebody removed it."""
        try:
            return int(self._pulse.get_source_by_name(SOURCE_NAME).index)
        except pulsectl.PulseIndexError:
            return None

    def is_cut_off(self) -> bool:
        """The source has lost its link to the sink, as when PipeWire's session manager died, which makes all links."""
        owners = self._modules(SOURCE_NAME, _SOURCE_MODULE)
        return any(o.owner_module in owners and o.source == NO_INDEX for o in self._pulse.source_output_list())

    def renew(self, with_another_layout: bool = False, is_watched: bool = True) -> None:
        """Make the pair anew, and only then remove the old one. BackendError if the server refuses.

        ``is_watched``: a session manager runs, and is given time to take note of the new pair first.

        WirePlumber up to 0.4.15 waits for ever for a node to take a format that the node has already, from an earlier
        WirePlumber. While there is such a sink or source it links nothing for anybody, so the old pair must go. It links
        an application's stream that lived through this only if the stream's format changes. Hence the other layout of the
        channels, which sounds the same. The new pair comes first: without any pair for a moment, the server would move
        applications to the physical microphone.
        """
        sources = self._modules(SOURCE_NAME, _SOURCE_MODULE)
        is_stereo = any(m.index in sources and _STEREO in (m.argument or "") for m in self._pulse.module_list())
        old = sources + self._modules(SINK_NAME, _SINK_MODULE)
        self._make(_STEREO if is_stereo != with_another_layout else _MONO)
        if is_watched:
            time.sleep(_SETTLING_SECONDS)
        self._unload(old)

    def remove(self) -> None:
        """Unload all that is ours, the source first."""
        modules = (SOURCE_NAME, _SOURCE_MODULE), (SINK_NAME, _SINK_MODULE), (NOWHERE_NAME, _SINK_MODULE)
        self._unload([index for name, kind in modules for index in self._modules(name, kind)])

    def _make(self, layout: str = _MONO) -> None:
        try:
            _load(self._pulse, _SINK_MODULE, _sink_arguments(self._rate))
            _load(self._pulse, _SOURCE_MODULE, _source_arguments(layout))
            self._await_source()
        except (BackendError, pulsectl.PulseError):
            self.remove()
            raise

    def _await_source(self) -> None:
        """Return when the source is listed, or with a warning after too long. ``ServerView`` finds it missing then."""
        end = time.monotonic() + _APPEARING_SECONDS
        while self.source_index() is None:
            if time.monotonic() > end:
                log.warning("the sound server has not listed the virtual microphone for %g s", _APPEARING_SECONDS)
                return
            time.sleep(0.01)

    def _unload(self, modules: list[int]) -> None:
        for module in modules:
            try:
                self._pulse.module_unload(module)
            except pulsectl.PulseError as error:
                log.warning("cannot unload module %d of the virtual microphone: %s", module, error)

    def _is_complete(self) -> bool:
        pairs = len(self._modules(SINK_NAME, _SINK_MODULE)), len(self._modules(SOURCE_NAME, _SOURCE_MODULE))
        return pairs == (1, 1) and self.source_index() is not None

    def _modules(self, name: str, kind: str) -> list[int]:
        return [m.index for m in _modules_of(self._pulse, name, kind)]


def load_nowhere(pulse: pulsectl.Pulse) -> None:
    """Make the sink that leads nowhere. BackendError if the server refuses."""
    _load(pulse, _SINK_MODULE, _NOWHERE_ARGUMENTS)


def unload_nowhere(pulse: pulsectl.Pulse) -> None:
    """Remove it: what was played there goes to another sink. pulsectl's errors pass through."""
    for module in _modules_of(pulse, NOWHERE_NAME, _SINK_MODULE):
        pulse.module_unload(module.index)


def own_modules(pulse: pulsectl.Pulse) -> list[pulsectl.PulseModuleInfo]:
    """The modules of the virtual microphone, in the order to unload them."""
    return _modules_of(pulse, SOURCE_NAME, _SOURCE_MODULE) + _modules_of(pulse, SINK_NAME, _SINK_MODULE)


def _modules_of(pulse: pulsectl.Pulse, name: str, kind: str) -> list[pulsectl.PulseModuleInfo]:
    own = {f"sink_name={name}", f"source_name={name}"}
    return [m for m in pulse.module_list() if m.name == kind and own & set((m.argument or "").split())]


def _load(pulse: pulsectl.Pulse, module: str, arguments: str) -> None:
    try:
        pulse.module_load(module, arguments)
    except pulsectl.PulseError as error:
        raise BackendError(
            _(
                'the sound server refused {module}, which "{name}" is made of; let programs load modules: '
                "allow-module-loading = yes in PulseAudio's daemon.conf, pulse.allow-module-loading = true in pipewire-pulse.conf"
            ).format(module=module, name=DESCRIPTION)
        ) from error
