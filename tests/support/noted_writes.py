"""``python -m tests.support.noted_writes FILE ARGUMENTS``: ``densenoised``; FILE gets when its sound begins and ceases.

Each change is a line: "sound" or "silence", and when the frame was written (monotonic clock, s).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from densenoiser_daemon.audio.pulse.backend import PulseBackend
from densenoiser_daemon.main import main
from densenoiser_models.stft import Samples


def note_writes(path: Path) -> None:
    """From now on, in this process."""
    file = path.open("a", encoding="ascii", buffering=1)
    write = PulseBackend.write
    last = ""

    def noted(backend: PulseBackend, samples: Samples) -> None:
        nonlocal last
        write(backend, samples)
        now = "sound" if samples.any() else "silence"
        if now != last:
            file.write(f"{now} {time.monotonic():.6f}\n")
            last = now

    PulseBackend.write = noted  # type: ignore[method-assign,assignment]


def read_writes(path: Path) -> list[tuple[str, float]]:
    """The changes so far."""
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return [(kind, float(moment)) for kind, moment in (line.split() for line in lines)]


if __name__ == "__main__":
    note_writes(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
