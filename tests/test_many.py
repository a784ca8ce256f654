"""Fits of many are the fits of each, whatever shared a stack, finished, diverged or was interrupted."""

import numpy as np
import pytest
import torch

import counterpoint as cp
from counterpoint import many, runs
from counterpoint.errors import InputError
from counterpoint.estimator import Counterpoint
from counterpoint.many import Rows, build_key, finished, fit_many
from test_estimator import SMALL

SETTINGS = {**SMALL, "epochs": 6, "patience": None}
GRID = [
    {"method": "mmvm", "beta": 0.5, "seed": 0},
    {"method": "poe", "beta": 0.5, "seed": 0},
    {"method": "mmvm", "beta": 2.0, "seed": 1, "learning_rate": 0.01},
    {"method": "mmvm", "beta": "linear:0:1:10", "seed": 2, "epochs": 3},
    {"method": "poe", "beta": 1.0, "seed": 3, "ema": 0.9},
    {"method": "mmvm", "beta": 1.0, "seed": 4, "warmup": 2, "decay": "cosine", "clip": 1.0},
]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    state = rng.normal(size=(60, 3))
    x = {"a": state @ rng.normal(size=(3, 5)), "b": state @ rng.normal(size=(3, 4))}
    x["b"][:9] = np.nan
    return cp.read(x)


def made(chosen=GRID, **more):
    return [Counterpoint(**{**SETTINGS, **given, **more}) for given in chosen]


def weights(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


@pytest.fixture(scope="module")
def alone(data):
    return [e.fit(data) for e in made()]


@pytest.mark.parametrize("stack", [1, 2, 32, "auto"])
def test_each_is_what_it_is_alone(data, stack):
    """In double precision to 1e-12; in a stack of one, to the last bit."""
    together, alone = made(precision="float64"), [e.fit(data) for e in made(precision="float64")]
    assert fit_many(together, Rows(data), stack=stack) == [None] * len(GRID)
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(weights(a.model_), weights(b.model_), rtol=1e-12, atol=1e-12)
        assert stack != 1 or torch.equal(weights(a.model_), weights(b.model_))
        assert a.best_epoch_ == b.best_epoch_
        assert a.data_summary_ == b.data_summary_
        for row, other in zip(a.history_, b.history_, strict=True):
            assert {k: v for k, v in row.items() if k != "seconds"} == pytest.approx(
                {k: v for k, v in other.items() if k != "seconds"}, rel=1e-10
            )


def test_every_run_directory_is_that_of_an_ordinary_fit(data, alone, tmp_path):
    folders = [tmp_path / str(i) for i in range(len(GRID))]
    fit_many(made(), Rows(data), folders, stack=1)
    made()[2].fit(data, run=tmp_path / "ordinary")
    assert {p.name for p in folders[2].iterdir()} == {p.name for p in (tmp_path / "ordinary").iterdir()}
    for name in ("config.yaml", "model.safetensors", "data_card.json", "scores.json"):
        assert (folders[2] / name).read_bytes() == (tmp_path / "ordinary" / name).read_bytes()
    assert torch.equal(weights(runs.load(folders[4]).model_), weights(alone[4].model_))


def test_finished_runs_are_left_alone(data, tmp_path, monkeypatch):
    folders = [tmp_path / str(i) for i in range(len(GRID))]
    fit_many(made(), Rows(data), folders)
    monkeypatch.setattr(many, "_fit_stack", lambda *_: pytest.fail("trained again"))
    rows = Rows(data)
    fit_many(made(), rows, folders)
    assert all(finished(f, e, rows) for f, e in zip(folders, made(), strict=True))
    other = made()[0].set_params(beta=0.7)
    assert not finished(folders[0], other, rows)
    assert not finished(folders[0], made()[0], Rows(data[:50]))
    assert not finished(tmp_path / "none", made()[0], rows)


@pytest.mark.parametrize("stop", [1, 3, 4, 5])
@pytest.mark.parametrize("stack", [1, 4])
@pytest.mark.parametrize("seconds", [0.0, 1e9], ids=["written every epoch", "written at the interrupt"])
def test_an_interrupted_stack_resumes_to_the_same_bytes(data, tmp_path, stop, stack, seconds):
    """Ctrl-C after some epochs, also after one model has stopped (epoch 3); the second call goes on."""
    keep, seen, again = tmp_path / "keep", [], []
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole, broken = ([tmp_path / name / str(i) for i in range(len(GRID))] for name in ("whole", "broken"))
    fit_many(made(), Rows(data), whole, stack=stack)

    def interrupt(population):
        seen.append(population.epoch_of_all)
        if len(seen) == stop:
            raise KeyboardInterrupt

    given = {"stack": stack, "keep": keep, "checkpoint_seconds": seconds}
    with pytest.raises(KeyboardInterrupt):
        fit_many(made(), Rows(data), broken, each_epoch=interrupt, **given)
    assert len(list(keep.glob("*.safetensors"))) == 1
    fit_many(made(), Rows(data), broken, each_epoch=lambda p: again.append(p.epoch_of_all), **given)
    assert again[0] == seen[-1] + 1  # not from the start
    assert not list(keep.glob("*.safetensors"))
    for a, b in zip(whole, broken, strict=True):
        assert (a / "model.safetensors").read_bytes() == (b / "model.safetensors").read_bytes()


def test_killed_after_a_model_had_stopped_the_others_see_the_same_stack(data, tmp_path):
    """The checkpoint is older than the run that is there: that one trains along, and is not written again."""
    keep, told = tmp_path / "keep", []
    whole, broken = ([tmp_path / name / str(i) for i in range(4)] for name in ("whole", "broken"))
    chosen = [g for g in GRID if g["method"] == "mmvm"]
    fit_many(made(chosen), Rows(data), whole, stack=4)

    class Killed(BaseException):
        pass

    def kill(population):
        if population.epoch_of_all == 5:
            raise Killed

    copies = []

    def copy(population):
        if population.epoch_of_all == 2:
            copies.extend((p, p.read_bytes()) for p in keep.glob("*.safetensors"))
        kill(population)

    with pytest.raises(Killed):
        fit_many(
            made(chosen), Rows(data), broken, stack=4, keep=keep, checkpoint_seconds=0.0, each_epoch=copy
        )
    assert (broken[2] / "manifest.json").exists()  # the one of three epochs
    for path, content in copies:
        path.write_bytes(content)
    written = (broken[2] / "manifest.json").stat().st_mtime_ns
    fit_many(made(chosen), Rows(data), broken, stack=4, keep=keep, each_done=lambda i, e: told.append(i))
    assert sorted(told) == [0, 1, 3]
    assert (broken[2] / "manifest.json").stat().st_mtime_ns == written
    for a, b in zip(whole, broken, strict=True):
        assert (a / "model.safetensors").read_bytes() == (b / "model.safetensors").read_bytes()


def test_one_that_diverges_leaves_no_run_and_the_others_alone(data, tmp_path):
    chosen = [GRID[0], {**GRID[0], "seed": 9, "learning_rate": 1e300}, GRID[2]]
    estimators, folders = made(chosen, precision="float64"), [tmp_path / str(i) for i in range(3)]
    told = {}
    errors = fit_many(estimators, Rows(data), folders, stack=8, each_done=lambda i, e: told.update({i: e}))
    assert errors == [None, told[1], None]
    assert "not finite" in told[1]
    assert not (folders[1] / "manifest.json").exists()
    assert not hasattr(estimators[1], "model_")
    for e in (0, 2):
        one = made([chosen[e]], precision="float64")[0].fit(data)
        torch.testing.assert_close(weights(estimators[e].model_), weights(one.model_), rtol=1e-12, atol=1e-12)
    single = made([{**GRID[0], "learning_rate": 1e300}])
    assert "not finite" in fit_many(single, Rows(data))[0]


def test_groups_are_of_one_build():
    keys = [build_key(e, 60) for e in made()]
    assert keys[0] == keys[2] == keys[3] == keys[5]
    assert keys[1] == keys[4] != keys[0]
    different = [{"latent_dim": 3}, {"hidden": (7,)}, {"batch_size": 8}, {"options": {"rate": "mixture"}}]
    different += [
        {"validation": 0.2},
        {"weights": {"a": 2.0}},
        {"precision": "float64"},
        {"likelihood": "normal"},
    ]
    others = [build_key(Counterpoint(**{**SETTINGS, **GRID[0], **d}), 60) for d in different]
    assert len({keys[0], *others}) == len(different) + 1


def test_what_cannot_be_is_refused_before_training(data):
    with pytest.raises(InputError, match="6 estimators came with 1 folders"):
        fit_many(made(), Rows(data), ["a"])
    with pytest.raises(InputError, match="stack is 0"):
        fit_many(made(), Rows(data), stack=0)
    with pytest.raises(InputError, match="latent_dim"):
        fit_many([*made(), Counterpoint(latent_dim=0)], Rows(data))
