"""Runs a module of a command (``add_arguments`` and ``run``) as the ``densenoiser`` program does."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from types import ModuleType


def run_command_module(module: ModuleType, words: Sequence[str]) -> int:
    """The exit code of the command with these words."""
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(words)))
