"""The networks of other projects that the user has added: each is a file of its own, with what is known of it beside it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from gettext import gettext as _
from pathlib import Path

from ..errors import EngineError
from ..model_file import LARGEST_GRAPH_BYTES, read_file
from .spectral_filter import SpectralFilter
from .streaming_graph import StreamingGraph

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LARGEST_TEXT_BYTES = 1024**2
_LICENCES = ("LICENSE*", "LICENCE*", "COPYING*")


@dataclass(frozen=True, slots=True)
class ShelvedNetwork:
    """What is known of an added network."""

    name: str
    rate: int | None
    """What ``--rate`` said, Hz; None if the number of bins tells it."""
    sha256: str
    delay_ms: float
    """From a sample's arrival to its output, as measured when it was added."""
    frame_ms: float
    """Time a frame of 10 ms takes, the median, as measured then."""


def folder() -> Path:
    """Where they are kept: under the XDG data directory."""
    import platformdirs  # noqa: PLC0415  (only needed when engines are listed or found by name)

    return Path(platformdirs.user_data_dir("densenoiser")) / "networks"


def shelved() -> dict[str, ShelvedNetwork]:
    """All of them by name. One whose description cannot be read is left out."""
    found = {}
    for path in sorted(folder().glob("*.json")):
        try:
            network = ShelvedNetwork(**json.loads(read_file(path, _LARGEST_TEXT_BYTES)))
        except (OSError, ValueError, TypeError):
            continue
        if network.name == path.stem and path.with_suffix(".onnx").is_file():
            found[network.name] = network
    return found


def open_network(network: ShelvedNetwork) -> SpectralFilter:
    """A fresh filter. EngineError if the file is not the one that was added, or cannot run."""
    path = folder() / f"{network.name}.onnx"
    try:
        graph = read_file(path, LARGEST_GRAPH_BYTES)
    except OSError as error:
        raise EngineError(_("cannot read {path}: {reason}").format(path=path, reason=error.strerror)) from error
    if hashlib.sha256(graph).hexdigest() != network.sha256:
        raise EngineError(
            _("{path} is not the file that was added: it was truncated or replaced; add it again").format(path=path)
        )
    return SpectralFilter(StreamingGraph(graph, network.rate))


def name_for(path: Path, wanted: str | None, taken: set[str]) -> str:
    """``wanted``, or the file's own name. EngineError if it cannot be a name, or is ``taken``."""
    name = wanted if wanted is not None else path.stem.lower()
    if not _NAME.fullmatch(name):
        raise EngineError(
            _("{name!r} cannot be its name: small letters, digits, '.', '_' and '-'; choose one with --name").format(
                name=name
            )
        )
    if name in taken:
        raise EngineError(_("there is a model {name} already; choose another name with --name").format(name=name))
    return name


def licence_beside(path: Path) -> Path | None:
    """The licence in the file's folder, if there is one."""
    found = (file for pattern in _LICENCES for file in sorted(path.parent.glob(pattern)) if file.is_file())
    return next(found, None)


def shelve(source: Path, name: str, rate: int | None, licence: Path | None) -> ShelvedNetwork:
    """Copies a network onto the shelf, where it can be tried. EngineError if a file cannot be read or written."""
    try:
        graph = read_file(source, LARGEST_GRAPH_BYTES)
        text = read_file(licence, _LARGEST_TEXT_BYTES) if licence is not None else None
        folder().mkdir(parents=True, exist_ok=True)
        target = folder() / f"{name}.onnx"
        target.write_bytes(graph)
        if text is not None:
            target.with_suffix(".licence.txt").write_bytes(text)
        network = ShelvedNetwork(name, rate, hashlib.sha256(graph).hexdigest(), 0.0, 0.0)
        describe(network)
    except OSError as error:
        remove(name)
        raise EngineError(
            _("cannot copy {path}: {reason}").format(path=error.filename or source, reason=error.strerror)
        ) from error
    return network


def describe(network: ShelvedNetwork) -> None:
    """Writes down what is known of it."""
    (folder() / f"{network.name}.json").write_text(json.dumps(asdict(network), indent=1) + "\n", encoding="utf-8")


def remove(name: str) -> None:
    """Takes it off the shelf, whatever is there of it."""
    for suffix in (".json", ".onnx", ".licence.txt"):
        (folder() / f"{name}{suffix}").unlink(missing_ok=True)
