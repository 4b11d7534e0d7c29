"""A model for one place: the shipped network, trained a little longer on the noise that its user has."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import soundfile as sf

from ..bands import SPEC
from ..corpus.mixer import OTHERS, Mixer
from ..corpus.noise_sources import SYNTHETIC_GROUP
from ..corpus.pool import Pool, build_pool
from ..corpus.recordings import audio_files, read_mono
from ..errors import AudioFileError
from ..stft import Samples
from .checkpoint import read_checkpoint
from .export import Export, export
from .recipe import recipe_from
from .trainer import HELD_OUT_MIXTURE, Run, Trainer

SHORTEST_NOISE_SECONDS = 20.0
SPEECH_FILES = 240
"""Speech that is used at most: the network knows voices already."""
HELD_OUT = 0.2
"""Share of the recording, and of the speech, that decides whether the result is better."""
GENERAL_LOSS_ALLOWED = 1.02
"""The result may be this much worse on noise that is not the user's."""
MADE_NOISE = 0.3
"""Share of the mixtures with generated machine noise: other noise is not to be forgotten."""
MIXTURES = 24


@dataclass(frozen=True, slots=True)
class Adaptation:
    """Losses on the user's noise and on other noise, before and after; ``installed`` is None if it was refused."""

    own_before: float
    own_after: float
    general_before: float
    general_after: float
    installed: Export | None


def adapt(
    checkpoint: Path,
    noise: Path,
    speech: Sequence[Path],
    out: Path,
    name: str,
    seconds: float,
    report: Callable[[dict[str, float]], None],
    rate: float = 3e-4,
) -> Adaptation:
    """Train ``checkpoint`` on for ``seconds`` with a recording of noise and export it to ``out/NAME.onnx``.

    Nothing is written if the result is not better on the part of the recording that was held out, or if it is more
    than 2 % worse on generated machine noise and voices. AudioFileError if the recording or the speech cannot be used.
    """
    state = read_checkpoint(checkpoint)
    recording = read_mono(noise)
    if len(recording) < SHORTEST_NOISE_SECONDS * SPEC.sample_rate:
        raise AudioFileError(
            f"{noise} is too short to learn from; record at least {SHORTEST_NOISE_SECONDS:.0f} s of noise"
        )
    voices = [path for folder in speech for path in audio_files(folder)]
    step = max(1, len(voices) // SPEECH_FILES)
    voices = voices[::step][:SPEECH_FILES]
    if len(voices) < 5:
        raise AudioFileError(f"only {len(voices)} recordings of speech; give folders with five or more")
    with tempfile.TemporaryDirectory(prefix="densenoiser-adapt-") as folder:
        work = Path(folder)
        held = max(1, int(len(voices) * HELD_OUT))
        cut = int(len(recording) * (1 - HELD_OUT))
        train = _pool(work / "train", voices[held:], recording[:cut], 0.1)
        own = _pool(work / "own", voices[:held], recording[cut:], 0.0)
        general = _pool(work / "general", voices[:held], None, 0.05)
        trained = recipe_from(state["recipe"])
        mixture = replace(trained.mixture, voices={}, noises={SYNTHETIC_GROUP: MADE_NOISE, OTHERS: 1 - MADE_NOISE})
        recipe = replace(trained, crops=8, frames=200, rate=rate, warm_up=20, mixture=mixture)
        run = Run(train, own, steps=10**6, cooldown=0, validate_every=100, validation_batches=1)
        before, after = Trainer(recipe, run, work / "before"), Trainer(recipe, run, work / "after")
        for trainer in (before, after):
            trainer.start_with(checkpoint)
        after.train(report, seconds)
        own_before, own_after = _loss(before, own), _loss(after, own)
        general_before, general_after = _loss(before, general), _loss(after, general)
        better = own_after < own_before and general_after <= GENERAL_LOSS_ALLOWED * general_before
        description = f"{recipe.network} adapted to {noise.name}"
        installed = export(after.checkpoint, out, name, description, []) if better else None
    return Adaptation(own_before, own_after, general_before, general_after, installed)


def _loss(trainer: Trainer, pool: Path) -> float:
    """Mean loss over the same mixtures for every network."""
    mixer = Mixer(Pool(pool), HELD_OUT_MIXTURE, seed=1, batch=8, frames=300)
    return trainer.validate([mixer.draw(i) for i in range(MIXTURES // 8)])


def _pool(folder: Path, voices: Sequence[Path], noise: Samples | None, synthetic_hours: float) -> Path:
    """A pool of these recordings and this noise, in ``folder/pool``."""
    (folder / "speech").mkdir(parents=True)
    for i, path in enumerate(voices):
        (folder / "speech" / f"{i:04}{path.suffix}").symlink_to(path.resolve())
    noises = []
    if noise is not None:
        (folder / "noise").mkdir()
        sf.write(folder / "noise" / "recording.wav", noise, SPEC.sample_rate, "FLOAT")
        noises = [folder / "noise"]
    for _ in build_pool(folder / "pool", [folder / "speech"], noises, synthetic_hours, seed=0, workers=2):
        pass
    return folder / "pool"
