"""The Denoiser contract and its two implementations: a model in ONNX Runtime, and a plain delay."""

from __future__ import annotations

import logging
import math
from gettext import gettext as _
from typing import Protocol

import numpy as np

from .frame import FrameSpec
from .mask_graph import MaskGraph
from .model_file import ModelFile
from .stft import Analysis, Samples, Synthesis
from .strength import FULL_STRENGTH, mask_floor

log = logging.getLogger(__name__)

_MEND_FRAMES = 100


class Denoiser(Protocol):
    """Takes frames and returns them clean, ``latency_samples`` later. Owned by one thread at a time."""

    @property
    def spec(self) -> FrameSpec:
        """Rate, hop and transform."""
        ...

    @property
    def latency_samples(self) -> int:
        """Delay of the output stream behind the input stream, samples."""
        ...

    @property
    def fault(self) -> str | None:
        """Why frames have passed through unprocessed since the last reset or recovery, or None."""
        ...

    strength_db: float
    """The most attenuation allowed, dB. 0 passes everything; infinity leaves the model's own mask as it is."""

    def process(self, frame: Samples) -> Samples:
        """Denoises one frame, shape (hop,), float32, finite. The result has the same shape and is valid until the next call.

        A fault of the model never raises. From then on frames pass through at the same latency, and ``fault`` says why.
        """
        ...

    def recover(self) -> None:
        """Tries a faulty model again from the next frame on, without a break in the audio."""
        ...

    def reset(self) -> None:
        """Forgets all past audio and any fault."""
        ...


class OnnxDenoiser:
    """A model between analysis and synthesis. Its mask is limited to ``strength_db`` of attenuation."""

    def __init__(self, model: ModelFile, provider: str = "auto", strength_db: float = FULL_STRENGTH) -> None:
        """Raises ModelError if the graph does not fit its sidecar or cannot run."""
        self.model = model
        self._graph = MaskGraph(model, provider)
        self._analysis = Analysis(model.spec)
        self._synthesis = Synthesis(model.spec)
        self._clean = np.zeros(model.spec.bins, np.complex64)
        self._graph_is_fresh = True
        self._frames = 0
        self._fault: str | None = None
        self.strength_db = strength_db

    @property
    def provider(self) -> str:
        """Where the model runs: "cpu" or "cuda"."""
        return self._graph.provider

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
            if not self._graph_is_fresh:
                # Its state would be out of date when it runs again.
                self._graph.reset()
                self._graph_is_fresh = True
            return self._synthesis.process(spectrum)
        self._graph_is_fresh = False
        try:
            mask = self._graph.process(spectrum)
        except Exception as error:  # onnxruntime raises many unrelated types; this is its boundary
            self._fault = _("the model failed: {error}").format(error=error)
            return self._synthesis.process(spectrum)
        if not math.isfinite(np.vdot(mask, mask).real):
            self._fault = _("the model's output is not finite")
            return self._synthesis.process(spectrum)
        self._frames += 1
        if self._frames % _MEND_FRAMES == 0 and self._graph.mend():
            log.warning("the model's state was not finite any more; it begins afresh")
        if self._floor > 0.0:
            np.multiply(mask, np.float32(1.0) - self._floor, out=mask)
            np.add(mask, self._floor, out=mask)
        np.multiply(spectrum, mask, out=self._clean)
        return self._synthesis.process(self._clean)

    def recover(self) -> None:
        self._graph.reset()
        self._graph_is_fresh = True
        self._fault = None

    def reset(self) -> None:
        self._analysis.reset()
        self._synthesis.reset()
        self.recover()


class Bypass:
    """Passes the input through, delayed as the filter whose place it takes."""

    def __init__(self, spec: FrameSpec, fault: str | None = None, latency_samples: int | None = None) -> None:
        """``fault`` says why it replaces a model, or is None if it does not.

        ``latency_samples`` is the delay if it is not that of a model with this spec.
        """
        self._spec = spec
        self._fault = fault
        self._latency = spec.latency_samples if latency_samples is None else latency_samples
        self._line = np.zeros(self._latency + spec.hop, np.float32)
        self._frame = np.zeros(spec.hop, np.float32)
        self.strength_db = 0.0

    @property
    def spec(self) -> FrameSpec:
        return self._spec

    @property
    def latency_samples(self) -> int:
        return self._latency

    @property
    def fault(self) -> str | None:
        return self._fault

    def process(self, frame: Samples) -> Samples:
        hop = self._spec.hop
        self._line[:-hop] = self._line[hop:]
        self._line[-hop:] = frame
        self._frame[:] = self._line[:hop]
        return self._frame

    def recover(self) -> None:
        """Does nothing, because there is no model to recover."""

    def reset(self) -> None:
        self._line[:] = 0.0
