"""``densenoiser enhance``: removes noise from audio files with the same streaming denoiser as the microphone."""

from __future__ import annotations

import argparse
import gettext
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from ..arguments import PROVIDERS, positive, strength
from ..denoiser import OnnxDenoiser
from ..errors import AudioFileError, ModelError
from ..model_file import DEFAULT_MODEL, ModelFile, load_model
from ..shown_text import one_line
from ..strength import FULL_STRENGTH
from .aligned_stream import AlignedStream
from .audio_file import blocks, partial_file, reading, writing
from .encoding import form_for

_ = gettext.gettext

EXIT_OK, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 0, 1, 130
_ENDING = (signal.SIGTERM, signal.SIGHUP)


class InterruptedJobError(Exception):
    """The user interrupted the command. The file being written is dropped."""


class EndedError(BaseException):
    """The command was told to end by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@dataclass(frozen=True, slots=True)
class Enhanced:
    """What became of a file."""

    seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One file to enhance, and where the result goes."""

    source: Path
    target: Path
    model: str
    provider: str
    strength_db: float
    force: bool
    run: int = field(default_factory=os.getpid)
    """The number of the command's main process, which all its jobs share."""


def enhance_file(job: Job, model: ModelFile, on_progress: Callable[[float], None]) -> Enhanced:
    """Enhances one file. ``on_progress`` gets the length of each finished block, s.

    The result has the source's rate, channels, length and texts. Each channel is filtered on its own, and each sample
    keeps its place. Raises AudioFileError or ModelError, and whatever ``on_progress`` raises. Then nothing is left at the
    target.
    """
    warnings: list[str] = []
    with reading(job.source, warnings.append) as source:
        status = job.source.stat()
        form = form_for(job.target, source, job.source)
        denoisers = [OnnxDenoiser(model, job.provider, job.strength_db) for _ in range(source.channels)]
        stream = AlignedStream(denoisers, source.samplerate)
        seconds = 0.0
        with writing(job.target, source, form, job.run, job.force, status.st_mode) as target:
            for block in blocks(source, job.source, warnings.append):
                target.write(stream.process(block))
                seconds += len(block) / source.samplerate
                on_progress(len(block) / source.samplerate)
            target.write(stream.finish())
    return Enhanced(seconds, tuple(warnings))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = _("Remove noise from audio files of any rate, channel count and format that libsndfile reads.")
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN", help=_("audio files"))
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help=_("a file for one input; a folder for several, or with a / at its end"),
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help=_("a model's name or .onnx path (default: %(default)s)"))
    parser.add_argument(
        "--strength",
        type=strength,
        default=FULL_STRENGTH,
        metavar="DB",
        help=_('at most this much attenuation, dB; 0 changes nothing (default: "full", what the model does)'),
    )
    parser.add_argument(
        "--provider", choices=PROVIDERS, default="cpu", help=_("where the model runs (default: %(default)s)")
    )
    parser.add_argument("--jobs", type=positive, metavar="N", help=_("files at a time (default: one a CPU)"))
    parser.add_argument("--force", action="store_true", help=_("overwrite files that exist"))


def run(args: argparse.Namespace) -> int:
    """Enhances every file. Returns 0 if all went well, 1 if any failed or nothing could start, 130 if interrupted."""
    console, complaints = Console(), Console(stderr=True)
    try:
        load_model(args.model)
        jobs = _plan(args)
    except (ModelError, AudioFileError) as error:
        _complain(complaints, error)
        return EXIT_SOME_FAILED
    done, seconds = 0, 0.0
    try:
        with _signals_raised(), _progress(console, jobs) as advance:
            for job, result in _results(jobs, args.jobs or len(os.sched_getaffinity(0)), advance):
                if isinstance(result, Enhanced):
                    done, seconds = done + 1, seconds + result.seconds
                    for warning in result.warnings:
                        complaints.print(warning, style="yellow", highlight=False, markup=False, soft_wrap=True)
                else:
                    _complain(complaints, result, job)
    except (KeyboardInterrupt, EndedError) as end:
        complaints.print(_("interrupted: {done} of {total} files are done").format(done=done, total=len(jobs)))
        return end.exit_code if isinstance(end, EndedError) else EXIT_INTERRUPTED
    failed = len(jobs) - done
    where = jobs[0].target if len(jobs) == 1 else args.output
    summary = _("{done} of {total} files enhanced, {seconds:.1f} s of audio, to {where}").format(
        done=done, total=len(jobs), seconds=seconds, where=one_line(where)
    )
    console.print(summary, highlight=False, markup=False, soft_wrap=True)
    if failed:
        complaints.print(_("{failed} failed").format(failed=failed), style="red", highlight=False)
    return EXIT_SOME_FAILED if failed else EXIT_OK


@contextmanager
def _signals_raised() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP end the command as Ctrl+C does, with nothing left behind."""

    def end(number: int, frame: object) -> None:
        raise EndedError(number)

    before = [(number, signal.signal(number, end)) for number in _ENDING]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _plan(args: argparse.Namespace) -> list[Job]:
    """Plans one job per input. AudioFileError if their results cannot all be written."""
    output = Path(args.output)
    into_folder = len(args.inputs) > 1 or args.output.endswith("/") or os.path.isdir(output)  # noqa: PTH112  (Path's raises)
    if into_folder:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AudioFileError(
                _("cannot make the folder {folder} for the results: {reason}").format(
                    folder=one_line(output), reason=error.strerror
                )
            ) from error
    elif not os.path.isdir(output.parent):  # noqa: PTH112
        raise AudioFileError(
            _("cannot write {path}: there is no folder {folder}").format(
                path=one_line(output), folder=one_line(output.parent)
            )
        )
    targets: dict[Path, Path] = {}
    for source in args.inputs:
        target = output / source.name if into_folder else output
        if target in targets:
            raise AudioFileError(
                _("{first} and {source} would both become {target}; enhance them into two folders").format(
                    first=one_line(targets[target]), source=one_line(source), target=one_line(target)
                )
            )
        targets[target] = source
    how = (args.model, args.provider, args.strength, args.force)
    return [Job(source, target, *how) for target, source in targets.items()]


def _complain(console: Console, error: Exception, job: Job | None = None) -> None:
    # The message of an AudioFileError names the file already.
    where = f"{one_line(job.source)}: " if job and isinstance(error, ModelError) else ""
    console.print(
        f"densenoiser enhance: {where}{error}",
        style="red",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@contextmanager
def _progress(console: Console, jobs: list[Job]) -> Iterator[Callable[[float, int], None]]:
    """Shows a progress bar over the audio of all files.

    The function that it yields takes the totals so far, seconds of audio and finished files.
    """
    total = 0.0
    for job in jobs:
        try:
            if job.source.is_file():  # a pipe can be read once
                with reading(job.source) as source:
                    total += source.frames / source.samplerate
        except (AudioFileError, OSError):
            continue  # the file's own job reports it
    with Progress(
        *Progress.get_default_columns(), console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(_("{done}/{total} files").format(done=0, total=len(jobs)), total=total)

        def advance(seconds: float, finished: int) -> None:
            progress.update(
                task, completed=seconds, description=_("{done}/{total} files").format(done=finished, total=len(jobs))
            )

        yield advance


Result = Enhanced | Exception


def _results(jobs: list[Job], processes: int, advance: Callable[[float, int], None]) -> Iterator[tuple[Job, Result]]:
    """Yields each job when it is finished, with its seconds of audio or its error.

    A single job, or jobs for a single process, run in this process. Otherwise they run in parallel.
    """
    if len(jobs) == 1 or processes == 1:
        yield from _results_here(jobs, advance)
    else:
        yield from _results_in_parallel(jobs, min(processes, len(jobs)), advance)


def _results_here(jobs: list[Job], advance: Callable[[float, int], None]) -> Iterator[tuple[Job, Result]]:
    seconds = 0.0
    for finished, job in enumerate(jobs):

        def count(more: float, finished: int = finished) -> None:
            nonlocal seconds
            seconds += more
            advance(seconds, finished)

        yield job, _attempt(job, count)
        advance(seconds, finished + 1)


def _attempt(job: Job, on_progress: Callable[[float], None]) -> Result:
    try:
        return enhance_file(job, load_model(job.model), on_progress)
    except (AudioFileError, ModelError) as error:
        return error
    except InterruptedJobError:
        raise
    except Exception as error:  # whatever is wrong with one file, the others go on
        return AudioFileError(
            _("cannot enhance {path}: {reason}").format(path=one_line(job.source), reason=one_line(repr(error)))
        )


def _results_in_parallel(
    jobs: list[Job], processes: int, advance: Callable[[float, int], None]
) -> Iterator[tuple[Job, Result]]:
    context: SpawnContext = multiprocessing.get_context("spawn")
    seconds, stop = context.Value("d", 0.0), context.Event()
    domain = gettext.textdomain()
    arguments = (seconds, stop, domain, gettext.bindtextdomain(domain))
    try:
        with ProcessPoolExecutor(processes, context, _start_worker, arguments) as pool:
            try:
                with _interrupts_held():
                    running = {pool.submit(_work, job): job for job in jobs}
                finished = 0
                while running:
                    ready, _ = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
                    for future in ready:
                        yield running.pop(future), _outcome(future)
                        finished += 1
                    advance(seconds.value, finished)
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        for job in jobs:  # workers that were killed leave these files
            with suppress(OSError):
                partial_file(job.target, job.run).unlink(missing_ok=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Defers an interrupt to the end of the block. Processes started inside the block ignore interrupts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _outcome(future: Future[Result]) -> Result:
    try:
        return future.result()
    except BrokenProcessPool:
        return AudioFileError(_("a process of this run was killed (out of memory?); try fewer with --jobs"))


_shared: dict[str, Any] = {}


def _start_worker(seconds: Any, stop: Any, text_domain: str, catalogues: str) -> None:
    """Prepares a worker process with the parent's language. The parent handles interrupts, and sets ``stop``."""
    gettext.bindtextdomain(text_domain, catalogues)
    gettext.textdomain(text_domain)
    _shared.update(seconds=seconds, stop=stop)


def _work(job: Job) -> Result:
    def count(more: float) -> None:
        if _shared["stop"].is_set() or os.getppid() != job.run:
            raise InterruptedJobError
        with _shared["seconds"].get_lock():
            _shared["seconds"].value += more

    return _attempt(job, count)
