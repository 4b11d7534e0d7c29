"""``densenoised --demo``: the whole way a person's voice goes, on a private sound server, with figures and a picture."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from subprocess import Popen

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

from densenoiser_models.bundle import how_to_install
from densenoiser_models.signal.lag import whole_lag
from densenoiser_models.signal.level import level_db
from densenoiser_models.signal.si_sdr import si_sdr
from densenoiser_models.signal.speech_activity import SpeechActivity
from densenoiser_models.stft import Samples

from ..audio.pulse.virtual_microphone import DESCRIPTION, SOURCE_NAME
from ..errors import BackendError, DensenoiserError
from ..i18n import _
from ..system.system_package import how_to_start
from .private_server import MICROPHONE_NAME, PrivateServer, available_kinds
from .recorder import RATE, Recorder, Recording
from .signal_match import Delay, delays, delivered, retime

_PLAYERS = ("paplay", "pw-play", "aplay")
_START_SECONDS = 20.0
_TAIL_SECONDS = 0.7
_SPEECH_FRAME = 480
_SPEECH_FLOOR_DB = -40.0


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo measured."""

    before: Samples
    """What the microphone heard, shape (samples,), aligned with the bundled recording."""
    after: Samples
    """What an application got from the virtual microphone, aligned likewise."""
    noise_before_dbfs: float
    noise_after_dbfs: float
    speech_change_db: float
    snr_before_db: float
    snr_after_db: float
    latencies: tuple[Delay, ...]
    xruns: int
    cpu_share: float


def run_demo(folder: Path, kind: str | None, model: str | None, strength: float | None) -> int:
    """Run it, print the figures, leave before.wav, after.wav and, with matplotlib, a picture in ``folder``; the exit code."""
    console = Console()
    kinds = available_kinds()
    if kind is None and not kinds:
        raise BackendError(
            _("the demo needs a sound server: install pipewire, pipewire-pulse and wireplumber, or pulseaudio")
        )
    kind = kind or kinds[0]
    if kind not in kinds:
        raise BackendError(_("{kind} is not installed").format(kind=kind))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DensenoiserError(
            _("cannot write to {folder}: {error}").format(folder=folder, error=error.strerror)
        ) from error
    console.print(
        _("Starting a private {kind}, a microphone that hears a noisy street, and densenoised…").format(kind=kind)
    )
    outcome = measure(kind, model, strength)
    for name, samples in (("before.wav", outcome.before), ("after.wav", outcome.after)):
        soundfile.write(folder / name, samples, RATE, subtype="PCM_16")
    has_picture = draw(folder / "spectrograms.png", outcome)
    _print_figures(console, kind, outcome)
    for text in _what_next(folder, has_picture):
        console.print(text, soft_wrap=True, highlight=False, markup=False)
    return 0


def _what_next(folder: Path, has_picture: bool) -> list[str]:
    """How to listen to the result, where the picture is, and how to have this in a call."""
    player = next((name for name in _PLAYERS if shutil.which(name)), "xdg-open")
    listen = " && ".join(shlex.join([player, str(folder / name)]) for name in ("before.wav", "after.wav"))
    if has_picture:
        picture = _("Look: {picture}").format(picture=folder / "spectrograms.png")
    else:
        picture = _("For a picture of it too: {how}").format(how=how_to_install("'densenoiser[demo]'"))
    return [
        _("Listen, first before and then after: {command}").format(command=listen),
        picture,
        _('To have this in your calls: {command}, then choose "{name}" as the microphone in the application.').format(
            command=how_to_start(), name=DESCRIPTION
        ),
    ]


def measure(kind: str, model: str | None = None, strength: float | None = None) -> DemoResult:
    """Play the bundled recording into a fake microphone and record "DenseNoiser Mic" beside it."""
    speech, noise = load_recording()
    with tempfile.TemporaryDirectory(prefix="densenoiser-") as name, PrivateServer(kind, Path(name)) as server:
        soundfile.write(server.folder / "noisy.wav", speech + noise, RATE, subtype="FLOAT")
        arguments = [sys.executable, "-m", "densenoiser_daemon.main", "--device", MICROPHONE_NAME, "--verbose"]
        arguments += ["--model", model] if model is not None else []
        arguments += ["--strength", f"{strength}"] if strength is not None and math.isfinite(strength) else []
        daemon = start_daemon(server, arguments)
        microphone, application = Recorder(server, MICROPHONE_NAME), Recorder(server, SOURCE_NAME)
        time.sleep(1.5)
        busy, started = cpu_seconds(daemon.pid), time.monotonic()
        player = server.play(server.folder / "noisy.wav")
        player.wait()
        time.sleep(_TAIL_SECONDS)
        cpu_share = (cpu_seconds(daemon.pid) - busy) / (time.monotonic() - started)
        heard, got = microphone.stop(), application.stop()
        daemon.terminate()
        daemon.wait()
        log = (server.folder / "densenoised.log").read_text(errors="replace")
    if faults := [line for line in log.splitlines() if line.startswith("ERROR")]:
        raise DensenoiserError(_("densenoised had trouble:\n{log}").format(log="\n".join(faults)))
    xruns = _count_xruns(log)
    return _outcome(speech, noise, heard, got, xruns, cpu_share)


def load_recording() -> tuple[Samples, Samples]:
    """The bundled speech and noise, both shape (samples,), float32, 48 kHz."""
    parts = []
    for name in ("speech.opus", "noise.opus"):
        with resources.as_file(resources.files(__package__) / "recordings" / name) as path:
            parts.append(soundfile.read(path, dtype="float32")[0])
    length = min(len(part) for part in parts)
    return parts[0][:length], parts[1][:length]


def start_daemon(server: PrivateServer, arguments: list[str]) -> Popen[bytes]:
    """``densenoised`` on this server, once "DenseNoiser Mic" is listed. BackendError with its log if it fails."""
    path = server.folder / "densenoised.log"
    path.unlink(missing_ok=True)
    with path.open("ab") as log:
        process = server.run(arguments, stdout=log, stderr=log)
    deadline = time.monotonic() + _START_SECONDS
    with server.control() as pulse:
        while SOURCE_NAME not in {source.name for source in pulse.source_list()} or b"Ready" not in path.read_bytes():
            if process.poll() is not None or time.monotonic() > deadline:
                raise BackendError(_("densenoised did not start:\n{log}").format(log=path.read_text(errors="replace")))
            time.sleep(0.05)
    return process


def _outcome(
    speech: Samples, noise: Samples, heard: Recording, got: Recording, xruns: int, cpu_share: float
) -> DemoResult:
    before, after = _align(speech + noise, heard.samples), _align(speech, got.samples)
    length = min(len(before), len(after), len(speech))
    before, after, speech = before[:length], after[:length], speech[:length]
    # Dropouts are counted elsewhere: where the server delivered nothing, there is no level of the filter's to measure.
    activity = SpeechActivity.of(speech)
    steady = retime(after, speech)
    return DemoResult(
        before=before,
        after=after,
        noise_before_dbfs=level_db(before[activity.pauses]),
        noise_after_dbfs=level_db(after[activity.pauses & (after != 0.0)]),
        speech_change_db=20
        * math.log10(max(_share(steady, speech, activity.active & delivered(steady, speech)), 1e-9)),
        snr_before_db=si_sdr(speech, retime(before, speech)),
        snr_after_db=si_sdr(speech, steady),
        latencies=tuple(delays(heard, got)),
        xruns=xruns,
        cpu_share=cpu_share,
    )


def _align(reference: Samples, recording: Samples) -> Samples:
    """The part of ``recording`` that lines up with ``reference``; zeros where it is missing."""
    start = whole_lag(reference, recording)
    part = recording[start : start + len(reference)]
    return np.concatenate([part, np.zeros(len(reference) - len(part), np.float32)])


def _share(signal: Samples, speech: Samples, active: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    """How much of the speech is in the signal, linear: its projection on the speech, over the samples of ``active``."""
    part = speech[active]
    return float(signal[active] @ part) / float(part @ part)


def cpu_seconds(pid: int) -> float:
    """What the process and those that it runs, as for an engine, have used so far, user and system, s."""
    seconds = 0.0
    for number in family(pid):
        fields = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def family(pid: int) -> list[int]:
    """The process and its children."""
    lists = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [pid, *(int(child) for children in lists for child in children.split())]


def _count_xruns(log: str) -> int:
    """The last count in the daemon's log: it writes one when it releases the microphone."""
    counts = re.findall(r"xruns=(\d+)", log)
    return int(counts[-1]) if counts else 0


def draw(path: Path, outcome: DemoResult) -> bool:
    """Both spectrograms, one above the other; False if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: PLC0415  (an extra: only the demo draws)
    except ImportError:
        return False
    matplotlib.use("agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(2, 1, sharex=True, sharey=True, figsize=(12, 7), layout="constrained")
    titles = (_("before: the microphone"), _("after: {name}").format(name=DESCRIPTION))
    for axis, title, samples in zip(axes, titles, (outcome.before, outcome.after), strict=True):
        dither = 1e-7 * np.random.default_rng(0).standard_normal(len(samples))  # digital silence has no level in dB
        image = axis.specgram(samples + dither, NFFT=1024, noverlap=768, Fs=RATE, vmin=-140, vmax=-40, cmap="magma")[3]
        axis.set(title=title, ylabel=_("frequency, Hz"), ylim=(0, 16_000))
    axes[-1].set_xlabel(_("time, s"))
    figure.colorbar(image, ax=axes, label=_("level, dB/Hz"))
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    return True


def _print_figures(console: Console, kind: str, outcome: DemoResult) -> None:
    milliseconds = np.array([d.seconds for d in outcome.latencies]) * 1e3
    if len(milliseconds):
        latency = f"{np.median(milliseconds):.0f} / {np.percentile(milliseconds, 95):.0f} ms"
    else:
        latency = _("not measurable")
    reduction = outcome.noise_before_dbfs - outcome.noise_after_dbfs
    table = Table(title=_("DenseNoiser on a private {kind}").format(kind=kind), title_justify="left", show_header=False)
    for row in (
        (
            _("noise reduction in the pauses"),
            f"{reduction:.1f} dB ({outcome.noise_before_dbfs:.0f} → {outcome.noise_after_dbfs:.0f} dBFS)",
        ),
        (_("speech level change"), f"{outcome.speech_change_db:+.1f} dB"),
        (_("speech against the rest (SI-SDR)"), f"{outcome.snr_before_db:.1f} → {outcome.snr_after_db:.1f} dB"),
        (_("added latency, median / p95"), latency),
        (_("xruns"), f"{outcome.xruns}"),
        (_("CPU of the daemon, of one core"), f"{outcome.cpu_share:.1%}"),
    ):
        table.add_row(*row)
    console.print(table)
