"""Hush, which keeps only the nearest voice: its three graphs (of the package livekit-plugins-hush, which is not imported).

It is DeepFilterNet3 at 16 kHz, without a look ahead, trained with other people's voices as noise.
"""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ..stft import Spectrum
from .package_file import package_file

_BANDS = 32
_FEWEST_BINS = 2
_FILTERED_BINS = 64
_TAPS = 5
_BINS = 161
_FFT_SIZE = 320
_HALF_BAND_HZ = 8000.0
_DECAY = np.float32(np.exp(-0.01))
"""The features are normalised by means that decay within 1 s, at a frame each 10 ms."""
_FLOOR = np.float32(1e-10)
_DB_SCALE = np.float32(40.0)


class Hush:
    """A ``SpectralNetwork``.

    Features, mask and deep filter are DeepFilterNet's (Schröter et al., "DeepFilterNet: Perceptually Motivated Real-Time
    Speech Enhancement", Interspeech 2023; scales and starting values from its library libDF).
    """

    bins = _BINS

    def __init__(self) -> None:
        """ImportError or OSError if the package is missing or damaged."""
        self._encoder, self._mask_decoder, self._filter_decoder = (
            _session(f"{n}.onnx") for n in ("enc", "erb_dec", "df_dec")
        )
        self._widths = _band_widths()
        self._starts = np.concatenate([[0], np.cumsum(self._widths)[:-1]])
        self._features = np.zeros((1, 2, 1, _FILTERED_BINS), np.float32)
        self.reset()

    def reset(self) -> None:
        self._band_mean = np.linspace(-60.0, -90.0, _BANDS, dtype=np.float32)
        self._magnitude_mean = np.linspace(1e-3, 1e-4, _FILTERED_BINS, dtype=np.float32)
        self._states = {
            name: np.zeros((layers, 1, 256), np.float32)
            for name, layers in (("h_enc_in", 1), ("h_erb_dec_in", 1), ("h_df_dec_in", 3))
        }
        self._past = np.zeros((_TAPS, _FILTERED_BINS), np.complex64)

    def process(self, spectrum: Spectrum) -> Spectrum:
        bands, low = self._normalised(spectrum * np.float32(1.0 / _FFT_SIZE))
        self._features[0, 0, 0], self._features[0, 1, 0] = low.real, low.imag
        states = self._states
        e0, e1, e2, e3, embedding, c0, _snr, states["h_enc_in"] = self._encoder.run(
            None, {"feat_erb": bands[None, None, None], "feat_spec": self._features, "h_enc_in": states["h_enc_in"]}
        )
        mask, states["h_erb_dec_in"] = self._mask_decoder.run(
            None,
            {"emb": embedding, "e3": e3, "e2": e2, "e1": e1, "e0": e0, "h_erb_dec_in": states["h_erb_dec_in"]},
        )
        taps, states["h_df_dec_in"] = self._filter_decoder.run(
            None, {"emb": embedding, "c0": c0, "h_df_dec_in": states["h_df_dec_in"]}
        )
        clean: Spectrum = spectrum * np.repeat(mask.reshape(_BANDS), self._widths)
        self._past[:-1] = self._past[1:]
        self._past[-1] = spectrum[:_FILTERED_BINS]
        weights = np.ascontiguousarray(taps, np.float32).view(np.complex64).reshape(_FILTERED_BINS, _TAPS)
        clean[:_FILTERED_BINS] = np.einsum("tb,bt->b", self._past, weights)
        return clean

    def _normalised(self, spectrum: Spectrum) -> tuple[NDArray[np.float32], Spectrum]:
        """The level of each band, shape (32,), and the lowest bins, shape (64,), both beside their own running mean."""
        power = spectrum.real**2 + spectrum.imag**2
        level = 10.0 * np.log10(np.add.reduceat(power, self._starts) / self._widths + _FLOOR)
        self._band_mean += (1.0 - _DECAY) * (level - self._band_mean)
        low = spectrum[:_FILTERED_BINS]
        self._magnitude_mean += (1.0 - _DECAY) * (np.abs(low) - self._magnitude_mean)
        bands = (level - self._band_mean) / _DB_SCALE
        return bands.astype(np.float32), (low / np.sqrt(self._magnitude_mean)).astype(np.complex64)


def _session(name: str) -> ort.InferenceSession:
    path = package_file("livekit-plugins-hush", name)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises many unrelated types; this is its boundary
        raise OSError(f"{path}: {error}") from error


def _band_widths() -> NDArray[np.int64]:
    """How many bins each of the 32 bands holds: equal widths on the ERB scale, at least two bins each.

    The scale is that of Glasberg and Moore, "Derivation of auditory filter shapes from notched-noise data", 1990.
    """
    scale = 24.7 * 9.265
    edges = scale * np.expm1(np.linspace(0.0, np.log1p(_HALF_BAND_HZ / scale), _BANDS + 1)[1:])
    ends = np.floor(edges / (_HALF_BAND_HZ / (_BINS - 1)) + 0.5).astype(int)
    widths, taken, before = [], 0, 0
    for end in ends:
        wanted = end - before - taken
        width = max(wanted, _FEWEST_BINS)
        taken = width - wanted
        widths.append(width)
        before = end
    widths[-1] += 1
    widths[-1] -= max(sum(widths) - _BINS, 0)
    return np.array(widths, np.int64)
