"""``python -m densenoiser_models.evaluation``: compares noise filters on a folder of pairs."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
