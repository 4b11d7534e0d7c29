"""The batches of a run, by number: the same ones whoever draws them, drawn here or ahead by other processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import torch
from torch.utils.data import DataLoader, Dataset

from ..corpus.mixer import Batch, Mixer
from ..corpus.pool import Pool
from ..corpus.sample_mixer import SampleMixer
from ..corpus.sample_pool import SamplePool, is_sample_pool
from .recipe import Recipe

Draw = Callable[[int], Batch]
"""The batch of a number."""


def pool_batches(pool: Path, recipe: Recipe, seed: int, passes: int, device: str = "cpu") -> Draw:
    """Mixtures from a pool of spectra or of samples; these are mixed on the device. AudioFileError, ModelError.

    A step's crops are spread over ``passes`` batches.
    """
    crops = recipe.crops // passes
    if is_sample_pool(pool):
        return SampleMixer(SamplePool(pool), recipe.mixture, seed, crops, recipe.frames, torch.device(device)).draw
    return Mixer(Pool(pool), recipe.mixture, seed, crops, recipe.frames).draw


def drawn_ahead(draw: Draw, numbers: Iterable[int], workers: int) -> Draw:
    """The batches of ``numbers``, which are then asked for in this order, drawn ahead by ``workers`` processes."""
    loader = DataLoader(
        _Numbered(draw),
        batch_size=None,
        sampler=list(numbers),
        num_workers=workers,
        worker_init_fn=_leave_interrupts_to_the_run,
    )
    batches = iter(loader)
    return lambda _number: cast("Batch", next(batches))


class _Numbered(Dataset[Batch]):
    """Batches by number, as torch's loader asks for them."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def __getitem__(self, number: int) -> Batch:
        return self._draw(number)


def _leave_interrupts_to_the_run(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
