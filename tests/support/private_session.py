"""A session to break: a private server, a microphone with a tone, ``densenoised`` on it, an application that listens.

The tone and the model make plain what is heard: the raw microphone peaks at 0.5, the filtered one at 0.125 at most.
"""

from __future__ import annotations

import configparser
import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soundfile
from tests.support.tiny_model import write_tiny_model
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.command.cli import main as densenoiser
from densenoiser_daemon.measurement.demo import start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer, feed_of
from densenoiser_daemon.measurement.recorder import RATE, Recorder

UNIT = Path(__file__).parents[2] / "packaging" / "share" / "systemd" / "user" / "densenoised.service"
_TONE_HZ = 250.0
_TONE_SECONDS = 120
_BLOCK = 480
_SILENT_BELOW, _RAW_ABOVE = 0.002, 0.25
_STEADY_SECONDS = 0.2
_DROPOUT_SECONDS = 0.03
_PATIENCE_SECONDS = 20.0


def restart_seconds() -> float:
    """How long the service manager waits before it starts a daemon again that died."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    return float(unit["Service"]["RestartSec"])


class Ear:
    """An application on "DenseNoiser Mic"; when its stream ends it connects again as soon as the name is listed."""

    def __init__(self, server: PrivateServer) -> None:
        self._server = server
        self._clients = [Recorder(server, SOURCE_NAME)]

    def tend(self) -> None:
        """Connect again if need be."""
        if self._clients[-1].is_running:
            return
        with contextlib.suppress(Exception), self._server.control() as pulse:  # the server may be away, or half there
            if SOURCE_NAME in {source.name for source in pulse.source_list()}:
                self._clients.append(Recorder(self._server, SOURCE_NAME))

    def heard(self) -> list[tuple[float, str, float]]:
        """Each piece of what it got: arrival (monotonic clock, s), kind by the 10 ms that end with it, and length, s."""
        found = []
        for client in self._clients:
            recording = client.snapshot()
            begin = 0
            for end, arrival in zip(recording.piece_ends, recording.arrivals, strict=True):
                found.append((arrival, _kind(recording.samples[max(0, end - _BLOCK) : end]), (end - begin) / RATE))
                begin = end
        return found

    def steady_since(self) -> float | None:
        """Since when it has heard nothing but clean sound, or None if it does not, or not long enough to be sure.

        A dropout or two that a busy machine makes do not count.
        """
        now = since = time.monotonic()
        silence = 0.0
        for arrival, kind, length in reversed(self.heard()):
            silence = 0.0 if kind == "clean" else silence + length
            if kind == "raw" or silence > _DROPOUT_SECONDS or since - arrival > 0.15:
                break
            if kind == "clean":
                since = arrival
        return since if now - since > _STEADY_SECONDS else None

    def close(self) -> None:
        for client in self._clients:
            client.stop()


def _kind(block: np.ndarray[Any, np.dtype[np.float32]]) -> str:
    peak = float(np.abs(block).max(initial=0.0))
    return "silence" if peak < _SILENT_BELOW else "raw" if peak > _RAW_ABOVE else "clean"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one fault did to an application."""

    seconds: float
    """From the end of the cause to clean sound that stays; 0 if it was never interrupted. Infinity: it did not come."""
    heard: dict[str, float]
    """Meanwhile: how long, s, of each kind of "clean", "silence", "raw"; "nothing" is time without data."""


class Stage:
    """Everything that a fault may break, and the way to have it whole again."""

    def __init__(self, server: PrivateServer, seed: int = 0) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.model = write_tiny_model(server.folder, "quiet", gain=0.25)
        self.settings = Path(server.environment["XDG_CONFIG_HOME"]) / "densenoiser" / "settings.toml"
        self.daemon: subprocess.Popen[bytes] | None = None
        self.frozen_seconds = 3.0
        """How long a suspended program stands still."""
        self.mended_at = 0.0
        self._player: subprocess.Popen[bytes] | None = None
        self._played_at = 0.0
        seconds = np.arange(RATE * _TONE_SECONDS) / RATE
        self._tone = server.folder / "tone.wav"
        soundfile.write(self._tone, 0.5 * np.sin(2 * np.pi * _TONE_HZ * seconds), RATE, subtype="PCM_16")
        server.start_bus()

    def speak(self) -> None:
        """See that the microphone hears the tone, for half a minute at least."""
        if self._player is None or self._player.poll() is not None or time.monotonic() - self._played_at > 60.0:
            if self._player is not None:
                self._player.kill()
                self._player.wait()
            self._player = self.server.play(self._tone)
            self._played_at = time.monotonic()

    def fall_silent(self) -> None:
        if self._player is not None:
            self._player.kill()

    def plug(self, name: str = MICROPHONE_NAME, rate: int = RATE) -> None:
        """A microphone that hears the tone, the default one from now on."""
        with self.server.control() as pulse:
            if name not in {source.name for source in pulse.source_list()}:
                pulse.module_load(
                    "module-remap-source", f"source_name={name} master={feed_of()}.monitor channels=1 rate={rate}"
                )
            wait_until(
                lambda: name in {source.name for source in pulse.source_list()}, _PATIENCE_SECONDS, "the microphone"
            )
            pulse.source_default_set(pulse.get_source_by_name(name))

    def unplug(self, name: str = MICROPHONE_NAME) -> None:
        self.server.unplug_microphone(name)

    def write_settings(self) -> None:
        """Those of a user who chose the model and the microphone."""
        self.settings.parent.mkdir(exist_ok=True)
        self.settings.write_text(f'model = "{self.model}"\nmicrophone = "{MICROPHONE_NAME}"\nprovider = "cpu"\n')

    def start_daemon(self) -> None:
        """As the service manager does, and ready."""
        self.daemon = start_daemon(self.server, self._command())

    def launch_daemon(self) -> subprocess.Popen[bytes]:
        """As the service manager does; comes back at once."""
        with (self.server.folder / "densenoised.log").open("ab") as log:
            self.daemon = self.server.run(self._command(), stdout=log, stderr=log)
        return self.daemon

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "densenoiser_daemon.main", "--wait", "--verbose"]

    def kill_daemon(self) -> None:
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()

    def order(self, *words: str) -> tuple[int, str]:
        """``densenoiser`` with these words: exit code and what it printed, errors too."""
        output = io.StringIO()
        with (
            mock.patch.dict(os.environ, self.server.environment, clear=True),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
        ):
            return densenoiser(words), output.getvalue()

    def status(self) -> dict[str, Any]:
        code, text = self.order("status", "--json")
        assert code == 0, text
        values: dict[str, Any] = json.loads(text)
        return values

    def log(self) -> str:
        return (self.server.folder / "densenoised.log").read_text(errors="replace")

    def prepare(self) -> Ear:
        """All is whole, and the application hears clean sound."""
        self.server.start()
        self.server.start_bus()
        with self.server.control() as pulse:
            names = {source.name for source in pulse.source_list()}
        if MICROPHONE_NAME not in names:
            self.plug()
        for name in names:
            if name.startswith("other_mic"):
                self.unplug(name)
        self.speak()
        if self.daemon is None or self.daemon.poll() is not None:
            self.write_settings()
            self.start_daemon()
        ear = Ear(self.server)
        try:
            wait_until(lambda: ear.steady_since() is not None, _PATIENCE_SECONDS, "clean sound before the fault")
        except TimeoutError:
            ear.close()
            raise
        return ear

    def mended(self) -> None:
        """The fault's cause is gone now."""
        self.mended_at = time.monotonic()

    def suffer(self, fault: Callable[[Stage], None]) -> Outcome:
        """Prepare, break and mend by ``fault``, which calls ``mended``; what the application heard."""
        ear = self.prepare()
        try:
            broken_at = self.mended_at = time.monotonic()
            fault(self)
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while (since := ear.steady_since()) is None or time.monotonic() < self.mended_at + _STEADY_SECONDS:
                if time.monotonic() > deadline:
                    self.kill_daemon()  # the next fault begins with another
                    since = float("inf")
                    break
                ear.tend()
                time.sleep(0.05)
            return _outcome(ear.heard(), broken_at, self.mended_at, since)
        finally:
            ear.close()

    def close(self) -> None:
        """End what would outlive the server."""
        for process in (self.daemon, self._player):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        shutil.rmtree(self.settings.parent, ignore_errors=True)


def _outcome(heard: list[tuple[float, str, float]], broken_at: float, mended_at: float, clean_at: float) -> Outcome:
    kinds = dict.fromkeys(("clean", "silence", "raw", "nothing"), 0.0)
    last = broken_at
    for arrival, kind, length in heard:
        if broken_at <= arrival < clean_at:
            kinds[kind] += length
            kinds["nothing"] += _hole(arrival - last)
            last = arrival
    if clean_at > broken_at:
        kinds["nothing"] += _hole(min(clean_at, time.monotonic()) - last)
    return Outcome(max(0.0, clean_at - mended_at), kinds)


def _hole(seconds: float) -> float:
    """Time without data; servers deliver in blocks of up to 50 ms."""
    return seconds if seconds > 0.06 else 0.0
