"""A package in the place of WebRTC's that halves the sound, and breaks when it is told to, in whatever process loads it."""

from __future__ import annotations

from pathlib import Path

_SOURCE = """
import os, signal, time
from pathlib import Path

class NoiseSuppressor:
    def __init__(self, **_options):
        if (Path(__file__).parent / "unusable").exists():
            raise OSError("libwebrtc.so: wrong ELF class: ELFCLASS32")

    def process(self, frame):
        for name in ("hangs", "spins", "crashes", "raises", "NaN", "slow"):
            if (Path(__file__).parent / name).exists():
                return getattr(self, name)(frame)
        return 0.5 * frame

    def hangs(self, frame):
        time.sleep(1000)

    def spins(self, frame):
        while True:
            pass

    def crashes(self, frame):
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(1000)

    def raises(self, frame):
        raise RuntimeError("no more memory")

    def NaN(self, frame):
        return frame * float("nan")

    def slow(self, frame):
        time.sleep(0.015)
        return 0.5 * frame

    def reset(self):
        pass
"""


class FakeEngine:
    """``webrtc`` for every process whose PYTHONPATH begins with ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pywebrtc_audio.py").write_text(_SOURCE)
        # What is_installed looks for.
        described = folder / "pywebrtc_audio-0.0.dist-info"
        described.mkdir()
        (described / "METADATA").write_text("Metadata-Version: 2.1\nName: pywebrtc-audio\nVersion: 0.0\n")

    def fail(self, how: str) -> None:
        """From now on each frame "hangs", "spins", "crashes", "raises", is "NaN" or "slow"; or it is "unusable" when opened."""
        (self.folder / how).touch()

    def mend(self) -> None:
        """No longer."""
        for name in ("hangs", "spins", "crashes", "raises", "NaN", "slow", "unusable"):
            (self.folder / name).unlink(missing_ok=True)
