"""The virtual microphone: a null sink that the daemon plays into, and a remapped source that applications record from.

One way for PulseAudio and PipeWire alike. When the daemon dies both stay, and applications hear silence rather than
the physical microphone; the next start adopts them.
"""

from __future__ import annotations

import logging

import pulsectl

from ..errors import BackendError
from ..i18n import _

log = logging.getLogger(__name__)

SINK_NAME = "densenoiser_sink"
SOURCE_NAME = "densenoiser_mic"
DESCRIPTION = "DenseNoiser Mic"
_SINK_DESCRIPTION = "DenseNoiser internal"

_SINK_MODULE = "module-null-sink"
_SOURCE_MODULE = "module-remap-source"


def _sink_arguments(rate: int) -> str:
    # norewinds: without it an idle PulseAudio null sink holds an application's first audio back by 0.6 s and more.
    # This way of quoting is the only one that both PulseAudio and every PipeWire understand.
    return (
        f"sink_name={SINK_NAME} rate={rate} channels=1 channel_map=mono norewinds=1 "
        f'sink_properties=\'device.description="{_SINK_DESCRIPTION}" device.class="filter"\''
    )


def _source_arguments() -> str:
    return (
        f"source_name={SOURCE_NAME} master={SINK_NAME}.monitor channels=1 channel_map=mono "
        f"master_channel_map=mono remix=no "
        f'source_properties=\'device.description="{DESCRIPTION}" device.icon_name="audio-input-microphone"\''
    )


class VirtualSource:
    """The pair of modules on one server. The server is the truth: modules are found by name and argument, not remembered."""

    def __init__(self, pulse: pulsectl.Pulse, rate: int) -> None:
        """Make the pair exist, adopting a complete one that a crash left. BackendError if the server refuses."""
        self._pulse = pulse
        self.adopted = self._is_complete()
        if self.adopted:
            log.info("taking over the virtual microphone that an earlier run left")
            return
        self.remove()
        try:
            pulse.module_load(_SINK_MODULE, _sink_arguments(rate))
            pulse.module_load(_SOURCE_MODULE, _source_arguments())
        except pulsectl.PulseError as error:
            self.remove()
            raise BackendError(_("the sound server refused the virtual microphone: {error}").format(error=error)) from error

    def source_index(self) -> int | None:
        """The server's index of the source that applications record from, or None if somebody removed it."""
        try:
            return int(self._pulse.get_source_by_name(SOURCE_NAME).index)
        except pulsectl.PulseIndexError:
            return None

    def remove(self) -> None:
        """Unload both, the source first."""
        for module in (*self._modules(_SOURCE_MODULE), *self._modules(_SINK_MODULE)):
            try:
                self._pulse.module_unload(module)
            except pulsectl.PulseError as error:
                log.warning("cannot unload module %d of the virtual microphone: %s", module, error)

    def _is_complete(self) -> bool:
        pairs = len(self._modules(_SINK_MODULE)), len(self._modules(_SOURCE_MODULE))
        return pairs == (1, 1) and self.source_index() is not None

    def _modules(self, name: str) -> list[int]:
        own = f"sink_name={SINK_NAME}" if name == _SINK_MODULE else f"source_name={SOURCE_NAME}"
        return [m.index for m in self._pulse.module_list() if m.name == name and own in (m.argument or "").split()]
