"""The division of a spectrum of 769 bins for the networks: single bins up to 8 kHz, bands of 1 kHz above."""

from __future__ import annotations

from .frame import FrameSpec

SPEC = FrameSpec()
"""The transform that every network is trained on."""
LOW_BINS = 256
"""Bins 1 to 256, 31.25 Hz to 8 kHz. Bin 0 shares the mask of bin 1."""
HIGH_BANDS = 16
"""Bands of 1 kHz above 8 kHz. Each has one real gain."""
BAND_BINS = (SPEC.bins - 1 - LOW_BINS) // HIGH_BANDS
