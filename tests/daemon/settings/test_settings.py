"""Each setting is declared once, and everything that needs to know it reads the declaration."""

from __future__ import annotations

from pathlib import Path

import pytest

from densenoiser_daemon.control.daemon_object import DaemonObject
from densenoiser_daemon.settings.keys import KNOWN
from densenoiser_daemon.settings.settings import TABLES, Settings, declared

MAN_PAGE = Path(__file__).resolve().parents[3] / "packaging" / "share" / "man" / "man1" / "densenoiser.1"


@pytest.mark.parametrize("name", sorted(declared()))
def test_a_setting_is_in_the_file_and_in_the_man_page(name: str) -> None:
    assert name in KNOWN
    assert f".B {name}" in MAN_PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "on_bus"), [(n, d["on_bus"]) for n, d in declared().items() if d["on_bus"]])
def test_a_setting_with_a_property_can_be_set_over_the_bus(name: str, on_bus: str) -> None:
    shown = getattr(DaemonObject, on_bus)
    assert isinstance(shown, property), name
    assert shown.fset is not None, name


@pytest.mark.parametrize("name", sorted(set(declared()) - set(TABLES)))
def test_a_default_survives_the_way_to_the_file_and_back(name: str) -> None:
    declaration, default = declared()[name], getattr(Settings(), name)
    assert declaration["parse"](declaration["write"](default)) == default
