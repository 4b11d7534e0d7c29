"""``densenoiser window``: becomes the window, which is a program of its own."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from ..errors import DensenoiserError
from ..i18n import _

_PROGRAM = "densenoiser-window"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(args: argparse.Namespace) -> int:
    """Does not return, unless the program is missing: DensenoiserError."""
    places = (Path(sys.argv[0]).absolute().parent, Path(sys.executable).parent)
    found = next((place / _PROGRAM for place in places if (place / _PROGRAM).is_file()), shutil.which(_PROGRAM))
    if found is None:
        raise DensenoiserError(_("the program densenoiser-window was not found; install DenseNoiser again"))
    sys.stdout.flush()
    os.execv(found, [str(found)])
