"""Runs the network frame by frame in ONNX Runtime. It takes a spectrum, returns a mask, and keeps the state."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from .model_file import MASK_OUTPUT, SPECTRUM_INPUT, ModelFile
from .provider import open_session
from .stft import Spectrum

_TINY = np.float32(1e-30)
"""Smaller state values are set to zero, before they become denormal. Processors compute up to 100 times slower with those."""


class MaskGraph:
    """One session and its state, in tensors that are bound once. Owned by one thread.

    Two bindings are used in turn. The next frame reads the state that one frame writes, so no tensor is copied or
    allocated per frame.
    """

    def __init__(self, model: ModelFile, provider: str = "auto") -> None:
        """Raises ModelError if the graph does not fit its sidecar or cannot run."""
        self.model = model
        self._session, self.provider = open_session(model, provider)
        self._spectrum = np.zeros(model.spec.bins, np.complex64)
        self._mask = np.zeros(model.spec.bins, np.complex64)
        self._states = [
            [ort.OrtValue.ortvalue_from_numpy(np.zeros(s.shape, np.float32), self.provider, 0) for s in model.states]
            for _ in range(2)
        ]
        self._bindings = [self._bind(self._states[0], self._states[1]), self._bind(self._states[1], self._states[0])]
        self._turn = 0

    def _bind(self, states: list[ort.OrtValue], next_states: list[ort.OrtValue]) -> ort.IOBinding:
        # The binding holds bare addresses, so spectrum, mask and states must live as long as this object.
        binding = self._session.io_binding()
        shape = self.model.spectrum_shape
        binding.bind_input(SPECTRUM_INPUT, "cpu", 0, np.float32, shape, self._spectrum.ctypes.data)
        binding.bind_output(MASK_OUTPUT, "cpu", 0, np.float32, shape, self._mask.ctypes.data)
        for tensor, state, next_state in zip(self.model.states, states, next_states, strict=True):
            binding.bind_ortvalue_input(tensor.name, state)
            binding.bind_ortvalue_output(tensor.output, next_state)
        return binding

    def process(self, spectrum: Spectrum) -> Spectrum:
        """Computes the mask for one spectrum, both shape (bins,). The caller may change the mask until the next call.

        Raises what ONNX Runtime raises, errors of many unrelated types.
        """
        self._spectrum[:] = spectrum
        self._session.run_with_iobinding(self._bindings[self._turn])
        self._turn ^= 1
        return self._mask

    def mend(self) -> bool:
        """Sets state values below 1e-30 to zero. Resets the state and returns True if some of it is not finite.

        Takes about 50 us.
        """
        for tensor, state in zip(self.model.states, self._states[self._turn], strict=True):
            values = state.numpy()
            if not np.isfinite(values).all():
                self.reset()
                return True
            tiny = np.abs(values) < _TINY
            if tiny.any() and values[tiny].any():
                state.update_inplace(np.where(tiny, np.float32(0.0), values).reshape(tensor.shape))
        return False

    def reset(self) -> None:
        """Forgets all past frames."""
        for states in self._states:
            for tensor, state in zip(self.model.states, states, strict=True):
                state.update_inplace(np.zeros(tensor.shape, np.float32))
