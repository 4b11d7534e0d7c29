"""The files of ``densenoiser enhance``, one after the other or in several processes: each gives a result or its own error."""

from __future__ import annotations

import gettext
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

import soundfile as sf

from ..engines import Engine, load, open_denoiser
from ..errors import AudioFileError, ModelError
from ..model_file import ModelFile
from ..shown_text import one_line
from .aligned_stream import AlignedStream
from .audio_file import blocks, partial_file, reading, replacing, writing
from .container import decoded, is_container, replace_sound
from .encoding import Form, form_for
from .tags import keep_tags

_ = gettext.gettext


class InterruptedJobError(Exception):
    """The user interrupted the command. The file being written is dropped."""


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


def enhance_file(job: Job, model: ModelFile | Engine, on_progress: Callable[[float], None]) -> Enhanced:
    """Enhances one file. ``on_progress`` gets the length of each finished block, s.

    The result has the source's rate, channels, length and texts. Each channel is filtered on its own, and each sample
    keeps its place. Raises AudioFileError or ModelError, and whatever ``on_progress`` raises. Then nothing is left at the
    target.
    """
    warnings: list[str] = []
    with ExitStack() as stack:
        is_film = is_container(job.source) and job.source.is_file()
        sound = stack.enter_context(decoded(job.source)) if is_film else job.source
        source = stack.enter_context(reading(sound, warnings.append))
        mode = job.source.stat().st_mode
        partial = stack.enter_context(replacing(job.target, job.run, job.force, mode))
        if is_film and is_container(job.target):
            clean = sound.with_name("clean.wav")
            seconds = _enhance(job, source, clean, Form("WAV", "FLOAT"), model, on_progress, warnings.append)
            replace_sound(job.source, clean, partial, job.target.suffix)
        else:
            form = form_for(job.target, source, sound)
            seconds = _enhance(job, source, partial, form, model, on_progress, warnings.append)
            if sound.is_file():
                keep_tags(sound, partial, warnings.append)
    return Enhanced(seconds, tuple(warnings))


def _enhance(
    job: Job,
    source: sf.SoundFile,
    target: Path,
    form: Form,
    model: ModelFile | Engine,
    on_progress: Callable[[float], None],
    warn: Callable[[str], None],
) -> float:
    """Filter an open file into a new one; its length, s."""
    denoisers = [open_denoiser(model, job.provider, job.strength_db) for _ in range(source.channels)]
    stream = AlignedStream(denoisers, source.samplerate)
    seconds = 0.0
    with writing(target, source, form) as result:
        for block in blocks(source, job.source, warn):
            result.write(stream.process(block))
            seconds += len(block) / source.samplerate
            on_progress(len(block) / source.samplerate)
        result.write(stream.finish())
    return seconds


Result = Enhanced | Exception


def results(jobs: list[Job], processes: int, advance: Callable[[float, int], None]) -> Iterator[tuple[Job, Result]]:
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
        return enhance_file(job, load(job.model), on_progress)
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
