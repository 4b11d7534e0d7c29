"""Starts the window in the distribution's Python. The first argument is the path of the command."""

from __future__ import annotations

import sys
from pathlib import Path

sys.dont_write_bytecode = True  # root's caches would outlive the package
sys.path.insert(0, str(Path(__file__).resolve().parent))
del sys.argv[0]  # the window looks for the other programs beside its command

from densenoiser_window.main import main  # noqa: E402  (found by the line above)

sys.exit(main())
