"""Networks of other projects in one ONNX file: a spectrum and a state go in, the clean spectrum and the next state come out.

This is how DPDFNet is published (Apache-2.0). The contract is that of its package ``dpdfnet`` (``onnx_backend.py``,
``stream.py``): windows of 20 ms with half overlap, the state's first values in the file's metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from gettext import gettext as _
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ..errors import EngineError
from ..external_data import refuse_external_data
from ..stft import Spectrum

_HIGHEST_RATE = 48_000
_RATES = {161: 16_000, 481: 48_000}
"""Bins of a window of 20 ms: those at which such networks are published."""
_MOST_STATE_NUMBERS = 2**24


class StreamingGraph:
    """A ``SpectralNetwork``."""

    def __init__(self, graph: bytes, rate: int | None = None) -> None:
        """``graph`` is the whole file. ``rate``, Hz, is asked for where the number of bins does not tell it.

        ModelError if it is not such a network.
        """
        refuse_external_data(graph)
        self._session = _open(graph)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 2 or len(outputs) != 2:
            raise EngineError(
                _("it has {inputs} inputs and {outputs} outputs; it needs a spectrum and a state at both ends").format(
                    inputs=len(inputs), outputs=len(outputs)
                )
            )
        for node in (*inputs, *outputs):
            if node.type != "tensor(float)":
                raise EngineError(_("{name!r} is {type}, must be float32").format(name=node.name, type=node.type))
        shape = inputs[0].shape
        if len(shape) != 4 or shape[3] != 2 or not isinstance(shape[2], int):
            raise EngineError(_("its spectrum has the shape {shape}, must be [1, 1, bins, 2]").format(shape=shape))
        self.bins: int = shape[2]
        _check_rate(self.bins, rate)
        self._names = [node.name for node in inputs]
        self._first = _first_state(self._session.get_modelmeta().custom_metadata_map)
        self._pair = np.zeros((1, 1, self.bins, 2), np.float32)
        self.reset()
        self.process(np.zeros(self.bins, np.complex64))
        self.reset()

    def reset(self) -> None:
        self._state = self._first

    def process(self, spectrum: Spectrum) -> Spectrum:
        self._pair[0, 0, :, 0], self._pair[0, 0, :, 1] = spectrum.real, spectrum.imag
        try:
            clean, state = self._session.run(None, dict(zip(self._names, (self._pair, self._state), strict=True)))
        except Exception as error:  # onnxruntime raises many unrelated types; this is its boundary
            raise EngineError(_("it cannot run: {error}").format(error=error)) from error
        if clean.shape != self._pair.shape or state.shape != self._first.shape:
            raise EngineError(
                _("its outputs have the shapes {clean} and {state}, its inputs {spectrum} and {first}").format(
                    clean=clean.shape, state=state.shape, spectrum=self._pair.shape, first=self._first.shape
                )
            )
        self._state = state
        return np.ascontiguousarray(clean).view(np.complex64).reshape(self.bins)


def _open(graph: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as in process
        raise EngineError(_("ONNX Runtime cannot load it: {error}").format(error=error)) from error


def _check_rate(bins: int, rate: int | None) -> None:
    if rate is None:
        if bins not in _RATES:
            raise EngineError(
                _(
                    "it has {bins} bins, and networks of 16 kHz have 161, of 48 kHz 481; name its rate with --rate"
                ).format(bins=bins)
            )
    elif not 0 < rate <= _HIGHEST_RATE or bins != rate // 100 + 1 or rate % 100:
        raise EngineError(
            _("it has {bins} bins, and a window of 20 ms at {rate} Hz has {wanted}; other windows do not fit").format(
                bins=bins, rate=rate, wanted=rate // 100 + 1
            )
        )


def _first_state(values: Mapping[str, str]) -> NDArray[np.float32]:
    """The state before the first frame: what the metadata say of the two running means, and zeros."""
    try:
        size = int(values["state_size"])
        means: list[Any] = []
        for kind in ("erb_norm", "spec_norm"):
            numbers = np.array([float(number) for number in values[f"{kind}_init"].split(",")], np.float32)
            if len(numbers) != int(values[f"{kind}_state_size"]):
                raise ValueError(f"{kind}_init has {len(numbers)} values")
            means.append(numbers)
    except KeyError as error:
        raise EngineError(_("its metadata lack {key}, which says how its state begins").format(key=error)) from error
    except ValueError as error:
        raise EngineError(_("its metadata do not say how its state begins: {error}").format(error=error)) from error
    begin = np.concatenate(means)
    if not len(begin) <= size <= _MOST_STATE_NUMBERS or not np.isfinite(begin).all():
        raise EngineError(_("its metadata do not say how its state begins: {error}").format(error=f"state_size {size}"))
    return np.concatenate([begin, np.zeros(size - len(begin), np.float32)])
