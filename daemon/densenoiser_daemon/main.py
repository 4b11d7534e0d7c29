"""The composition root of ``densenoised``: builds everything in order and takes it down in reverse."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

# Before numpy loads its BLAS: one thread is enough for a frame, and more would steal the other programs' cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from densenoiser_models.frame import FrameSpec

from .audio.backend import AudioBackend
from .audio.microphone_choice import resolve
from .command_line import build_parser
from .control.service import ControlService
from .daemon import Daemon
from .errors import BackendError, DensenoiserError, DeviceError, UnusableModelError, UsageError
from .hearing.playback import Output
from .i18n import _
from .log_lines import log_to_standard_error
from .settings.earlier_default import EarlierDefault
from .settings.file import SettingsFile
from .settings.settings import AUTO, Settings
from .system.instance_lock import InstanceLock
from .system.service_manager import notify

log = logging.getLogger("densenoised")

# Beside a busy Python thread the audio thread woke up to 30 ms late at the default switch interval, under 10 ms at this one.
_SWITCH_INTERVAL_SECONDS = 0.0005
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; the exit code (0 after a clean end, else that of the error)."""
    args = build_parser().parse_args(argv)
    level = logging.DEBUG if args.verbose else logging.INFO
    log_to_standard_error(level)
    try:
        if args.demo is not None:
            with _explained("libpulse", "libpulse0"):
                from .measurement.demo import run_demo  # noqa: PLC0415
            return run_demo(args.demo, args.demo_server, args.model, args.strength)
        return _list_devices(args) if args.list_devices else _serve(args)
    except DensenoiserError as error:
        log.error("%s", error.for_log)
        return error.exit_code


def _settings(args: argparse.Namespace, store: SettingsFile) -> Settings:
    """What is stored, with the command line's wishes for this run on top."""
    settings = store.load()
    for problem in store.problems:
        log.error("%s", problem)
    if args.strength is not None:
        settings = replace(settings, strength_db=args.strength, microphone_strengths={})
    if args.model is not None:
        settings = replace(settings, model=args.model)
    if args.provider is not None:
        settings = replace(settings, provider=args.provider)
    return settings


def _backend_maker(args: argparse.Namespace) -> Callable[[], AudioBackend]:
    """A function that makes the backend the command line asks for, anew after each fault. UsageError, BackendError.

    Each backend loads a library of the system, so only the one that is asked for is imported.
    """
    spec = FrameSpec()
    if args.output is not None and args.backend != "portaudio":
        raise UsageError(_("--output goes with --backend portaudio; the sound server needs none"))
    if args.backend == "portaudio" and args.output is None and not args.list_devices:
        raise UsageError(_("--backend portaudio needs --output: the virtual cable to play into"))
    if args.backend == "portaudio":
        with _explained("PortAudio", "libportaudio2"):
            from .audio.portaudio import PortAudioBackend  # noqa: PLC0415
        return lambda: PortAudioBackend(spec.sample_rate, spec.hop, args.output)
    with _explained("libpulse", "libpulse0"):
        from .audio.pulse.backend import PulseBackend  # noqa: PLC0415
        from .audio.pulse.server_view import Memory  # noqa: PLC0415
    memory = Memory(earlier_default=EarlierDefault())
    return lambda: PulseBackend(spec.sample_rate, spec.hop, memory)


def _output_maker(args: argparse.Namespace) -> Callable[[], Output]:
    """A function that opens what people hear themselves on, anew each time. Its errors: BackendError, DeviceError."""

    def make() -> Output:
        if args.backend == "portaudio":
            raise DeviceError(_("to hear yourself takes PulseAudio or PipeWire"))
        from .audio.pulse.output import DefaultOutput  # noqa: PLC0415

        return DefaultOutput(FrameSpec().sample_rate)

    return make


@contextmanager
def _explained(library: str, package: str) -> Iterator[None]:
    """BackendError with the way out, where an import inside fails for want of the system's ``library``."""
    try:
        yield
    except (OSError, ImportError) as error:  # OSError: ctypes found no such library
        raise BackendError(
            _("{library} cannot be loaded ({error}); install it (Debian: apt install {package})").format(
                library=library, error=error, package=package
            )
        ) from error


def _microphone_name(args: argparse.Namespace) -> str:
    """What people select in an application."""
    if args.output is not None:
        return str(args.output)
    from .audio.pulse.virtual_microphone import DESCRIPTION  # noqa: PLC0415

    return DESCRIPTION


def _first_backend(args: argparse.Namespace, make: Callable[[], AudioBackend]) -> AudioBackend | None:
    """A backend that has looked at the system but not touched it. BackendError, DeviceError.

    None where ``--wait`` leaves it to the engine to connect.
    """
    backend = make()
    try:
        backend.browse()
    except BackendError as error:
        backend.close()
        if args.wait:
            log.warning(_("%s; waiting for it"), error.for_log)
            return None
        if args.backend != AUTO:
            raise
        raise BackendError(
            _("{error}; on a system with neither, use --backend portaudio --output CABLE").format(error=error),
            error.system_words,
        ) from error
    except DensenoiserError:
        backend.close()
        raise
    return backend


def _connected(args: argparse.Namespace, backend: AudioBackend) -> AudioBackend | None:
    """``backend`` with the virtual microphone made; None where ``--wait`` leaves the next try to the engine. BackendError."""
    try:
        backend.connect()
    except BackendError as error:
        if not args.wait:
            raise
        log.warning(_("%s; waiting for it"), error.for_log)
        backend.close()
        return None
    return backend


def _list_devices(args: argparse.Namespace) -> int:
    from .list_devices import print_microphones  # noqa: PLC0415  (rich takes 100 ms to load)

    backend = _backend_maker(args)()
    with ExitStack() as stack:
        stack.callback(backend.close)
        backend.browse()
        wanted = resolve(args.device or AUTO, backend.microphones, backend.loops)
        chosen = backend.choose(wanted, {})
        print_microphones(backend.microphones, chosen.name if chosen else None, backend.server)
        return 0 if backend.microphones else DeviceError.exit_code


def _serve(args: argparse.Namespace) -> int:
    sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
    store = SettingsFile()
    settings = _settings(args, store)
    ended = threading.Event()
    with ExitStack() as stack:
        lock = InstanceLock()
        stack.callback(lock.close)
        for number in _ENDING:
            stack.callback(signal.signal, number, signal.signal(number, lambda *_: ended.set()))
        # Threads inherit this. Only the main thread runs handlers; one that another thread got would not wake it up.
        stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING))
        make = _backend_maker(args)
        daemon = Daemon(make, settings, _output_maker(args))
        if args.model is not None and daemon.model_fault is not None:
            raise UnusableModelError(daemon.model_fault)
        backend = _first_backend(args, make)
        if backend is not None:
            stack.callback(backend.close)
        if args.device is not None:
            name, identity = args.device, {}
            if backend is not None:
                name = resolve(name, backend.microphones, backend.loops)
                identity = next((dict(m.identity) for m in backend.microphones if m.name == name), {})
            daemon.apply(replace(settings, microphone=name, microphone_identity=identity))
        service = ControlService(daemon, store, on_death=ended.set)
        stack.callback(service.stop)
        service.start()
        # Only now: until the name on the bus is ours, the virtual microphone may be another daemon's.
        if backend is not None:
            backend = _connected(args, backend)
        daemon.start(backend, on_change=service.changed, on_end=ended.set)
        notify("READY=1")
        log.info(_('Ready. Select "%s" as the microphone in Zoom, Discord or your browser.'), _microphone_name(args))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        ended.wait()
        notify("STOPPING=1")
        daemon.quit()
        return 0 if daemon.join() is None and service.fault is None else 1


if __name__ == "__main__":
    sys.exit(main())
