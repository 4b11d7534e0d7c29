"""``densenoiser-train``: pairs, pools, training, export and adaptation from one command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import AudioFileError, ModelError
from ..frame import FrameSpec


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="densenoiser-train",
        description="Make training data, train a network, export it, adapt it to your own noise.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_mix(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name, help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )


def _add_mix(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    mix = _command(commands, "mix", "write a fixed, listed set of noisy and clean pairs for evaluation")
    mix.add_argument("--speech", type=Path, nargs="+", required=True, help="folders of clean speech, any layout")
    mix.add_argument("--noise", type=Path, nargs="+", required=True, help="folders of noise, any layout")
    mix.add_argument("--out", type=Path, required=True, help="folder for clean/, noisy/ and pairs.csv")
    mix.add_argument("--pairs", type=int, default=150, help="how many pairs")
    mix.add_argument("--seed", type=int, default=1, help="same seed, same pairs")
    mix.add_argument("--snr", type=float, nargs=2, default=(-5.0, 15.0), metavar=("MIN", "MAX"), help="range, dB")
    mix.add_argument("--level", type=float, nargs=2, default=(-35.0, -20.0), metavar=("MIN", "MAX"), help="range, dBFS")
    mix.set_defaults(run=_run_mix)


def _run_mix(args: argparse.Namespace) -> int:
    from .mix import PairMixer, PairRecipe, write_pairs  # noqa: PLC0415  (each command loads only what it needs)

    recipe = PairRecipe(args.pairs, args.seed, snr_db=tuple(args.snr), level_db=tuple(args.level))
    mixer = PairMixer(args.speech, args.noise, recipe, FrameSpec())
    pairs = write_pairs(mixer, args.out)
    for entry in mixer.rejected:
        sys.stderr.write(f"left out {entry.path}: {entry.reason}\n")
    sys.stdout.write(f"{len(pairs)} pairs, {sum(pair.seconds for pair in pairs) / 60:.1f} minutes, in {args.out}\n")
    return 0


def main(argv: list[str] | None = None) -> int:
    """The command's exit status: 0, or 1 after one line that names the fault and the way out."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except (AudioFileError, ModelError) as error:
        sys.stderr.write(f"densenoiser-train: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
