"""Recipes on data that are not here: each goes its whole way on a tree in the layout of its data."""

import json

import numpy as np
import pytest

from counterpoint.building import prepare
from counterpoint.evaluation import conv_oracle, judges
from counterpoint.evaluation.oracles import kinds_of
from counterpoint.measures import sessions
from counterpoint.measures.listed import PAPER
from counterpoint.reproduce.recipes import FOLDER, recipe
from counterpoint.reproduce.run import reproduce
from counterpoint.sweeps.values import read_yaml
from data import test_celeba, test_cub, test_mimic_cxr, test_mouse_gratings, test_rats

SIDE, GREY = (64, 64, 3), (1, 224, 224)
# Recipe -> who writes its tree, and the rows of each modality as the reader gives them.
TREES = {
    "mmvm/rats": (test_rats.written, {n: (10 * size,) for n, size in test_rats.RATS.items()}),
    "mmvm/mice": (test_mouse_gratings.written, {"one": (3,), "two": (5,)}),
    "mmvm/celeba": (test_celeba.written, {"image": SIDE, "text": (256,)}),
    "mopoe/celeba": (test_celeba.written, {"image": SIDE, "text": (256,)}),
    "mmvm/cub": (test_cub.written, {"image": SIDE, "text": (32,)}),
    "mmvm/mimic-cxr": (test_mimic_cxr.written, {"frontal": GREY, "lateral": GREY}),
}
TINY = {"beta": 1, "seed": 0, "latent_dim": 3, "epochs": 1, "device": "cpu", "show": 0, "control": False}
WIDTH = 4  # of networks that have one
# Seconds to half a minute each, of wide networks and of probes of pixels.
SLOW = ("mmvm/rats", "mmvm/mimic-cxr", "mmvm/celeba", "mopoe/celeba")


@pytest.fixture
def quick(monkeypatch):
    """Judges of few steps, and few permuted labels: that they run is asked, not what they find."""
    monkeypatch.setattr(sessions, "PERMUTATIONS", 2)
    for module in (conv_oracle, judges):
        monkeypatch.setattr(module, "LEAST_STEPS", 2)
        monkeypatch.setattr(module, "EPOCHS", 1)


def tree(name, place):
    """Write the tree of a recipe where its data are looked for, and return the folder of all data."""
    data = read_yaml(FOLDER / f"{name}.yaml")["data"]["folder"]
    folder = place / data.removeprefix("$COUNTERPOINT_DATA/")
    folder.parent.mkdir(parents=True, exist_ok=True)
    if "mimic" in name or "rats" in name:
        folder.mkdir()
    TREES[name][0](folder)
    if "mmvm/celeba" in name:  # the tree has one of the published texts; the papers read another
        one = folder / test_celeba.TABLES[2]
        (folder / one.name.replace("False_True", "True_True")).write_bytes(one.read_bytes())
    return place


def tiny(name, place, methods):
    """Write a recipe as it is, but for its sizes, with `methods` of its own."""
    lines = {k: v for k, v in read_yaml(FOLDER / f"{name}.yaml").items() if k != "small"}
    assert set(methods) <= set(lines["method"])
    kept = {k: v for k, v in lines.items() if k.partition(".")[0] not in {*lines["method"]} - {*methods}}
    kept = {k: v for k, v in kept.items() if k not in ("mmvm.control", "width")}
    width = {"width": WIDTH} if "network" in lines else {}
    path = place / "tiny.yaml"
    path.write_text(json.dumps({**kept, **TINY, **width, "method": list(methods)}))
    return path


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in TREES])
def test_a_recipe_goes_its_whole_way_on_the_layout_of_its_data(name, tmp_path, quick):
    data = tree(name, tmp_path / "data")
    train, test, _ = recipe(name).grid(data).rows()
    assert {n: x.shape[1:] for n, x in train.x.items()} == TREES[name][1]
    path = tiny(name, tmp_path, ["mopoe", "mvae"] if "mopoe" in name else ["mmvm", "poe"])
    lines, done = read_yaml(path), reproduce(str(path), data=data, out=tmp_path / "out")
    assert done.failed == {}
    assert done.page is not None
    for run in done.folder.glob("*/scores.json"):
        told = json.loads(run.read_text())
        assert (told["task"]["train_rows"], told["task"]["test_rows"]) == (len(train), len(test))
        assert told["summary"]["reconstruction"] == told["summary"]["reconstruction"], "not NaN"
        if "judges" in lines:
            asked = kinds_of("judges", lines["judges"], train.names)
            assert told["sections"]["coherence"]["kind"] == asked
        assert set(told["sections"]) == set(lines.get("measures", PAPER))


def test_the_rats_are_read_as_published(tmp_path):
    """A squared error of the counts themselves: a normal likelihood, and nothing is standardised."""
    grid = recipe("mmvm/rats").grid(tree("mmvm/rats", tmp_path))
    train, _, _ = grid.rows()
    for point in grid.points:
        assert (point.params["likelihood"], point.params["standardise"]) == ("normal", False)
    prepared = prepare(grid.points[0].estimator(), train)
    assert set(prepared.likelihoods.values()) == {"normal"}
    x, mask = prepared.apply(train)
    for name in train.names:
        there = mask[name]
        np.testing.assert_array_equal(np.asarray(x[name])[there], train.x[name][there])
