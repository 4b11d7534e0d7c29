"""Opens a model's session on the CPU or on CUDA, chosen by name or by timing both."""

from __future__ import annotations

import logging
import time
from gettext import gettext as _

import numpy as np
import onnxruntime as ort

from .arguments import PROVIDERS
from .errors import ModelError
from .model_file import MASK_OUTPUT, SPECTRUM_INPUT, ModelFile

log = logging.getLogger(__name__)

_ORT_NAMES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ORT_WARNING, _ORT_FATAL = 2, 4
_TRIAL_FRAMES = 200


def available_providers() -> tuple[str, ...]:
    """Which of "cpu" and "cuda" the installed ONNX Runtime was built with. CUDA may still fail to load."""
    built = set(ort.get_available_providers())
    return tuple(name for name, ort_name in _ORT_NAMES.items() if ort_name in built)


def open_session(model: ModelFile, provider: str) -> tuple[ort.InferenceSession, str]:
    """Opens a session for ``model`` and runs it once on silence.

    Returns the session and the provider it really runs on, "cpu" or "cuda". "cuda" and "auto" fall back to the CPU with
    one log line. Raises ModelError if the graph cannot run or does not fit its sidecar.
    """
    if provider not in PROVIDERS:
        raise ModelError(
            _("unknown provider {provider!r}; choose one of {known}").format(
                provider=provider, known=", ".join(PROVIDERS)
            )
        )
    if provider == "cpu":
        return _open(model, "cpu"), "cpu"
    try:
        cuda = _open_cuda(model)
    except ModelError as error:
        level = logging.WARNING if provider == "cuda" else logging.DEBUG  # nobody asked for CUDA by name
        log.log(level, "CUDA cannot be used (%s); running on the CPU", error)
        return _open(model, "cpu"), "cpu"
    if provider == "cuda":
        return cuda, "cuda"
    cpu = _open(model, "cpu")
    seconds = {"cpu": _p99_seconds(cpu, model), "cuda": _p99_seconds(cuda, model)}
    best = min(seconds, key=seconds.__getitem__)
    log.info(
        "p99 of a frame: %.2f ms on the CPU, %.2f ms on CUDA; taking %s",
        seconds["cpu"] * 1e3,
        seconds["cuda"] * 1e3,
        best,
    )
    return (cpu, "cpu") if best == "cpu" else (cuda, "cuda")


def _open_cuda(model: ModelFile) -> ort.InferenceSession:
    if "cuda" not in available_providers():
        raise ModelError(_("this ONNX Runtime has no CUDA; install onnxruntime-gpu in place of onnxruntime"))
    # Without a driver ONNX Runtime writes lines to stderr. Only the level of the process's default logger silences them.
    ort.set_default_logger_severity(_ORT_FATAL)
    try:
        session = _open(model, "cuda")
    finally:
        ort.set_default_logger_severity(_ORT_WARNING)
    if _ORT_NAMES["cuda"] not in session.get_providers():
        raise ModelError(_("the CUDA libraries or the driver did not load"))
    return session


def _open(model: ModelFile, provider: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _ORT_FATAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # Without this, ONNX Runtime detects the format from the bytes. external_data.py cannot read its flatbuffer format.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    cpu = _ORT_NAMES["cpu"]
    # TF32 rounds to 10 bits. It is off, so that CUDA's output equals the CPU's.
    providers = [cpu] if provider == "cpu" else [(_ORT_NAMES[provider], {"use_tf32": "0"}), cpu]
    try:
        # ONNX Runtime's own fallback prints to stdout and hides which provider runs. open_session falls back instead.
        session = ort.InferenceSession(model.graph, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime raises many unrelated types; this is its boundary
        raise ModelError(_("ONNX Runtime cannot load {path}: {error}").format(path=model.path, error=error)) from error
    _check_signature(session, model)
    _p99_seconds(session, model, frames=1)
    return session


def _check_signature(session: ort.InferenceSession, model: ModelFile) -> None:
    """Checks the graph's inputs and outputs against the sidecar. Names and shapes must match, and all must be float32."""
    shape = list(model.spectrum_shape)
    wanted_inputs = {SPECTRUM_INPUT: shape} | {s.name: list(s.shape) for s in model.states}
    wanted_outputs = {MASK_OUTPUT: shape} | {s.output: list(s.shape) for s in model.states}
    for kind, nodes, wanted in (
        ("input", session.get_inputs(), wanted_inputs),
        ("output", session.get_outputs(), wanted_outputs),
    ):
        found = {node.name: node.shape for node in nodes}
        if found != wanted:
            raise ModelError(
                _("{path}: the graph's {kind}s are {found}, its sidecar says {wanted}").format(
                    path=model.path, kind=kind, found=found, wanted=wanted
                )
            )
        for node in nodes:
            if node.type != "tensor(float)":
                raise ModelError(
                    _("{path}: {kind} {name!r} is {type}, must be float32").format(
                        path=model.path, kind=kind, name=node.name, type=node.type
                    )
                )


def _p99_seconds(session: ort.InferenceSession, model: ModelFile, frames: int = _TRIAL_FRAMES) -> float:
    feeds = {SPECTRUM_INPUT: np.zeros(model.spectrum_shape, np.float32)}
    feeds |= {s.name: np.zeros(s.shape, np.float32) for s in model.states}
    seconds = []
    for _frame in range(frames):
        start = time.perf_counter()
        try:
            session.run(None, feeds)
        except Exception as error:  # as in _open
            raise ModelError(_("a trial run failed: {error}").format(error=error)) from error
        seconds.append(time.perf_counter() - start)
    return float(np.percentile(seconds, 99))
