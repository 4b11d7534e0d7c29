"""Hours of audio through the real engine in seconds, by a simulated clock.

``python -m tests.tools.accelerated_soak --hours 24``
"""

from __future__ import annotations

import argparse
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from tests.support.fake_backend import HEADSET, RATE

from densenoiser_daemon.audio.backend import QUEUE_SECONDS, Channels, Headset, Microphone
from densenoiser_daemon.engine.engine import Engine
from densenoiser_daemon.engine.fallback_ladder import Rung
from densenoiser_daemon.errors import DeviceError
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.status import Fact, Status
from densenoiser_models.denoiser import Bypass
from densenoiser_models.frame import FrameSpec
from densenoiser_models.stft import Samples

CUSHION_SECONDS = 0.015
"""What the simulated server's queue is filled with where it begins or ran empty, as the real backends do."""


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Costly(Bypass):
    """Passes frames through and lets the clock run on by ``cost(now)`` seconds for each."""

    def __init__(self, clock: Clock, cost: Callable[[float], float]) -> None:
        super().__init__(FrameSpec())
        self.clock = clock
        self._cost = cost

    def process(self, frame: Samples) -> Samples:
        self.clock.now += self._cost(self.clock.now)
        return super().process(frame)


class SimulatedBackend:
    """A microphone and a sink whose clocks differ by ``drift_ppm``, on a machine that stalls ``stalls`` times a minute."""

    def __init__(self, clock: Clock, seconds: float, drift_ppm: float, stalls: float, seed: int = 0) -> None:
        self.server = "Simulation"
        self.queue_seconds = QUEUE_SECONDS
        self.microphones: tuple[Microphone, ...] = (HEADSET,)
        self.loops: tuple[Microphone, ...] = ()
        self.warnings: tuple[Fact, ...] = ()
        self.channels = Channels()
        self.is_default = False
        self.headsets: tuple[Headset, ...] = ()
        self.taken_headset: Headset | None = None
        self.listeners: tuple[str, ...] = ("Zoom",)
        self.capture_fault: DeviceError | None = None
        self.capture_latency = self.device_latency = 0.0
        self.xruns = 0
        self.on_end: Callable[[], None] = lambda: None
        self.captured = self.played = 0
        """Samples that the engine has read and written."""
        self.levels = array("f")
        """Seconds in the playback queue after every tenth write."""
        self.highest = 0.0
        """The highest after any."""
        self._clock = clock
        self._end = seconds
        self._rate = RATE * (1.0 + drift_ppm * 1e-6)
        self._stalls = stalls
        self._random = Random(seed)
        rng = np.random.default_rng(seed)
        self._sound = (rng.normal(0.0, 0.05, 4 * RATE) * np.repeat([1.0, 0.01], 2 * RATE)).astype(np.float32)
        self._waiting: deque[Samples] = deque()
        self._due = 0.0
        self._level = self._settled_at = 0.0
        self._writes = 0

    def browse(self) -> None: ...

    def connect(self) -> None: ...

    def close(self) -> None: ...

    def choose(self, wanted: str, identity: Mapping[str, str]) -> Microphone | None:
        return HEADSET

    def take_headset(self, headset: Headset) -> None:
        self.taken_headset = headset

    def give_headset_back(self) -> None:
        self.taken_headset = None

    def be_default(self, wanted: bool) -> None:
        self.is_default = wanted

    def start(self, microphone: Microphone, channel: int | None = None) -> None:
        self._due = self._settled_at = self._clock.now
        self._level = CUSHION_SECONDS

    def stop(self) -> None: ...

    def wake(self) -> None: ...

    def wait(self, timeout: float | None) -> None:
        if timeout != 0.0:
            self._clock.now = max(self._clock.now, self._due)
            # Blocks come 60 times a second or so.
            if self._random.random() < self._stalls / 3600.0:
                self._clock.now += min(0.4, self._random.expovariate(1 / 0.03))
        while self._due <= self._clock.now:
            size = self._random.choice((240, 480, 480, 1024, 1200))
            at = int(self._due * 997) % (len(self._sound) - size)
            self._waiting.append(self._sound[at : at + size])
            self._due += size / self._rate
        if timeout is None:  # it sleeps, with every counter published
            self.on_end()
        elif self._clock.now > self._end:
            self.listeners = ()

    def read(self) -> Samples | None:
        if not self._waiting:
            return None
        block = self._waiting.popleft()
        self.captured += len(block)
        return block

    def write(self, samples: Samples) -> None:
        self._settle()
        self.played += len(samples)
        self._level += len(samples) / RATE
        self.highest = max(self.highest, self._level)
        self._writes += 1
        if self._writes % 10 == 0:
            self.levels.append(self._level)

    @property
    def playback_latency(self) -> float | None:
        self._settle()
        return self._level

    def _settle(self) -> None:
        self._level -= self._clock.now - self._settled_at
        self._settled_at = self._clock.now
        if self._level < 0.0:
            self.xruns += 1
            self._level = CUSHION_SECONDS


@dataclass
class SoakResult:
    """What a soak came to: the last status, those announced while somebody listened, memory in bytes."""

    status: Status
    backend: SimulatedBackend
    changes: list[Status] = field(default_factory=list)
    memory_first: int = 0
    memory_last: int = 0

    @property
    def unaccounted(self) -> int:
        """Samples read that were neither filtered nor counted as dropped: less than a frame, the last one begun."""
        counters = self.status.counters
        return self.backend.captured - FrameSpec().hop * (counters.frames + counters.dropped_frames)

    def quarter(self, number: int) -> float:
        """Median level in a quarter, 0 to 3."""
        levels = self.backend.levels
        return float(np.median(levels[number * len(levels) // 4 : (number + 1) * len(levels) // 4]))


def soak(seconds: float, drift_ppm: float, stalls: float = 6.0, seed: int = 0) -> SoakResult:
    """The engine with a filter that takes 1 ms a frame, and 30 ms for one in 2000."""
    clock, random = Clock(), Random(seed + 1)
    denoiser = Costly(clock, lambda now: 0.030 if random.random() < 0.0005 else 0.001)
    return run(clock, denoiser, SimulatedBackend(clock, seconds, drift_ppm, stalls, seed))


def run(clock: Clock, denoiser: Costly, backend: SimulatedBackend, lighter: Costly | None = None) -> SoakResult:
    """Until the simulated time is over, on the caller's thread."""
    changes: list[Status] = []
    memory: list[int] = []

    def note() -> None:
        if engine.status.listeners:
            changes.append(engine.status)

    engine = Engine(lambda: backend, denoiser, Settings(), "chosen", "cpu", clock=clock)
    engine.on_change(note)
    if lighter is not None:
        engine.use_lighter(Rung(lighter, "lighter", "cpu"))

    def end() -> None:
        memory.append(_memory())
        engine.quit()

    backend.on_end = end
    first = _memory()
    engine.run(backend)
    return SoakResult(engine.status, backend, changes, first, memory[-1])


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


def main() -> int:
    """Soak both ways and say what came of it; 1 if the delay was not bounded or a sample is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="hours of audio for each direction of drift")
    parser.add_argument("--drift", type=float, default=300.0, help="difference of the clocks, ppm")
    parser.add_argument("--stalls", type=float, default=6.0, help="stalls of the machine a minute, 30 ms in the mean")
    args = parser.parse_args()
    failed = 0
    for drift in (args.drift, -args.drift):
        started = time.monotonic()
        outcome = soak(args.hours * 3600, drift, args.stalls)
        most = outcome.backend.highest
        bad = most * 1e3 > outcome.status.latency_ceiling_ms or not 0 <= outcome.unaccounted < FrameSpec().hop
        failed += bad
        quarters = " ".join(f"{outcome.quarter(n) * 1e3:.1f}" for n in range(4))
        sys.stdout.write(
            f"{drift:+.0f} ppm, {args.hours:g} h in {time.monotonic() - started:.0f} s: queue {quarters} ms by quarters, "
            f"at most {most * 1e3:.1f} ms; {outcome.status.counters}; {outcome.unaccounted} samples unaccounted; "
            f"memory {outcome.memory_first / 2**20:.1f} -> {outcome.memory_last / 2**20:.1f} MiB\n"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
