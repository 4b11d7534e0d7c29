"""Films and recordings that libsndfile does not read, through the program ffmpeg: the sound is replaced, the rest copied."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from gettext import gettext as _
from pathlib import Path

from ..errors import AudioFileError
from ..shown_text import one_line

_MUXER_AND_CODEC = {
    ".m4a": ("ipod", "aac"),
    ".m4b": ("ipod", "aac"),
    ".mp4": ("mp4", "aac"),
    ".mov": ("mov", "aac"),
    ".3gp": ("3gp", "aac"),
    ".aac": ("adts", "aac"),
    ".mkv": ("matroska", "aac"),
    ".webm": ("webm", "libopus"),
    ".wma": ("asf", "wmav2"),
    ".avi": ("avi", "mp3"),
}
"""For each suffix ffmpeg's names of the container and of the codec for its sound."""


def is_container(path: Path) -> bool:
    """Whether files of this name are for ffmpeg."""
    return path.suffix.lower() in _MUXER_AND_CODEC


@contextlib.contextmanager
def decoded(path: Path) -> Iterator[Path]:
    """The first sound track of ``path`` as a WAV file, for as long as the block lasts. AudioFileError."""
    if shutil.which("ffmpeg") is None:
        raise AudioFileError(
            _("cannot read {path}: install the program ffmpeg, which such files need").format(path=one_line(path))
        )
    with tempfile.TemporaryDirectory(prefix="densenoiser-") as folder:
        sound = Path(folder) / "sound.wav"
        how = ["-map", "0:a:0", "-c:a", "pcm_f32le", "-rf64", "auto", "-f", "wav", str(sound)]
        _ffmpeg(_("cannot read {path}: {reason}"), path, ["-i", _argument(path), *how])
        yield sound


def replace_sound(original: Path, sound: Path, target: Path, suffix: str) -> None:
    """Write ``original`` to ``target``, as a container of that suffix, with ``sound`` for its first sound track.

    Pictures, other tracks, subtitles, chapters and texts are copied. AudioFileError.
    """
    muxer, codec = _MUXER_AND_CODEC[suffix.lower()]
    streams = ["0:v?", "1:a:0", "0:a?", "-0:a:0", "0:s?"]
    command = ["-i", _argument(original), "-i", str(sound)]
    command += [word for stream in streams for word in ("-map", stream)]
    command += ["-map_metadata", "0", "-map_chapters", "0", "-c", "copy", "-c:a:0", codec]
    if rate := _bit_rate(original):
        command += ["-b:a:0", rate]
    _ffmpeg(_("cannot write {path}: {reason}"), target, [*command, "-f", muxer, "-y", _argument(target)])


def _bit_rate(path: Path) -> str:
    """Bits a second of the first sound track, or "" if ffprobe does not know."""
    command = ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", "stream=bit_rate", "-of", "csv=p=0"]
    try:
        done = subprocess.run([*command, _argument(path)], check=False, capture_output=True)
    except OSError:
        return ""
    answer = done.stdout.strip().decode(errors="replace")
    return answer if answer.isdecimal() else ""


def _argument(path: Path) -> str:
    return f"file:{path}"  # else a name such as "concat:a" would be a command to ffmpeg


def _ffmpeg(sentence: str, path: Path, words: list[str]) -> None:
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *words], check=False, capture_output=True)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"ffmpeg: {done.returncode}"]
        raise AudioFileError(sentence.format(path=one_line(path), reason=one_line(lines[-1])))
