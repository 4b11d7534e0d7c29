"""Icons at panel size: told apart without colour, seen on light and dark."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from densenoiser_tray import icon
from densenoiser_tray.status import Condition

PANEL_SIZE = 22
GREYS = (16, 43, 128, 242, 255)


def seen(condition: Condition, ground: int, size: int = PANEL_SIZE) -> NDArray[np.float64]:
    """The icon on a panel of this grey as a colour-blind eye sees it: shape (size, size), luminance 0-255."""
    small = icon.draw(condition).resize((size, size), Image.Resampling.LANCZOS)
    panel = Image.new("RGB", (size, size), (ground, ground, ground))
    panel.paste(small, mask=small)
    return np.asarray(panel.convert("L"), np.float64)


@pytest.mark.parametrize("ground", GREYS)
@pytest.mark.parametrize("pair", [*combinations(Condition, 2)], ids=lambda pair: f"{pair[0].name}-{pair[1].name}")
def test_any_two_differ_in_shape(pair: tuple[Condition, Condition], ground: int) -> None:
    """At least 25 of 484 pixels (a 5x5 patch) differ by a quarter of the grey scale: 22 px, no colour."""
    difference = np.abs(seen(pair[0], ground) - seen(pair[1], ground))
    assert np.count_nonzero(difference > 64) >= 25


@pytest.mark.parametrize("ground", GREYS)
@pytest.mark.parametrize("condition", Condition)
def test_each_stands_out_from_the_panel(condition: Condition, ground: int) -> None:
    assert np.count_nonzero(np.abs(seen(condition, ground) - ground) > 64) >= 50


def test_nothing_is_cut_off_at_the_edge() -> None:
    for condition in Condition:
        alpha = np.asarray(icon.draw(condition))[..., 3]
        assert alpha.shape == (icon.SIZE, icon.SIZE)
        assert alpha[0, 0] == alpha[0, -1] == 0
