"""Records as an ordinary application does, and keeps when each piece of sound arrived."""

from __future__ import annotations

import bisect
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from densenoiser_models.stft import Samples

from ..errors import BackendError
from ..i18n import _
from .private_server import PrivateServer

RATE = 48_000
_CHUNK_BYTES = 480 * 4


def recording_clients(kind: str) -> tuple[str, ...]:
    """Those of the desktop's ordinary recorders that are installed and work on this kind of server."""
    wanted = ("parecord", "pw-record") if kind == "pipewire" else ("parecord",)
    return tuple(client for client in wanted if shutil.which(client))


@dataclass(slots=True)
class Recording:
    """Mono samples at 48 kHz, and when each piece of them reached the client (monotonic clock, s)."""

    samples: Samples
    piece_ends: list[int] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)

    def arrival(self, sample: int) -> float:
        """When the client got this sample."""
        return self.arrivals[min(bisect.bisect_right(self.piece_ends, sample), len(self.arrivals) - 1)]

    def at(self, moment: float) -> int:
        """The first sample that arrived at or after ``moment``."""
        piece = bisect.bisect_left(self.arrivals, moment)
        return self.piece_ends[piece - 1] if piece else 0

    def since(self, moment: float) -> Samples:
        """What arrived at or after ``moment``."""
        return self.samples[self.at(moment) :]

    def moments(self, places: list[tuple[int, int]], moment: float) -> list[float]:
        """When the client got each of ``places`` in ``since(moment)``, which begin with a position in samples."""
        skip = self.at(moment)
        return [self.arrival(skip + position) for position, _length in places]


class Recorder:
    """An ordinary recorder (``parecord`` or ``pw-record``) as an application would be, from ``__init__`` to ``stop``."""

    def __init__(self, server: PrivateServer, source: str, program: str | None = None) -> None:
        """BackendError if no recorder is installed."""
        programs = recording_clients(server.kind)
        if program is None and not programs:
            raise BackendError(_("no recorder found: install pulseaudio-utils"))
        program = program or programs[0]
        if program == "parecord":
            arguments = [
                "parecord",
                f"--device={source}",
                "--raw",
                "--format=float32le",
                f"--rate={RATE}",
                "--channels=1",
            ]
            arguments += ["--latency-msec=10"]
        else:
            arguments = ["pw-record", f"--target={source}", "--format=f32", f"--rate={RATE}", "--channels=1"]
            arguments += ["--latency=10ms", "-"]
        self.started = time.monotonic()
        self._process = server.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._pieces: list[bytes] = []
        self._recording = Recording(np.zeros(0, np.float32))
        self._thread = threading.Thread(target=self._read, name="client", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        count = 0
        rest = b""
        with self._process.stdout as pipe:
            while data := pipe.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
                now = time.monotonic()
                data = rest + data
                whole = len(data) // 4 * 4
                data, rest = data[:whole], data[whole:]
                count += whole // 4
                self._pieces.append(data)
                self._recording.piece_ends.append(count)
                self._recording.arrivals.append(now)

    def snapshot(self) -> Recording:
        """What has been heard so far."""
        pieces = len(self._recording.arrivals)
        samples = np.frombuffer(b"".join(self._pieces[:pieces]), np.float32)
        return Recording(samples, self._recording.piece_ends[:pieces], self._recording.arrivals[:pieces])

    @property
    def is_running(self) -> bool:
        """The recorder has not ended."""
        return self._process.poll() is None

    def stop(self) -> Recording:
        """End the recorder; what it heard."""
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        return self.snapshot()
