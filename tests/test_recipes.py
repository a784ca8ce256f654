"""Every recipe is a grid that can be built: names, options and networks, on rows of its data's shape."""

from pathlib import Path

import numpy as np
import pytest

import counterpoint as cp
from counterpoint.building import new_model, prepare, train_options
from counterpoint.data.named import NAMED
from counterpoint.sweeps.grid import read_grid

FOLDER = Path(__file__).parent.parent
RECIPES = sorted([*FOLDER.glob("recipes/*/*.yaml"), *FOLDER.glob("examples/*.yaml")])


def test_there_are_recipes():
    assert {p.name for p in RECIPES} >= {
        "polymnist.yaml",
        "polymnist-official.yaml",
        "mfeat_sweep.yaml",
    }


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_point_of_a_recipe_can_be_built(path, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_DATA", "/somewhere")
    grid = read_grid(path)
    assert not isinstance(grid.once["data"], dict) or grid.once["data"]["name"] in NAMED
    params = grid.points[0].params
    kinds, observed = params.get("likelihood"), (params.get("options") or {}).get("observed", [])
    names = list(kinds) if isinstance(kinds, dict) else list(params.get("weights") or [*observed, "m0", "m1"])
    rng = np.random.default_rng(0)

    def values(name: str) -> np.ndarray:
        network = params.get("network")
        network = network[name] if isinstance(network, dict) else network
        if isinstance(kinds, dict) and kinds[name] == "categorical":
            return rng.choice(list("abcd"), (400, 16))
        if network in ("portrait", "portrait_mopoe", "dcgan"):
            return rng.integers(0, 256, (400, 16, 16, 3), dtype=np.uint8)
        if isinstance(grid.once["data"], dict) and network != "square":
            return rng.integers(0, 256, (400, 28, 28, 3), dtype=np.uint8)
        return rng.normal(size=(400, 5))

    rows = cp.read({name: values(name) for name in names}, labels={grid.once["label"]: np.arange(400) % 10})
    built = {}
    for point in grid.points:
        estimator = cp.Counterpoint(**{**point.params, "device": "cpu"})
        options = train_options(estimator, len(rows))
        assert options.epochs * options.batch_size > 0
        method = point.params["method"]
        if method not in built:
            built[method] = new_model(estimator, prepare(estimator, rows))
    assert len(grid.points) >= 6


def test_published_sizes(monkeypatch):
    """Twelve betas of five seeds and six methods; 20,621,187 parameters a modality, as published."""
    monkeypatch.setenv("COUNTERPOINT_DATA", "/somewhere")
    grid = read_grid(FOLDER / "recipes" / "mmvm" / "polymnist.yaml")
    assert len(grid.points) == 12 * 5 * 6
    assert sorted({p.params["beta"] for p in grid.points}) == [2.0**k for k in range(-8, 4)]
    rows = cp.read({"m0": np.random.default_rng(0).integers(0, 256, (40, 28, 28, 3), dtype=np.uint8)})
    estimator = cp.Counterpoint(**{**grid.points[0].params, "device": "cpu"})
    model = new_model(estimator, prepare(estimator, rows))
    assert sum(p.numel() for p in model.parameters()) == 20_621_187
    assert len(read_grid(FOLDER / "recipes" / "mmvm" / "polymnist-official.yaml").points) == 11 * 5 * 6
