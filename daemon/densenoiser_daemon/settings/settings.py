"""What the user wants: one frozen object, replaced whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from densenoiser_models.model_file import DEFAULT_MODEL
from densenoiser_models.strength import FULL_STRENGTH

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a user can choose. Read by any thread."""

    enabled: bool = True
    """Filter; off passes the microphone through at the same latency."""
    muted: bool = False
    """Applications hear silence."""
    strength_db: float = FULL_STRENGTH
    """Attenuation limit, dB; infinity is the model's own mask, 0 passes everything."""
    microphone: str = AUTO
    """Name of the source to filter, or "auto" for the server's default."""
    model: str = DEFAULT_MODEL
    provider: str = AUTO
    microphone_strengths: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Strength by name of the source, where it differs from ``strength_db``."""

    def strength_for(self, microphone: str) -> float:
        """The attenuation limit for this source, dB."""
        return self.microphone_strengths.get(microphone, self.strength_db)
