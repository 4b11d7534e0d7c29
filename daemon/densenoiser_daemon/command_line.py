"""The command line of ``densenoised``. The man page and the completions are made from it too."""

from __future__ import annotations

import argparse
from pathlib import Path

from densenoiser_models import __version__
from densenoiser_models.arguments import PROVIDERS, Parser, strength

from .i18n import _
from .settings.settings import AUTO

BACKENDS = (AUTO, "pulse", "portaudio")


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="densenoised",
        description=_('Filters the microphone and hands applications the clean speech as "DenseNoiser Mic".'),
    )
    parser.add_argument(
        "--device", metavar="NAME|INDEX|auto", help=_("microphone to filter (default: as set, or the server's default)")
    )
    parser.add_argument(
        "--list-devices", action="store_true", help=_("list the microphones, mark the chosen one, and exit")
    )
    parser.add_argument(
        "--strength", type=strength, metavar="DB|full", help=_("remove at most this much noise; 0 passes everything")
    )
    parser.add_argument("--model", metavar="NAME|FILE", help=_("model to filter with"))
    parser.add_argument("--provider", choices=PROVIDERS, help=_("where the model runs"))
    parser.add_argument("--backend", choices=BACKENDS, default=AUTO, help=_("sound system (default: %(default)s)"))
    parser.add_argument(
        "--output", metavar="NAME|INDEX", help=_("with --backend portaudio: the virtual cable to play into")
    )
    parser.add_argument(
        "--wait", action="store_true", help=_("wait for the sound server instead of failing when it is not there yet")
    )
    parser.add_argument(
        "--demo",
        nargs="?",
        const=Path("demo-output"),
        type=Path,
        metavar="FOLDER",
        help=_(
            "show the filter at work on a private sound server with a noisy recording; writes before.wav, after.wav and a picture"
        ),
    )
    parser.add_argument(
        "--demo-server",
        choices=("pipewire", "pulseaudio"),
        help=_("sound server of the demo (default: PipeWire if installed)"),
    )
    parser.add_argument("--verbose", action="store_true", help=_("say more"))
    about_version = _("show program's version number and exit")  # argparse in Python 3.11 does not translate it
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}", help=about_version)
    return parser
