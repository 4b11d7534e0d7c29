"""Adds compiled translations to a wheel or an editable install, and the desktop files to a wheel."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DesktopHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs ``catalogue.py compile`` before the build. ``artifacts`` in pyproject.toml takes the results into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """``version`` is "standard" or "editable". An editable install uses ``packaging/share`` in the checkout."""
        path = Path(self.root) / "packaging" / "catalogue.py"
        spec = importlib.util.spec_from_file_location("catalogue", path)
        assert spec is not None
        assert spec.loader is not None
        catalogue = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(catalogue)
        catalogue.compile_catalogues()
        if version == "standard":
            build_data["force_include"]["packaging/share"] = "densenoiser_daemon/share"
