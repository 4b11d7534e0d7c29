"""The Denoiser contract and its two implementations: a model in ONNX Runtime, and a plain delay."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import onnxruntime as ort

from .frame import FrameSpec
from .model_file import MASK_OUTPUT, SPECTRUM_INPUT, ModelFile
from .provider import open_session
from .stft import Analysis, Samples, Synthesis

FULL_STRENGTH = math.inf


class Denoiser(Protocol):
    """Frames in, clean frames out, ``latency_samples`` later. Owned by one thread at a time."""

    @property
    def spec(self) -> FrameSpec:
        """Rate, hop and transform."""
        ...

    @property
    def latency_samples(self) -> int:
        """Delay of the output stream against the input stream, samples."""
        ...

    @property
    def fault(self) -> str | None:
        """Why frames pass through unprocessed since the last reset, or None."""
        ...

    strength_db: float
    """At most this much attenuation, dB; 0 passes everything, infinity is the model's own mask."""

    def process(self, frame: Samples) -> Samples:
        """One frame, shape (hop,), float32, finite, to one frame, valid until the next call.

        Never raises on a fault of the model: from then on frames pass through at the same latency, and ``fault`` says
        why.
        """
        ...

    def reset(self) -> None:
        """Forget all past audio and any fault."""
        ...


def mask_floor(strength_db: float) -> float:
    """The share of the input that always passes, linear: 10^(-strength/20). ValueError below 0 dB or for NaN."""
    if not strength_db >= 0:
        raise ValueError(f"strength must be 0 dB or more, is {strength_db}")
    return math.pow(10.0, -strength_db / 20.0)


def parse_strength(text: str) -> float:
    """What people type, "full" or a number of decibels ("12", "12 dB"), as ``strength_db``; ValueError otherwise."""
    word = text.strip().lower()
    if word == "full":
        return FULL_STRENGTH
    try:
        strength_db = float(word.removesuffix("db"))
        mask_floor(strength_db)
    except ValueError as error:
        raise ValueError(f'strength must be "full" or a number of dB from 0 up, is {text!r}') from error
    return strength_db


class OnnxDenoiser:
    """A model run frame by frame in ONNX Runtime, its state kept in tensors bound once.

    Two bindings are used in turn: what one frame writes as state, the next reads; no tensor is copied or allocated per
    frame.
    """

    def __init__(self, model: ModelFile, provider: str = "auto", strength_db: float = FULL_STRENGTH) -> None:
        """Raises ModelError if the graph does not fit its sidecar or cannot run."""
        self.model = model
        self._session, self.provider = open_session(model, provider)
        self._analysis = Analysis(model.spec)
        self._synthesis = Synthesis(model.spec)
        self._spectrum = np.zeros(model.spec.bins, np.complex64)
        self._mask = np.zeros(model.spec.bins, np.complex64)
        self._clean = np.zeros(model.spec.bins, np.complex64)
        self._states = [
            [ort.OrtValue.ortvalue_from_numpy(np.zeros(s.shape, np.float32), self.provider, 0) for s in model.states]
            for _ in range(2)
        ]
        self._bindings = [self._bind(self._states[0], self._states[1]), self._bind(self._states[1], self._states[0])]
        self._turn = 0
        self._model_ran = True
        self._fault: str | None = None
        self.strength_db = strength_db

    def _bind(self, states: list[ort.OrtValue], next_states: list[ort.OrtValue]) -> ort.IOBinding:
        binding = self._session.io_binding()
        shape = self.model.spectrum_shape
        binding.bind_input(SPECTRUM_INPUT, "cpu", 0, np.float32, shape, self._spectrum.ctypes.data)
        binding.bind_output(MASK_OUTPUT, "cpu", 0, np.float32, shape, self._mask.ctypes.data)
        for tensor, state, next_state in zip(self.model.states, states, next_states, strict=True):
            binding.bind_ortvalue_input(tensor.name, state)
            binding.bind_ortvalue_output(tensor.output, next_state)
        return binding

    @property
    def spec(self) -> FrameSpec:
        return self.model.spec

    @property
    def latency_samples(self) -> int:
        return self.model.spec.latency_samples

    @property
    def fault(self) -> str | None:
        return self._fault

    @property
    def strength_db(self) -> float:
        return self._strength_db

    @strength_db.setter
    def strength_db(self, value: float) -> None:
        self._floor = np.float32(mask_floor(value))
        self._strength_db = value

    def process(self, frame: Samples) -> Samples:
        spectrum = self._analysis.process(frame)
        if self._fault is not None or self._floor >= 1.0:
            self._model_ran = False
            return self._synthesis.process(spectrum)
        if not self._model_ran:
            self._clear_states()
            self._model_ran = True
        self._spectrum[:] = spectrum
        try:
            self._session.run_with_iobinding(self._bindings[self._turn])
        except Exception as error:  # onnxruntime raises many unrelated types; this is its boundary
            self._fault = f"the model failed: {error}"
            return self._synthesis.process(spectrum)
        self._turn ^= 1
        if not math.isfinite(np.vdot(self._mask, self._mask).real):
            self._fault = "the model's output is not finite"
            return self._synthesis.process(spectrum)
        if self._floor > 0.0:
            np.multiply(self._mask, np.float32(1.0) - self._floor, out=self._mask)
            np.add(self._mask, self._floor, out=self._mask)
        np.multiply(spectrum, self._mask, out=self._clean)
        return self._synthesis.process(self._clean)

    def reset(self) -> None:
        self._analysis.reset()
        self._synthesis.reset()
        self._clear_states()
        self._fault = None

    def _clear_states(self) -> None:
        for states in self._states:
            for tensor, state in zip(self.model.states, states, strict=True):
                state.update_inplace(np.zeros(tensor.shape, np.float32))


class Bypass:
    """The input, delayed as a model with this spec would delay it."""

    def __init__(self, spec: FrameSpec) -> None:
        self._spec = spec
        self._line = np.zeros(spec.synthesis_window, np.float32)
        self._frame = np.zeros(spec.hop, np.float32)
        self.strength_db = 0.0

    @property
    def spec(self) -> FrameSpec:
        return self._spec

    @property
    def latency_samples(self) -> int:
        return self._spec.latency_samples

    @property
    def fault(self) -> str | None:
        return None

    def process(self, frame: Samples) -> Samples:
        hop = self._spec.hop
        self._line[:hop] = self._line[hop:]
        self._line[hop:] = frame
        self._frame[:] = self._line[:hop]
        return self._frame

    def reset(self) -> None:
        self._line[:] = 0.0
