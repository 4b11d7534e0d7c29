"""``densenoiser enhance``: removes noise from audio files with the same streaming denoiser as the microphone."""

from __future__ import annotations

import argparse
import gettext
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from ..arguments import PROVIDERS, positive, strength
from ..engines import load
from ..errors import AudioFileError, ModelError
from ..model_file import DEFAULT_MODEL
from ..shown_text import one_line
from ..strength import FULL_STRENGTH
from .audio_file import reading
from .jobs import Enhanced, Job, results

_ = gettext.gettext

EXIT_OK, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 0, 1, 130
_ENDING = (signal.SIGTERM, signal.SIGHUP)


class EndedError(BaseException):
    """The command was told to end by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


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
        load(args.model)
        jobs = _plan(args)
    except (ModelError, AudioFileError) as error:
        _complain(complaints, error)
        return EXIT_SOME_FAILED
    done, seconds = 0, 0.0
    try:
        with _signals_raised(), _progress(console, jobs) as advance:
            for job, result in results(jobs, args.jobs or len(os.sched_getaffinity(0)), advance):
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
