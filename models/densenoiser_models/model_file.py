"""Finds and loads models: ``NAME.onnx`` with its sidecar ``NAME.json``, read once, checked, then used from memory."""

from __future__ import annotations

import difflib
import errno
import hashlib
import json
import math
import os
from dataclasses import dataclass
from gettext import gettext as _
from pathlib import Path
from typing import Any

from .errors import ModelError, ModelNotFoundError
from .external_data import refuse_external_data
from .frame import FrameSpec

SIDECAR_FORMAT = 1
DEFAULT_MODEL = "densenet-small"
SPECTRUM_INPUT = "spectrum"
MASK_OUTPUT = "mask"
# The shipped models stay far below: 0.55 MB, 17 kB, 7000 numbers. The limits keep a hostile file from filling the memory.
LARGEST_GRAPH_BYTES = 128 * 1024**2
_LARGEST_SIDECAR_BYTES = 1024**2
_MOST_STATE_NUMBERS = 2**24


@dataclass(frozen=True, slots=True)
class StateTensor:
    """One recurrent tensor of the graph, float32, zeros at the start.

    The graph's output ``output`` of one frame is its input ``name`` of the next.
    """

    name: str
    output: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model whose bytes match its sidecar.

    ``graph`` holds the bytes of the ONNX file, so that later changes on disk do no harm.
    """

    name: str
    path: Path
    spec: FrameSpec
    states: tuple[StateTensor, ...]
    graph: bytes
    sha256: str
    card: dict[str, Any]

    @property
    def version(self) -> str:
        """Changes when its output may change."""
        return self.sha256

    @property
    def spectrum_shape(self) -> tuple[int, int, int]:
        """Shape of both the spectrum input and the mask output: (1, bins, 2), real and imaginary parts last."""
        return (1, self.spec.bins, 2)


def weights_folder() -> Path:
    """The folder of the models that the package ships."""
    from importlib import resources  # noqa: PLC0415  (takes 30 ms, and commands that ask the daemon do not need it)

    return Path(str(resources.files("densenoiser_models") / "weights"))


def user_models_folder() -> Path:
    """The folder where adapted models are installed, under the XDG data directory."""
    import platformdirs  # noqa: PLC0415  (only needed when models are listed or found by name)

    return Path(platformdirs.user_data_dir("densenoiser")) / "models"


def list_models() -> dict[str, Path]:
    """Maps the name of every selectable model to its ``.onnx`` path. A user's model hides a shipped one of that name."""
    return {
        path.stem: path
        for folder in (weights_folder(), user_models_folder())
        for path in sorted(folder.glob("*.onnx"))
        if path.with_suffix(".json").is_file()
    }


def find_model(name_or_path: str) -> Path:
    """Finds the ``.onnx`` path for a model's name or for a path. ModelNotFoundError if there is none.

    For a name, the error lists the nearest known names.
    """
    known = list_models()
    if name_or_path in known:
        return known[name_or_path]
    if name_or_path.endswith(".onnx") or "/" in name_or_path:
        path = Path(name_or_path)
        try:
            path = path.expanduser()
            found = path.is_file()
        except (OSError, RuntimeError) as error:  # the name is too long, or there is no such home folder
            raise ModelNotFoundError(_("no model file at {path}: {error}").format(path=path, error=error)) from error
        if found:
            return path
        raise ModelNotFoundError(_("no model file at {path}").format(path=path))
    near = difflib.get_close_matches(name_or_path, known, n=3, cutoff=0.3) or sorted(known)
    if near:
        sentence = _("no model named {name!r}; did you mean {nearest}?")
    else:
        sentence = _("no model named {name!r}; none is installed")
    raise ModelNotFoundError(sentence.format(name=name_or_path, nearest=", ".join(near)))


def load_model(name_or_path: str = DEFAULT_MODEL) -> ModelFile:
    """Reads a model and its sidecar, and checks one against the other. ONNX Runtime sees the graph only after this.

    Raises ModelNotFoundError, or ModelError that names the file and its fault.
    """
    path = find_model(name_or_path)
    sidecar = path.with_suffix(".json")
    try:
        graph = read_file(path, LARGEST_GRAPH_BYTES)
    except OSError as error:
        raise ModelError(
            _("cannot read the model {path}: {reason}").format(path=path, reason=error.strerror)
        ) from error
    try:
        card = json.loads(read_file(sidecar, _LARGEST_SIDECAR_BYTES).decode())
    except FileNotFoundError as error:
        raise ModelError(
            _("the model {path} has no sidecar {name} beside it; export writes both").format(
                path=path, name=sidecar.name
            )
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            _("cannot read the sidecar {sidecar}: {error}").format(sidecar=sidecar, error=error)
        ) from error
    try:
        spec, states, sha256 = _parse_sidecar(card)
    except ModelError as error:
        raise ModelError(_("the sidecar {sidecar} is broken: {error}").format(sidecar=sidecar, error=error)) from error
    digest = hashlib.sha256(graph).hexdigest()
    if digest != sha256:
        raise ModelError(
            _(
                "the model {path} is not the one that {name} describes (SHA-256 {found}..., expected {expected}...): "
                "it was truncated or replaced; install or export it again"
            ).format(path=path, name=sidecar.name, found=digest[:12], expected=sha256[:12])
        )
    try:
        refuse_external_data(graph)
    except ModelError as error:
        raise ModelError(_("the model {path} cannot be used: {error}").format(path=path, error=error)) from error
    return ModelFile(path.stem, path, spec, states, graph, sha256, card)


def read_file(path: Path, most_bytes: int) -> bytes:
    """Reads a whole file. OSError if it is larger than ``most_bytes``, or may never end like a device or a FIFO."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, _("it is not a regular file"))
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return data


def _parse_sidecar(card: Any) -> tuple[FrameSpec, tuple[StateTensor, ...], str]:
    if not isinstance(card, dict):
        raise ModelError(_("it is not a JSON object"))
    if card.get("format") != SIDECAR_FORMAT:
        raise ModelError(
            _("format is {found!r}, this version reads {known}").format(found=card.get("format"), known=SIDECAR_FORMAT)
        )
    sha256 = card.get("sha256")
    if not isinstance(sha256, str) or len(sha256) != 64:
        raise ModelError(_("sha256 is missing or not 64 hexadecimal digits"))
    entries = card.get("states")
    if not isinstance(entries, list):
        raise ModelError(_("states must be a list"))
    states = tuple(_parse_state(entry) for entry in entries)
    names = [SPECTRUM_INPUT, *(state.name for state in states)]
    outputs = [MASK_OUTPUT, *(state.output for state in states)]
    if len({*names}) < len(names) or len({*outputs}) < len(outputs):
        raise ModelError(
            _("two tensors share a name: inputs {names}, outputs {outputs}").format(names=names, outputs=outputs)
        )
    count = sum(math.prod(state.shape) for state in states)
    if count > _MOST_STATE_NUMBERS:
        raise ModelError(
            _("the states hold {count} numbers, at most {most} are allowed").format(
                count=count, most=_MOST_STATE_NUMBERS
            )
        )
    return FrameSpec.from_dict(card.get("frame", {})), states, sha256


def _parse_state(entry: Any) -> StateTensor:
    if not isinstance(entry, dict) or set(entry) != {"name", "output", "shape"}:
        raise ModelError(_("a state must have exactly name, output and shape, is {entry!r}").format(entry=entry))
    name, output, shape = entry["name"], entry["output"], entry["shape"]
    if not isinstance(name, str) or not isinstance(output, str):
        raise ModelError(_("a state's name and output must be strings: {entry!r}").format(entry=entry))
    sizes_fit = isinstance(shape, list) and all(type(n) is int and 0 < n <= 1_000_000 for n in shape)
    if not sizes_fit:
        raise ModelError(
            _("the shape of state {name!r} must be a list of positive integers, is {shape!r}").format(
                name=name, shape=shape
            )
        )
    return StateTensor(name, output, tuple(shape))
