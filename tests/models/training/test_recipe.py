"""Recipes: those that ship can be read, a file says what is wrong with it, and a checkpoint keeps one whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from densenoiser_models.errors import ModelError
from densenoiser_models.networks import NETWORKS
from densenoiser_models.training.recipe import Recipe, find_recipe, recipe_from


@pytest.mark.parametrize("name", ["tiny", "small", "large"])
def test_a_shipped_recipe_is_read_and_survives_a_checkpoint(name: str) -> None:
    recipe = find_recipe(name)
    assert recipe.network == f"densenet-{name}"
    assert recipe.network in NETWORKS
    assert sum(recipe.mixture.voices.values()) == pytest.approx(1.0, abs=0.1)
    assert recipe_from(recipe.as_table()) == recipe


def test_what_a_file_leaves_out_keeps_its_default(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("crops = 8\n[mixture]\nsnr_db = [0, 10]\n")
    recipe = find_recipe(str(path))
    assert recipe.crops == 8
    assert recipe.mixture.snr_db == (0.0, 10.0)
    assert recipe.loss == Recipe().loss


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("corps = 8", "unknown key corps; known are network, crops"),
        ("[loss]\nmagnitud = 1", "unknown key loss.magnitud"),
        ('crops = "many"', "crops = 'many'"),
        ("crops = true", "crops = True"),
        ("rate = nan", "rate = nan"),
        ("[mixture]\nsnr_db = [1]", r"mixture.snr_db = \[1\]"),
        ("loss = 3", "loss = 3"),
        ("crops =", "cannot use the recipe"),
    ],
)
def test_a_fault_in_a_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ModelError, match=said) as error:
        find_recipe(str(path))
    assert str(path) in str(error.value)


def test_an_unknown_recipe_is_an_error_that_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no recipe 'smal'; there are large, small, tiny"):
        find_recipe("smal")
    with pytest.raises(ModelError, match=r"missing\.toml"):
        find_recipe(str(tmp_path / "missing.toml"))
