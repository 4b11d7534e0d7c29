"""The type of the fixture that starts ``densenoiser-tray``."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

StartTray = Callable[..., "subprocess.Popen[str]"]
