"""The names that the package offers: they are there, described, and cost nothing before they are used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import densenoiser_models

PAGE = Path(__file__).parents[2] / "docs" / "python-api.md"


@pytest.mark.parametrize("name", densenoiser_models.__all__)
def test_a_public_name_is_there_and_on_its_page(name: str) -> None:
    assert getattr(densenoiser_models, name).__name__ == name
    assert name in dir(densenoiser_models)
    assert f"`{name}" in PAGE.read_text(encoding="utf-8")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_modle'"):
        _ = densenoiser_models.load_modle


def test_the_import_alone_loads_no_runtime() -> None:
    script = "import sys, densenoiser_models; sys.exit('onnxruntime' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_example_on_the_page_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], check=True, capture_output=True, text=True)
    assert done.stdout == "0.02\n"
