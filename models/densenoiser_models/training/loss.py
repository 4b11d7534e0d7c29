"""What training minimises: distance of compressed spectra of what will be heard, the frames overlapped and added.

A mask is judged after synthesis: frames overlap by half, so what a mask does in one frame alone is half of what is heard,
and masks that jump from frame to frame, right on average, sound rough.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..bands import LOW_BINS, SPEC
from ..corpus.band_spectra import BIN_HZ
from ..corpus.mixer import Batch
from ..networks.mask import COMPRESSION
from ..stft import synthesis_window

DECIMATION = 3
"""Bins up to 8 kHz are those of a transform a third as long, at 16 kHz."""
SIZE, HOP = SPEC.fft_size // DECIMATION, SPEC.hop // DECIMATION
_FLOOR = 1e-4
"""Power of a bin below which errors do not count: 45 dB under pool speech's weak bins; keeps the slope at zero finite."""
_QUIET = 1e-9
"""Mean square of a signal under which there is none: -90 dBFS."""
MAGNITUDE, COMPLEX, HIGH = 0.7, 0.3, 0.25
LOST_HIGH = 0.4
"""Extra weight of what is lost above 8 kHz, where few recordings know the target. Below, the same weight left more noise
than it saved speech: better distances than other filters', worse ratings."""
CLEAR = 0.5
"""Extra weight of bins that hold speech alone. Compression makes an error of 2 dB there look small; ears do not."""
DISTORTION = 0.1
"""Weight of distortion over signal, in bels above -30 dB, of crops that hold speech: what carries the power counts, as
heard."""
PAUSE = 1.0
"""Extra weight of frames without speech, 30 dB under the crop's mean: what is left there is all noise."""
UNSTEADY = 1.0
"""Weight of errors that change from frame to frame, on top of their own: a gain that trembles sounds rougher than one that
is wrong for a while."""
HEARING = 0.5
"""Power of the density of the ear's filters (ERB scale: Glasberg and Moore, 1990) by which a bin counts: 0 as many Hz, 1
as many filters. Half a voice's filters lie below 1 kHz, but only an eighth of the bins."""


def _hearing() -> Tensor:
    """Weight of each low bin and of the one at 0 Hz, mean 1, shape (257, 1)."""
    density = 1 / (1 + 0.00437 * BIN_HZ * torch.arange(LOW_BINS + 1))
    weight: Tensor = density**HEARING
    return (weight / weight.mean())[:, None]


def heard(low: Tensor) -> Tensor:
    """Bins up to 8 kHz (batch, frames, 256, 2) to what synthesis makes of them, at 16 kHz, (batch, frames * 160)."""
    bins = F.pad(torch.view_as_complex(low), (1, 0))
    window = torch.from_numpy(synthesis_window(SPEC)[::DECIMATION].copy()).to(low.device)
    blocks: Tensor = torch.fft.irfft(bins / DECIMATION, SIZE)[..., -2 * HOP :] * window
    return (blocks[..., :HOP] + F.pad(blocks[..., HOP:], (0, 0, 1, 0))[:, :-1]).flatten(1)


def _spectrum(signal: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of every bin, (batch, 257, frames - 2), on the scale of the pool's."""
    window = DECIMATION * torch.hann_window(SIZE, device=signal.device)
    bins = torch.stft(signal, SIZE, HOP, window=window, center=False, return_complex=True)
    return bins.real, bins.imag


def spectral_loss(batch: Batch, mask: Tensor, gains: Tensor) -> Tensor:
    """Mean over bins of the squared distance between spectra compressed to the power 0.3 (Ephrat et al., SIGGRAPH
    2018; Braun and Tashev, 2021), magnitudes, their changes, and complex values, plus the ratio of distortion to speech.

    ``mask`` (batch, frames, 256, 2) and ``gains`` (batch, frames, 16) as from the network.
    """
    n_re, n_im = batch.noisy_low.unbind(-1)
    m_re, m_im = mask.unbind(-1)
    estimate = heard(torch.stack([n_re * m_re - n_im * m_im, n_re * m_im + n_im * m_re], -1))
    with torch.no_grad():
        clean = heard(batch.clean_low)
        c_re, c_im = _spectrum(clean)
        rest_re, rest_im = _spectrum(heard(batch.noisy_low) - clean)
    re, im = _spectrum(estimate)
    power, c_power = re * re + im * im + _FLOOR, c_re * c_re + c_im * c_im + _FLOOR
    phase, c_phase = power ** ((COMPRESSION - 1) / 2), c_power ** ((COMPRESSION - 1) / 2)
    difference = power.sqrt() * phase - c_power.sqrt() * c_phase
    low = MAGNITUDE * difference.square()
    low = low + COMPLEX * ((re * phase - c_re * c_phase).square() + (im * phase - c_im * c_phase).square())
    change = F.pad(difference[..., 1:] - difference[..., :-1], (1, 0))
    low = low + UNSTEADY * change.square()
    clear = c_power / (c_power + rest_re.square() + rest_im.square())
    frame_power = c_power.mean(1, keepdim=True)
    pause = (frame_power <= 1e-3 * frame_power.mean(2, keepdim=True)).float()
    low = low * (1 + CLEAR * clear**4 + PAUSE * pause) * _hearing().to(low.device)
    high_power = (gains * batch.noisy_high) ** 2 + _FLOOR
    high = high_power ** (COMPRESSION / 2) - (batch.clean_high**2 + _FLOOR) ** (COMPRESSION / 2)
    high = (high.square() + LOST_HIGH * (-high).clamp(min=0).square()) * batch.judged
    error, speech = (estimate - clean).square().mean(1), clean.square().mean(1)
    # Better than 30 dB is not asked for: a clean crop must not drown the others.
    asked = 1e-3 * speech + _QUIET
    ratio = torch.log10((error + asked) / asked) * (speech > _QUIET)
    return low.mean() + HIGH * high.mean() + DISTORTION * ratio.mean()
