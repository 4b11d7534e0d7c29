"""Causes real faults on a private sound server. ``python -m tests.tools.faults`` prints what each one costs."""

from __future__ import annotations

import argparse
import math
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.private_session import Outcome, Stage, restart_seconds
from tests.support.waiting import wait_until

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, SERVER_KINDS, PrivateServer, feed_of
from densenoiser_models.evaluation.machine import heading


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break things; ``act`` breaks and mends them on a stage that is whole."""

    title: str
    act: Callable[[Stage], None]
    kinds: tuple[str, ...] = SERVER_KINDS
    raw_seconds: float = 0.0
    """How long the raw microphone may be heard, s. Infinity stands for an announced bypass.

    While ours is the only source, the server takes its listeners for followers of the default source. It moves them to the
    next microphone that is plugged in, and the daemon brings them back.
    """


def _killed(program: str) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        stage.server.kill(program)
        time.sleep(stage.random.uniform(0.1, 1.0))
        stage.server.start()
        stage.speak()
        stage.mended()

    return act


def _session_manager_killed(stage: Stage) -> None:
    """Its devices go with it, and come back once its successor is up: the microphone is plugged in again.

    Real ones it makes itself; what another program makes while WirePlumber 0.4.13 starts may leave both hanging.
    """
    stage.server.kill("wireplumber")
    stage.fall_silent()
    stage.unplug()
    with stage.server.control() as pulse:
        for module in pulse.module_list():
            if f"sink_name={feed_of()}" in (module.argument or "").split():
                pulse.module_unload(module.index)
    time.sleep(stage.random.uniform(0.1, 1.5))
    stage.server.spawn("wireplumber")
    time.sleep(0.5)
    stage.server.plug_microphone()
    stage.speak()
    stage.mended()


def _unplugged(stage: Stage) -> None:
    stage.unplug()
    time.sleep(1.0)
    stage.plug()
    stage.mended()


def _renamed(stage: Stage) -> None:
    stage.unplug()
    time.sleep(0.5)
    stage.plug("other_mic_renamed")
    stage.mended()


def _rate_changed(stage: Stage) -> None:
    stage.unplug()
    stage.plug(rate=16_000)
    stage.mended()


def _profile_switched(stage: Stage) -> None:
    """As from a headset's profile for music to the one for calls: a source of another name and rate in its place."""
    stage.plug("other_mic_profile", rate=16_000)
    stage.unplug()
    stage.mended()


def _chosen_is_back(stage: Stage) -> None:
    """From its stand-in to the chosen microphone."""
    _profile_switched(stage)
    time.sleep(1.0)
    stage.plug()
    stage.mended()


def _own_as_default(stage: Stage) -> None:
    """And the microphone again, long after the microphones changed: what a user does, and no server."""
    time.sleep(2.5)
    for name in (SOURCE_NAME, MICROPHONE_NAME):
        with stage.server.control() as pulse:
            pulse.source_default_set(pulse.get_source_by_name(name))
        stage.mended()
        time.sleep(1.0)


def _suspended(*order: str) -> Callable[[Stage], None]:
    """As programs see a suspended machine: stopped in this order and continued in the same one, and time went on.

    "server" is all of the server's programs.
    """

    def act(stage: Stage) -> None:
        server = [process for name, process in stage.server.processes.items() if name != "dbus-daemon"]
        assert stage.daemon is not None
        groups = {"server": server, "daemon": [stage.daemon]}
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for name in order:
                for process in groups[name]:
                    process.send_signal(number)
                time.sleep(0.05)
            if number == signal.SIGSTOP:
                time.sleep(stage.frozen_seconds)
        stage.mended()

    return act


def _bus_restarted(stage: Stage) -> None:
    """Sound goes on; the cause is gone when the bus answers, and all is well when the daemon answers on it."""
    stage.server.kill("dbus-daemon")
    (stage.server.folder / "run" / "bus").unlink(missing_ok=True)
    time.sleep(stage.random.uniform(0.1, 1.0))
    stage.server.start_bus()
    stage.mended()
    wait_until(lambda: stage.order("status")[0] == 0, 20, "the daemon on the new bus")
    seconds = time.monotonic() - stage.mended_at
    assert seconds < 3.0, f"back on the bus only after {seconds:.1f} s"


def _disk_full(stage: Stage) -> None:
    assert stage.daemon is not None
    before = stage.settings.read_text()
    _soft, hard = resource.prlimit(stage.daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(stage.daemon.pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        code, text = stage.order("strength", "60")
    finally:
        resource.prlimit(stage.daemon.pid, resource.RLIMIT_FSIZE, (hard, hard))
        stage.mended()
    assert code != 0, text
    assert "cannot store the settings in" in text, text
    assert str(stage.settings) in text, text
    assert stage.settings.read_text() == before
    code, text = stage.order("strength", "50")
    assert code == 0, text
    assert "strength_db = 50.0" in stage.settings.read_text()


def _model_truncated(stage: Stage) -> None:
    whole = stage.model.read_bytes()
    stage.model.write_bytes(whole[: len(whole) // 2])
    time.sleep(0.5)
    stage.model.unlink()
    stage.model.write_bytes(b"another file")
    time.sleep(0.5)
    stage.model.write_bytes(whole)
    stage.mended()
    assert stage.status()["state"] == "running"


def _started_with_a_truncated_model(stage: Stage) -> None:
    whole = stage.model.read_bytes()
    stage.model.write_bytes(whole[: len(whole) // 2])
    try:
        stage.kill_daemon()
        stage.start_daemon()
        wait_until(lambda: stage.status()["state"] == "bypassed", 20, "the bypass is announced")
        assert "was truncated or replaced" in stage.status()["reason"]["error"]
        time.sleep(0.5)
    finally:
        stage.model.write_bytes(whole)
        stage.mended()


def _daemon_killed(stage: Stage) -> None:
    time.sleep(stage.random.uniform(0.0, 0.5))
    stage.kill_daemon()
    stage.mended()
    time.sleep(restart_seconds())
    stage.launch_daemon()


def _daemon_killed_starting(stage: Stage) -> None:
    """Once while it works, and its successor somewhere between its first instruction and its first sound."""
    stage.kill_daemon()
    stage.launch_daemon()
    time.sleep(stage.random.uniform(0.05, 0.9))
    _daemon_killed(stage)


_MOVED_SECONDS = 0.3

FAULTS: dict[str, Fault] = {
    "wireplumber": Fault(
        "WirePlumber killed and restarted", _session_manager_killed, ("pipewire",), raw_seconds=_MOVED_SECONDS
    ),
    "pulseaudio": Fault("PulseAudio killed and restarted", _killed("pulseaudio"), ("pulseaudio",)),
    "pipewire": Fault("PipeWire killed and restarted", _killed("pipewire"), ("pipewire",)),
    "pipewire-pulse": Fault("pipewire-pulse killed and restarted", _killed("pipewire-pulse"), ("pipewire",)),
    "unplugged": Fault("microphone unplugged, plugged in again", _unplugged, raw_seconds=_MOVED_SECONDS),
    "renamed": Fault("microphone plugged in again under another name", _renamed, raw_seconds=_MOVED_SECONDS),
    "rate": Fault("microphone's rate changed", _rate_changed, raw_seconds=_MOVED_SECONDS),
    "profile": Fault("profile switched: another source in its place", _profile_switched, raw_seconds=_MOVED_SECONDS),
    "back": Fault("chosen microphone comes back", _chosen_is_back, raw_seconds=_MOVED_SECONDS),
    "default": Fault("default source set to DenseNoiser Mic, and back", _own_as_default, raw_seconds=_MOVED_SECONDS),
    "server-frozen": Fault("sound server stands still", _suspended("server")),
    "daemon-frozen": Fault("daemon stands still", _suspended("daemon")),
    "suspend": Fault("suspend and resume, server first", _suspended("server", "daemon")),
    "suspend-daemon": Fault("suspend and resume, daemon first", _suspended("daemon", "server")),
    "bus": Fault("D-Bus killed and restarted", _bus_restarted),
    "disk": Fault("disk full when a setting is stored", _disk_full),
    "model": Fault("model file truncated, replaced", _model_truncated),
    "model-start": Fault(
        "started with a truncated model, then mended", _started_with_a_truncated_model, raw_seconds=math.inf
    ),
    "killed": Fault("daemon killed at a random moment", _daemon_killed),
    "killed-start": Fault("daemon killed while starting", _daemon_killed_starting),
}


def describe(heard: Mapping[str, float]) -> str:
    """What an application heard for 50 ms and more, in words, the longest first."""
    words = [f"{kind} {s:.1f} s" for kind, s in sorted(heard.items(), key=lambda item: -item[1]) if s >= 0.05]
    return ", ".join(words) or "clean throughout"


def _repeat(kind: str, name: str, repeats: int) -> list[Outcome]:
    """One fault again and again in a session of its own."""
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="dn-") as folder, PrivateServer(kind, Path(folder)) as server:
        stage = Stage(server, seed=len(name))
        try:
            for _round in range(repeats):
                outcome = stage.suffer(FAULTS[name].act)
                outcomes.append(outcome)
                sys.stderr.write(f"{kind} {name}: {outcome.seconds:.2f} s, {describe(outcome.heard)}\n")
        finally:
            stage.close()
    return outcomes


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table in Markdown; 1 if something took longer than 3 s or let the raw microphone through."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--server", action="append", choices=SERVER_KINDS, help="default: both")
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"default: all of {', '.join(FAULTS)}")
    args = parser.parse_args(argv)
    kinds = args.server or list(reversed(SERVER_KINDS))
    outcomes: dict[tuple[str, str], list[Outcome]] = {}
    for kind in kinds:
        for name in args.faults or FAULTS:
            if kind in FAULTS[name].kinds:
                outcomes[name, kind] = _repeat(kind, name, args.repeats)
    sys.stdout.write(heading("python -m tests.tools.faults") + "\n")
    sys.stdout.write(f"| fault | the application hears meanwhile | {' | '.join(f'{kind}, s' for kind in kinds)} |\n")
    sys.stdout.write("| --- | --- |" + " --- |" * len(kinds) + "\n")
    is_well = True
    for name, fault in FAULTS.items():
        rows = [outcomes.get((name, kind), []) for kind in kinds]
        if not any(rows):
            continue
        heard = [o.heard for row in rows for o in row]
        mean = {kind: statistics.mean(one[kind] for one in heard) for kind in heard[0]}
        cells = [
            f"{statistics.median(o.seconds for o in row):.1f} (at most {max(o.seconds for o in row):.1f})"
            if row
            else "–"
            for row in rows
        ]
        sys.stdout.write(f"| {fault.title} | {describe(mean)} | {' | '.join(cells)} |\n")
        is_well &= all(o.seconds <= 3.0 for row in rows for o in row)
        is_well &= all(one["raw"] <= fault.raw_seconds for one in heard)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
