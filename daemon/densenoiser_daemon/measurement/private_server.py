"""A private sound server with a fake microphone, for the demo, the tests and the figures.

Nothing of it touches the user's server, settings or devices.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar

import pulsectl

from ..errors import BackendError
from ..i18n import _

SERVER_KINDS = ("pipewire", "pulseaudio")
MICROPHONE_NAME = "fake_mic"
MICROPHONE_DESCRIPTION = "Fake Microphone"
_START_SECONDS = 20.0

_PULSEAUDIO_SCRIPT = """\
load-module module-native-protocol-unix auth-anonymous=1 socket={socket}
load-module module-suspend-on-idle
"""


def available_kinds() -> tuple[str, ...]:
    """Those of "pipewire" and "pulseaudio" whose programs are installed."""
    needed = {"pipewire": ("pipewire", "pipewire-pulse", "wireplumber", "dbus-daemon"), "pulseaudio": ("pulseaudio",)}
    return tuple(kind for kind in SERVER_KINDS if all(shutil.which(program) for program in needed[kind]))


def feed_of(microphone: str = MICROPHONE_NAME) -> str:
    """Name of the sink whose sound the fake microphone hears."""
    return f"{microphone}_feed"


class PrivateServer:
    """PulseAudio, or PipeWire with wireplumber and pipewire-pulse, started in ``folder`` and stopped on exit.

    ``environment`` is what a client needs to reach it. ``processes`` maps program to process, so that tests can kill one.
    """

    prefix: ClassVar[tuple[str, ...]] = ()
    """What to put before the command of each of the server's programs: "chroot" and a folder, for another system's server."""

    def __init__(self, kind: str, folder: Path) -> None:
        """``folder`` must exist, and its path must be short: a Unix socket's may have at most 107 bytes."""
        if kind not in SERVER_KINDS:
            raise ValueError(f"unknown kind of sound server {kind!r}")
        self.kind = kind
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        runtime = folder / "run"
        self.socket = runtime / "pulse" / "native"
        for part in (runtime, self.socket.parent, folder / "home", folder / "config"):
            part.mkdir(mode=0o700, exist_ok=True)
        hidden = ("PULSE_", "PIPEWIRE_", "XDG_", "DBUS_", "DISPLAY", "WAYLAND_", "NOTIFY_SOCKET")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)} | {
            "HOME": str(folder / "home"),
            "LANGUAGE": "C",  # what the programs print is searched for English words
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "home" / "state"),
            "XDG_DATA_HOME": str(folder / "home" / "share"),
            "XDG_CACHE_HOME": str(folder / "home" / "cache"),
            "PULSE_SERVER": f"unix:{self.socket}",
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime / 'bus'}",
        }
        self._stack = ExitStack()

    def __enter__(self) -> PrivateServer:
        try:
            self.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start every program that is not running, and the fake microphone. BackendError if the server does not come up."""
        if self.kind == "pulseaudio":
            script = self.folder / "private.pa"
            script.write_text(_PULSEAUDIO_SCRIPT.format(socket=self.socket))
            if "pulseaudio" not in self.processes or self.processes["pulseaudio"].poll() is not None:
                self.socket.unlink(missing_ok=True)
            arguments = ["-n", "-F", str(script), "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
            self.spawn("pulseaudio", *arguments)
        else:
            self.start_bus()
            programs = ("pipewire", "wireplumber", "pipewire-pulse")
            if "pipewire" in self.processes and self.processes["pipewire"].poll() is not None:
                for program in programs:  # as systemd does: the other two depend on the first
                    _end(self.processes[program])
            for program in programs:
                self.spawn(program)
        self._await()
        with self.control() as pulse:
            has_microphone = MICROPHONE_NAME in {source.name for source in pulse.source_list()}
        if not has_microphone:
            self.plug_microphone()

    def start_bus(self) -> None:
        """A private session bus at the address in ``environment``."""
        self.spawn("dbus-daemon", "--session", "--nofork", f"--address={self.environment['DBUS_SESSION_BUS_ADDRESS']}")
        deadline = time.monotonic() + _START_SECONDS
        while not (self.folder / "run" / "bus").exists():
            if time.monotonic() > deadline:
                raise BackendError(
                    _("the private D-Bus did not start; see {log}").format(log=self.folder / "dbus-daemon.log")
                )
            time.sleep(0.01)

    def spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``program`` in this server's environment unless it runs already; its output goes to PROGRAM.log."""
        old = self.processes.get(program)
        if old is not None and old.poll() is None:
            return old
        log: IO[bytes] = self._stack.enter_context((self.folder / f"{program}.log").open("ab"))
        process = subprocess.Popen([*self.prefix, program, *arguments], env=self.environment, stdout=log, stderr=log)
        self.processes[program] = process
        self._stack.callback(_end, process)
        return process

    def kill(self, program: str) -> None:
        """End one program at once, as a crash would."""
        process = self.processes[program]
        process.send_signal(signal.SIGKILL)
        process.wait()

    def control(self) -> pulsectl.Pulse:
        """A connection to look at the server and to plug things in with; close it after use."""
        return pulsectl.Pulse("private-server", server=f"unix:{self.socket}")

    def plug_microphone(self, name: str = MICROPHONE_NAME, description: str = MICROPHONE_DESCRIPTION) -> None:
        """A source that hears what is played into the sink ``feed_of(name)``."""
        feed = feed_of(name)
        with self.control() as pulse:
            if feed not in {sink.name for sink in pulse.sink_list()}:
                pulse.module_load("module-null-sink", f"sink_name={feed} rate=48000 channels=1 norewinds=1")
            pulse.module_load(
                "module-remap-source",
                f"source_name={name} master={feed}.monitor channels=1 source_properties='device.description=\"{description}\"'",
            )
            deadline = time.monotonic() + _START_SECONDS
            while True:
                try:
                    pulse.source_default_set(pulse.get_source_by_name(name))
                    return
                except (
                    pulsectl.PulseIndexError,
                    pulsectl.PulseOperationFailed,
                ) as error:  # the session manager is not ready
                    if self.kind == "pipewire":
                        self.spawn(
                            "wireplumber"
                        )  # as systemd does: one that finds PipeWire not ready yet gives up at once
                    if time.monotonic() > deadline:
                        raise BackendError(
                            _("the private {server} did not make the microphone {name}").format(
                                server=self.kind, name=name
                            )
                        ) from error
                    time.sleep(0.02)

    def unplug_microphone(self, name: str = MICROPHONE_NAME) -> None:
        """Take the source away; what is played into ``feed_of(name)`` goes on unheard."""
        with self.control() as pulse:
            for module in pulse.module_list():
                if (module.argument or "").startswith(f"source_name={name} "):
                    pulse.module_unload(module.index)

    def play(self, path: Path, sink: str = feed_of()) -> subprocess.Popen[bytes]:
        """Play a file into a sink; the process ends with the file.

        The server's block is half of the latency beyond two process times, here 10 ms. Blocks of 10 ms match a microphone
        opened for a call. By default the player asks for seconds of latency. The fake microphone then delivers blocks of
        43 ms, and an application that opens it waits for the end of one.
        """
        return self.run(["paplay", "--latency-msec=100", "--process-time-msec=40", f"--device={sink}", str(path)])

    def run(self, arguments: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        """Start a client of this server; the caller ends it, or the server's exit does."""
        process = subprocess.Popen(arguments, env=self.environment, **options)  # type: ignore[call-overload]
        self._stack.callback(_end, process)
        return process  # type: ignore[no-any-return]

    def _await(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with self.control() as pulse:
                    if self.kind == "pulseaudio" or "PipeWire" in pulse.server_info().server_name:
                        return
            except pulsectl.PulseError as error:
                if time.monotonic() > deadline:
                    raise BackendError(
                        _("the private {server} did not start; see the logs in {folder}").format(
                            server=self.kind, folder=self.folder
                        )
                    ) from error
            time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=3.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
