"""What an application hears and when: recordings made by an ordinary client, and the delay between two of them."""

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
_WINDOW_SECONDS = 1.0
_SEARCH_SECONDS = 0.5
_BREAK_WINDOW_SECONDS = 0.25
_BREAK_SEARCH_SECONDS = 0.06
_BREAK_CORRELATION = 0.5
_LOST_SECONDS = 2.0
_STALE_SECONDS = 0.011
"""What a server kept of an earlier application's last block, at most two blocks, and plays to the next one first."""


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


@dataclass(frozen=True, slots=True)
class Delay:
    """The delay of one recording against another at one moment."""

    moment: float
    """Monotonic clock, s."""
    seconds: float
    """How much later the application got the same sound."""
    correlation: float
    """Normalised cross-correlation at that delay, 0 to 1."""


def delays(before: Recording, after: Recording, every: float = 0.5, correlation: float = 0.3) -> list[Delay]:
    """The delay of ``after`` against ``before`` every ``every`` s, where the sound is clear enough to tell.

    Windows of 1 s of ``after`` are cross-correlated with ``before`` within 0.5 s around the same moment; both positions
    are then turned into the times at which the clients got them.
    """
    window, search = round(_WINDOW_SECONDS * RATE), round(_SEARCH_SECONDS * RATE)
    found = []
    for end in range(window, len(after.samples) - 1, round(every * RATE)):
        piece = after.samples[end - window : end]
        middle = end - window // 2
        centre = before.at(after.arrival(middle)) - window // 2
        start = centre - search
        if start < 0 or start + window + 2 * search > len(before.samples):
            continue
        around = before.samples[start : start + window + 2 * search]
        lag, peak = best_lag(piece, around)
        if peak < correlation:
            continue
        moment = after.arrival(middle)
        found.append(Delay(moment, moment - before.arrival(start + lag + window // 2), peak))
    return found


def retime(signal: Samples, reference: Samples, window: float = 0.05, search: float = 0.02) -> Samples:
    """``signal`` with its slow changes of delay against ``reference`` taken out, both shape (samples,) and roughly aligned.

    Window by window it is shifted by up to ``search`` s to where it fits the reference best, as far as it fits at all.
    Windows are short because a queue is made shorter by up to half a percent: in 0.2 s that is a period at 1 kHz.
    """
    length, reach = round(window * RATE), round(search * RATE)
    padded = np.concatenate([np.zeros(reach, np.float32), signal, np.zeros(reach + length, np.float32)])
    moved = np.zeros_like(reference)
    lag = reach
    for start in range(0, len(reference), length):
        piece = reference[start : start + length]
        found, fit = best_lag(piece, padded[start : start + len(piece) + 2 * reach])
        lag = found if fit > 0.3 else lag
        moved[start : start + length] = padded[start + lag : start + lag + len(piece)]
    return moved


def best_lag(piece: Samples, around: Samples) -> tuple[int, float]:
    """Where in ``around`` the ``piece`` fits best, samples, and the normalised correlation there."""
    size = 1 << (len(around) + len(piece) - 1).bit_length()
    spectrum = np.fft.rfft(around, size) * np.conj(np.fft.rfft(piece, size))
    lags = len(around) - len(piece) + 1
    product = np.fft.irfft(spectrum, size)[:lags]
    energy = np.cumsum(np.concatenate([[0.0], around.astype(np.float64) ** 2]))
    local = energy[len(piece) :] - energy[: -len(piece)]
    norm = np.sqrt(np.maximum(local, 1e-12) * max(float(piece @ piece), 1e-12))
    scores = product / norm
    best = int(np.argmax(scores))
    return best, float(scores[best])


def silent_gaps(samples: Samples, shortest: float = 0.001) -> list[tuple[int, int]]:
    """Runs of exact zeros of at least ``shortest`` s, as (start, length) in samples: where nothing was delivered."""
    zero = np.concatenate([[False], samples == 0.0, [False]])
    edges = np.flatnonzero(np.diff(zero.astype(np.int8)))
    runs = [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [(start, length) for start, length in runs if length >= shortest * RATE]


def first_sound(recording: Recording) -> float:
    """From the application's first data to its first sound, s; infinity if it is all silence.

    A short piece of sound at the very beginning, before the daemon can have heard anything, is the server's: what was left
    in its buffers of the application before. It does not count.
    """
    sounding = recording.samples != 0.0
    begin = 0
    if len(sounding) and sounding[0]:
        silence = np.flatnonzero(~sounding)
        begin = int(silence[0]) if len(silence) and silence[0] <= _STALE_SECONDS * RATE else 0
    found = np.flatnonzero(sounding[begin:])
    if not len(found):
        return float("inf")
    return recording.arrival(begin + int(found[0])) - recording.arrivals[0]


def breaks(samples: Samples, signal: Samples, fastest: float = 0.01) -> list[tuple[int, int]]:
    """Where a recording leaves the known ``signal``, which is played over and over: (position, jump), in samples.

    A positive jump is sound that was lost, a negative one is silence or a repetition put in. The recording is followed in
    windows of a quarter of a second; a jump is a change of the delay by more than 1.5 ms and than ``fastest``, the rate at
    which a correction of the clocks may change it (the drift controller's is 0.83 % at most). Where nothing is to be
    recognised, as in deep pauses, the next clear window tells.
    """
    window, search = round(_BREAK_WINDOW_SECONDS * RATE), round(_BREAK_SEARCH_SECONDS * RATE)
    found: list[tuple[int, int]] = []
    place: int | None = None  # in the signal, of the sample at ``seen``
    seen = 0
    for start in range(0, len(samples) - window + 1, window):
        piece = samples[start : start + window]
        if place is None or start - seen > _LOST_SECONDS * RATE:
            lag, fit = best_lag(piece, _round(signal, 0, len(signal) + window))
            expected = lag if place is None else (place + start - seen) % len(signal)
            half = len(signal) // 2
            jump = (lag - expected + half) % len(signal) - half
        else:
            expected = (place + start - seen) % len(signal)
            lag, fit = best_lag(piece, _round(signal, expected - search, window + 2 * search))
            jump = lag - search
        if fit < _BREAK_CORRELATION:
            continue
        if abs(jump) > 0.0015 * RATE + fastest * (start - seen):
            found.append((start, jump))
        place, seen = expected + jump, start
    return found


def following(found: list[float], causes: list[float], reach: float) -> int:
    """How many of the moments ``found`` lie within ``reach`` of one of ``causes``; all in s, ``causes`` ascending."""
    count = 0
    for moment in found:
        first = bisect.bisect_left(causes, moment - reach)
        count += first < len(causes) and causes[first] <= moment + reach
    return count


def _round(signal: Samples, start: int, length: int) -> Samples:
    """``length`` samples from ``start`` on of the signal that begins again at its end."""
    return np.take(signal, np.arange(start, start + length), mode="wrap")
