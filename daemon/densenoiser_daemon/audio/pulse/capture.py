"""The open microphone: all its channels, the one that is taken, and what the computer plays beside it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pulsectl

from densenoiser_models.stft import Samples

from ...errors import DeviceError
from ..backend import Microphone
from ..channel_choice import LOW_RATE, ChannelChoice, at_low_rate
from ..loopback_watch import LoopbackWatch
from .streams import MONO, RecordStream

_CHECK_FRAMES = 3
_MONITOR_MAP = (1, 2)
"""Front left and front right."""


class Capture:
    """Gives one signal of a microphone. Owned by the audio thread."""

    def __init__(
        self, connection: pulsectl.Pulse, microphone: Microphone, rate: int, fragment: int, channel: int, is_fixed: bool
    ) -> None:
        """``channel`` is the index to begin with, or to stay with if ``is_fixed``. DeviceError if it is refused at once."""
        self._connection = connection
        self._rate = rate
        self._fragment = fragment
        self.microphone = microphone
        self.stream = RecordStream(connection, microphone.name, rate, fragment, microphone.channel_map or MONO)
        self.choice = ChannelChoice(rate, max(1, len(microphone.channel_map)), channel, is_fixed)
        self._watch = LoopbackWatch(self.choice.channels)
        self._monitors: dict[str, RecordStream] = {}
        self._frames = 0

    def watch(self, monitors: Sequence[str]) -> Sequence[RecordStream]:
        """Compare the channels with these sources, monitors of what plays now. Streams that are not needed any more."""
        if self.choice.is_fixed:
            return ()
        ended = [self._monitors.pop(name) for name in set(self._monitors) - set(monitors)]
        self._watch.forget(monitors)
        for name in set(monitors) - set(self._monitors):
            with suppress(DeviceError):
                self._monitors[name] = RecordStream(
                    self._connection, name, self._rate, self._fragment, _MONITOR_MAP, "what is played"
                )
        return ended

    def read(self) -> Samples | None:
        """The next samples of the channel in use, shape (samples,), valid until the next call, or None."""
        block = self.stream.read()
        if block is None:
            return None
        for name, monitor in self._monitors.items():
            while (played := monitor.read()) is not None:
                self._watch.play(name, at_low_rate(played, self._rate // LOW_RATE))
        for frame in self.choice.listen(block):
            self._watch.hear(frame)
            self._frames += 1
            if self._monitors and self._frames % _CHECK_FRAMES == 0:
                self._watch.check()
                self.choice.barred = self._watch.loopbacks
        return self.choice.process(block)

    def streams(self) -> list[RecordStream]:
        """All that is to be closed."""
        return [self.stream, *self._monitors.values()]
