"""``python -m tests.tools.soak --load``: dropouts on a busy machine, beside a plain RNNoise chain on the same server.

The chains run one after the other, each on a fresh private server, under the same load: ``stress-ng --cpu N`` at nice 0.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

from densenoiser_daemon.audio.pulse.virtual_microphone import SOURCE_NAME
from densenoiser_daemon.errors import BackendError
from densenoiser_daemon.measurement.demo import load_recording, start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer
from densenoiser_daemon.measurement.recorder import RATE, Recorder, Recording
from densenoiser_daemon.measurement.signal_match import breaks, silent_gaps
from densenoiser_daemon.system import realtime
from densenoiser_models.stft import Samples

_SETTLING_SECONDS = 2.0
_PLUGIN_LABEL = "noise_suppressor_mono"
"""RNNoise's in its usual LADSPA library, librnnoise_ladspa.so; NoiseTorch carries the same."""
_CHAIN_SOURCE = "rnnoise_mic"
_NO_SYSTEM_BUS = "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"

# Mono all through. As NoiseTorch builds it on a server without module-ladspa-source.
_PULSEAUDIO_CHAIN = (
    ("module-null-sink", "sink_name=rnnoise_out rate=48000 channels=1 norewinds=1"),
    (
        "module-ladspa-sink",
        "sink_name=rnnoise_in sink_master=rnnoise_out label={label} plugin={plugin} control=0 channels=1 rate=48000",
    ),
    (
        "module-loopback",
        "source={microphone} sink=rnnoise_in channels=1 latency_msec=20 source_dont_move=1 sink_dont_move=1",
    ),
    ("module-remap-source", "source_name={source} master=rnnoise_out.monitor channels=1"),
)
# The example of PipeWire's manual, with the latency that an application asks for.
_PIPEWIRE_CHAIN = """\
context.spa-libs = {{ audio.convert.* = audioconvert/libspa-audioconvert, support.* = support/libspa-support }}
context.modules = [
  {{ name = libpipewire-module-rt flags = [ ifexists nofail ] }}
  {{ name = libpipewire-module-protocol-native }}
  {{ name = libpipewire-module-client-node }}
  {{ name = libpipewire-module-adapter }}
  {{ name = libpipewire-module-filter-chain
     args = {{
       node.description = "RNNoise"
       audio.rate = 48000
       audio.channels = 1
       filter.graph = {{ nodes = [
         {{ type = ladspa name = rnnoise plugin = "{plugin}" label = {label} control = {{ "VAD Threshold (%)" = 0.0 }} }}
       ] }}
       capture.props = {{ node.name = rnnoise_capture node.passive = true target.object = {microphone} node.latency = 480/48000 }}
       playback.props = {{ node.name = {source} media.class = Audio/Source }}
     }} }}
]
"""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What an application got from one chain under load."""

    server: str
    chain: str
    scheduling: str
    """Of the most urgent thread of the chain's program."""
    minutes: float
    gaps: int
    """Holes of 1 ms and more."""
    gap_ms: float
    breaks: int
    """Jumps against the known signal."""
    microphone_gaps: int
    """In the microphone itself, at the same time: the server's own."""
    microphone_breaks: int


def compare(kind: str, minutes: float, workers: int, plugin: Path | None) -> list[LoadReport]:
    """Every chain on one kind of server. ``plugin`` is RNNoise's LADSPA library; None leaves that chain out.

    BackendError if stress-ng is not installed or a chain does not come up.
    """
    if shutil.which("stress-ng") is None:
        raise BackendError("the load needs stress-ng: install stress-ng")
    chains: list[tuple[str, Callable[[PrivateServer], tuple[str, str]]]] = [
        ("DenseNoiser", _start_daemon),
        ("DenseNoiser, no real time", _start_daemon_without_real_time),
    ]
    if plugin is not None:
        chains.append(("RNNoise, LADSPA", lambda server: _start_rnnoise(server, plugin)))
    return [_measure(kind, name, start, minutes, workers) for name, start in chains]


def print_reports(reports: list[LoadReport], as_json: bool) -> None:
    """The comparison on standard output, counts by the minute."""
    if as_json:
        sys.stdout.write(json.dumps([asdict(report) for report in reports], indent=2) + "\n")
        return
    columns = (
        "server",
        "chain",
        "scheduling",
        "dropouts a minute",
        "breaks a minute",
        "in the microphone itself",
    )
    table = Table(*columns, title="every core busy", title_justify="left")
    for r in reports:
        table.add_row(
            r.server,
            r.chain,
            r.scheduling,
            f"{r.gaps / r.minutes:.1f} ({r.gap_ms / r.minutes:.0f} ms)",
            f"{r.breaks / r.minutes:.1f}",
            f"{r.microphone_gaps / r.minutes:.1f}; {r.microphone_breaks / r.minutes:.1f}",
        )
    Console().print(table)


def _measure(
    kind: str, name: str, start: Callable[[PrivateServer], tuple[str, str]], minutes: float, workers: int
) -> LoadReport:
    speech, noise = load_recording()
    sound = 2 * speech + noise
    with tempfile.TemporaryDirectory(prefix="dn-") as folder, PrivateServer(kind, Path(folder)) as server:
        repeats = 1 + int((minutes * 60.0 + 60.0) * RATE / len(sound))
        soundfile.write(server.folder / "noisy.wav", np.tile(sound, repeats), RATE, subtype="PCM_16")
        server.play(server.folder / "noisy.wav")
        source, scheduling = start(server)
        microphone, application = Recorder(server, MICROPHONE_NAME), Recorder(server, source)
        time.sleep(_SETTLING_SECONDS)
        load = server.run(["stress-ng", "--quiet", "--cpu", str(workers)], stdout=subprocess.DEVNULL)
        time.sleep(_SETTLING_SECONDS)
        begin = time.monotonic()
        time.sleep(minutes * 60.0)
        end = time.monotonic()
        if load.poll() is not None:
            raise BackendError("stress-ng ended before the measurement did")
        load.terminate()
        load.wait()
        heard, got = microphone.stop(), application.stop()
        with server.control() as pulse:
            info = pulse.server_info()
    gaps, jumps = _dropouts(got, begin, end, sound)
    own_gaps, own_jumps = _dropouts(heard, begin, end, sound)
    return LoadReport(
        server=f"{info.server_name} {info.server_version}",
        chain=name,
        scheduling=scheduling,
        minutes=minutes,
        gaps=len(gaps),
        gap_ms=sum(length for _start, length in gaps) / RATE * 1e3,
        breaks=len(jumps),
        microphone_gaps=len(own_gaps),
        microphone_breaks=len(own_jumps),
    )


def _dropouts(
    recording: Recording, begin: float, end: float, sound: Samples
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Holes and breaks between two moments (monotonic clock, s); BackendError if hardly anything was recorded."""
    part = recording.samples[recording.at(begin) : recording.at(end)]
    if len(part) < RATE or not part.any():
        raise BackendError("the chain delivered nothing under the load")
    return silent_gaps(part), breaks(part, sound)


def _start_daemon(server: PrivateServer, *prefix: str) -> tuple[str, str]:
    # A strength of 20 dB: the sound never falls to digital silence, so exact zeros are holes in the delivery.
    arguments = [sys.executable, "-m", "densenoiser_daemon.main", "--device", MICROPHONE_NAME, "--strength", "20"]
    daemon = start_daemon(server, [*prefix, *arguments])
    return SOURCE_NAME, realtime.scheduling(daemon.pid)


def _start_daemon_without_real_time(server: PrivateServer) -> tuple[str, str]:
    """As where neither the limits nor rtkit grant anything. root passes every limit, so its capability goes as well."""
    prefix = ["env", _NO_SYSTEM_BUS, "prlimit", "--rtprio=0:0"]
    if os.geteuid() == 0:
        prefix += ["setpriv", "--inh-caps=-sys_nice", "--bounding-set=-sys_nice"]
    return _start_daemon(server, *prefix)


def _start_rnnoise(server: PrivateServer, plugin: Path) -> tuple[str, str]:
    names = {"plugin": plugin.resolve(), "label": _PLUGIN_LABEL, "microphone": MICROPHONE_NAME, "source": _CHAIN_SOURCE}
    if server.kind == "pulseaudio":
        program = "pulseaudio"
        with server.control() as pulse:
            for module, arguments in _PULSEAUDIO_CHAIN:
                pulse.module_load(module, arguments.format(**names))
        process = server.processes[program]
    else:
        path = server.folder / "rnnoise.conf"
        path.write_text(_PIPEWIRE_CHAIN.format(**names))
        with (server.folder / "rnnoise.log").open("ab") as log:
            process = server.run(["pipewire", "-c", str(path)], stdout=log, stderr=log)
    deadline = time.monotonic() + 10.0
    with server.control() as pulse:
        while _CHAIN_SOURCE not in {source.name for source in pulse.source_list()}:
            if time.monotonic() > deadline or process.poll() is not None:
                raise BackendError(f"the RNNoise chain did not start; is {plugin} a LADSPA library?")
            time.sleep(0.05)
    return _CHAIN_SOURCE, realtime.scheduling(process.pid)
