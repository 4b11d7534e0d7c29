"""The frame contract: sample rate, hop, transform and latency. Export writes it beside the model; all others read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .errors import ModelError

# Far above any useful value. They keep a hostile sidecar from making us allocate gigabytes.
_HIGHEST_RATE = 192_000
_LARGEST_FFT = 65_536


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """Describes how audio is cut into frames and transformed to spectra.

    All lengths are in samples at ``sample_rate``. Synthesis uses only the newest ``synthesis_window`` of the ``fft_size``
    samples that analysis uses. This part alone sets the delay, so the transform can be long (fine bins) while the delay
    stays short. Such asymmetric windows are from Mauler and Martin, "A low delay, variable resolution, perfect
    reconstruction spectral analysis-synthesis system", EUSIPCO 2007.
    """

    sample_rate: int = 48_000
    hop: int = 480
    fft_size: int = 1536
    synthesis_window: int = 960

    def __post_init__(self) -> None:
        if min(self.sample_rate, self.hop, self.fft_size, self.synthesis_window) <= 0:
            raise ModelError(f"frame spec has a value that is not positive: {self}")
        if self.synthesis_window != 2 * self.hop:
            raise ModelError(f"frame spec needs synthesis_window = 2 * hop, has {self.synthesis_window} and {self.hop}")
        if self.fft_size % 2 or self.fft_size < self.synthesis_window:
            raise ModelError(f"frame spec needs an even fft_size of at least the synthesis window: {self}")
        if self.sample_rate > _HIGHEST_RATE or self.fft_size > _LARGEST_FFT:
            raise ModelError(f"frame spec is beyond {_HIGHEST_RATE} Hz or {_LARGEST_FFT} points: {self}")

    @property
    def bins(self) -> int:
        """Frequency bins of the one-sided spectrum."""
        return self.fft_size // 2 + 1

    @property
    def frames(self) -> tuple[int, int]:
        """Rate and hop: what two filters must share to take each other's place."""
        return self.sample_rate, self.hop

    @property
    def hop_seconds(self) -> float:
        """Time between frames, s."""
        return self.hop / self.sample_rate

    @property
    def latency_samples(self) -> int:
        """Delay of the output stream behind the input stream, samples, from frame in to frame out."""
        return self.synthesis_window - self.hop

    @property
    def algorithmic_latency_seconds(self) -> float:
        """Delay from a sample's arrival to its output, s. It is the time to fill a frame plus the overlap-add."""
        return self.synthesis_window / self.sample_rate

    def to_dict(self) -> dict[str, int]:
        """Returns the fields as plain integers, for the sidecar."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FrameSpec:
        """Reads the spec of a sidecar. ModelError if a field is missing, unknown or not an integer."""
        expected = set(cls.__dataclass_fields__)
        if not isinstance(values, dict) or set(values) != expected:
            found = sorted(values) if isinstance(values, dict) else values
            raise ModelError(f"frame spec must have exactly the fields {sorted(expected)}, has {found}")
        for key, value in values.items():
            if not isinstance(value, int) or isinstance(value, bool):
                raise ModelError(f"frame spec field {key!r} must be an integer, is {value!r}")
        return cls(**values)
