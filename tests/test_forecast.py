"""What a fit is said to take: against what it takes, without changing it, refused where it is too much."""

import re

import numpy as np
import pytest
import torch

import counterpoint as cp
from counterpoint import cli, forecast
from counterpoint.batches import prepared_batch
from counterpoint.building import new_model, prepare
from counterpoint.errors import InputError
from counterpoint.methods import METHODS
from counterpoint.training.footprint import SIZES, Ledger, step_bytes
from counterpoint.training.options import TrainOptions
from kinds_of_data import mixed

QUICK = {"epochs": 2, "latent_dim": 2, "hidden": (8,), "batch_size": 16}


def table(rows=90, seed=0, **more):
    rng = np.random.default_rng(seed)
    x = {"a": rng.normal(size=(rows, 7)), "b": rng.normal(size=(rows, 4))}
    x["b"][: rows // 4] = np.nan
    return cp.read(x, labels={"donor": np.arange(rows) % 3, "kind": np.arange(rows) % 2}, **more)


def taken(model, batch, rows):
    """Run a step on so many rows; the most bytes that it holds at once, gradients of weights among them."""
    given = batch.at(torch.arange(rows))
    noise = model.noise(rows, torch.Generator().manual_seed(1))
    known = [*model.parameters(), *model.buffers(), *given.x.values(), *given.mask.values(), *noise]
    with Ledger(known) as ledger:
        total = model(given, noise, model.method.final()).total
        torch.autograd.grad(total.sum(), list(model.parameters()), allow_unused=True)
    now = most = 0
    for block, sign in ledger.events:
        now += sign * ledger.sizes[block]
        most = max(most, now)
    return most


@pytest.mark.parametrize("name", METHODS)
def test_a_few_rows_tell_what_many_take(name):
    data = table(200)
    estimator = cp.Counterpoint(name, latent_dim=3, hidden=(32,))
    prepared = prepare(estimator, data)
    model = new_model(estimator, prepared)
    batch = prepared_batch(data, prepared, torch.float32, "cpu")
    weights = sum(p.nbytes for p in model.parameters())
    said, true = step_bytes(model, batch.at(torch.arange(5)), torch.float32, 150, 0), taken(model, batch, 150)
    rows = 150 * 4 * (3 + 12)  # gathered rows and noise, which are there before `taken` counts
    assert true - weights < said < 1.05 * true + 6 * rows
    assert step_bytes(model, batch, torch.float32, 150, 4000) > said  # validation of many rows


def test_pairs_of_rows_are_carried_over_as_pairs():
    class Pairs(torch.nn.Module):
        def forward(self, x):
            near = (x[:, None] - x[None]).square().sum((1, 2))
            return x.new_zeros(len(x), 4) + near[:, None] * 0

    estimator = cp.Counterpoint("poe", latent_dim=2, network={"a": (Pairs(), torch.nn.Linear(2, 50))})
    data = cp.read({"a": np.random.default_rng(0).normal(size=(40, 50))})
    prepared = prepare(estimator, data)
    batch = prepared_batch(data, prepared, torch.float32, "cpu")
    said = step_bytes(new_model(estimator, prepared), batch, torch.float32, 300, 0)
    assert 2 * 4 * 50 * 300**2 <= said < 2.1 * 4 * 50 * 300**2  # a difference, and its square


def test_networks_that_branch_are_carried_over_in_proportion():
    class Branching(torch.nn.Module):
        def forward(self, x):
            return (x if len(x) == SIZES[0] else x.exp().log())[:, :4]

    estimator = cp.Counterpoint("poe", latent_dim=2, network={"a": (Branching(), torch.nn.Linear(2, 50))})
    data = cp.read({"a": np.random.default_rng(0).normal(size=(40, 50))})
    prepared = prepare(estimator, data)
    model, batch = (
        new_model(estimator, prepared),
        prepared_batch(data, prepared, torch.float32, "cpu"),
    )
    few, many = (step_bytes(model, batch, torch.float32, n, 0) for n in (100, 200))
    assert many == pytest.approx(2 * few)
    assert few > 2 * 4 * 50 * 100


CASES = {
    "covariates": {"batch": ["donor", "kind"]},
    "a target": {"target": "kind"},
    "schedules, a mean, clipped": {"beta": "linear:0:1:9", "ema": 0.9, "clip": 0.5, "warmup": 1.0},
    "no validation": {"validation": 0.0},
    "float64": {"precision": "float64"},
    "more rows a step than there are": {"batch_size": 500},
}


@pytest.mark.parametrize("case", CASES)
def test_a_fit_that_was_measured_is_the_fit(case, capsys):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    silent, told = (
        cp.Counterpoint("mopoe", **{**QUICK, **CASES[case]}, verbose=v).fit(table()) for v in (0, 1)
    )
    first, second = (
        [{k: v for k, v in row.items() if k != "seconds"} for row in m.history_] for m in (silent, told)
    )
    assert first == second
    assert all(
        torch.equal(a, b) for a, b in zip(silent.model_.parameters(), told.model_.parameters(), strict=True)
    )
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert re.search(r"^mopoe: about \d+\.\d GiB of memory, about ", capsys.readouterr().err, re.MULTILINE)


def test_every_kind_of_data_is_measured(capsys):
    cp.Counterpoint("mmvm", **QUICK, verbose=1).fit(mixed())
    x = np.random.default_rng(0).normal(size=(20, 3))
    paired = {"a": {"x": x, "odor": np.arange(20) % 4}, "b": {"x": x[:, :2], "odor": np.arange(20) % 4}}
    data = cp.read({k: v["x"] for k, v in paired.items()}, pair_on={k: v["odor"] for k, v in paired.items()})
    cp.Counterpoint("poe", **QUICK, verbose=1).fit(data)
    assert len([line for line in capsys.readouterr().err.splitlines() if "GiB" in line]) == 2


def test_a_silent_small_fit_measures_nothing(monkeypatch, capsys):
    def never(*args):
        raise AssertionError("measured")

    monkeypatch.setattr(forecast, "step_bytes", never)
    monkeypatch.setattr(forecast, "epoch_seconds", never)
    cp.Counterpoint("mmvm", **QUICK).fit(table())
    assert not capsys.readouterr().err
    with pytest.raises(AssertionError, match="measured"):
        cp.Counterpoint("mmvm", **QUICK, verbose=1).fit(table())


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_fit_that_is_too_large_is_refused_before_anything_is_written(monkeypatch, tmp_path, verbose):
    monkeypatch.setattr(forecast, "half_of_memory", lambda: 1e3)
    with pytest.raises(InputError, match=r"GiB are free; .*backed=True.*batch_size.*network") as said:
        cp.Counterpoint("mmvm", **QUICK, verbose=verbose).fit(table(), run=tmp_path / "run")
    assert all(part in str(said.value) for part in ("the process now", "prepared data", "weights", "steps"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("rows", "share"), [(3, 0.9), (3, 0.1)])
def test_a_split_that_leaves_no_rows_is_refused_in_its_own_words(rows, share):
    x = np.random.default_rng(0).normal(size=(rows, 2))
    for verbose in (0, 1):
        with pytest.raises(InputError, match=r"leaves no (training|validation) row"):
            cp.Counterpoint("mmvm", **{**QUICK, "validation": share}, verbose=verbose).fit({"a": x})


def test_the_parts_are_what_they_are_of():
    data = table(64)
    estimator = cp.Counterpoint("mmvm", latent_dim=2, hidden=(8,))
    prepared = prepare(estimator, data)
    model = new_model(estimator, prepared)
    found = forecast.of_fit(estimator, data, prepared, model).memory
    assert found["prepared data"] == 64 * (4 * (7 + 4) + 2)  # values, and masks of rows
    assert found["weights"] == 6 * sum(p.nbytes for p in model.parameters())
    more = forecast.of_fit(estimator, data, prepared, model, written=True).memory
    assert more["weights"] == 3 * found["weights"]
    assert 1e8 < found["the process now"] < 1e11


# time, by a clock that says what it is told to


def told_times(monkeypatch, *seconds):
    """Let steps (and last the validation) take so long; the times that are left are returned as they go."""
    left = list(seconds)

    def clock(run, device):
        run()
        return left.pop(0)

    monkeypatch.setattr(forecast, "_seconds", clock)
    return left


def epoch(train, held, **options):
    data, estimator = table(40), cp.Counterpoint("mmvm", latent_dim=2, hidden=(8,))
    prepared = prepare(estimator, data)
    batch = prepared_batch(data, prepared, torch.float32, "cpu")
    model = new_model(estimator, prepared)
    return forecast.epoch_seconds(model, batch, TrainOptions(batch_size=40, **options), train, held)


def test_an_epoch_is_its_steps_and_its_validation(monkeypatch):
    left = told_times(monkeypatch, 0.2, 0.1, 0.2, 0.5, 0.004)
    assert epoch(200, 80, epochs=1000) == pytest.approx(5 * 0.2 + 2 * 0.004)
    assert not left
    told_times(monkeypatch, 0.01, 0.02, 0.02, 0.02)
    assert epoch(201, 0, epochs=5) == pytest.approx(6 * 0.02)


def test_no_more_is_timed_than_it_is_worth(monkeypatch):
    left = told_times(monkeypatch, 3.0)
    assert epoch(200, 20, epochs=2) is None  # ten steps
    assert not left
    left = told_times(monkeypatch, 0.8, 0.7, 0.1)
    assert epoch(200, 40, epochs=2) == pytest.approx(5 * 0.7 + 0.1)  # a second is spent after two
    told_times(monkeypatch, 3.0, 2.0, 2.0, 2.0, 0.5)
    assert epoch(200, 40, epochs=200) == pytest.approx(5 * 2.0 + 0.5)  # not 2 % of the fit


def test_short_steps_are_timed_more_often_where_that_is_no_large_part(monkeypatch):
    left = told_times(monkeypatch, 0.1, *[0.05, 0.07] * 3, 0.02)
    assert epoch(200, 40, epochs=50) == pytest.approx(5 * 0.06 + 0.02)  # 2 % of the fit are half a second
    assert not left
    left = told_times(monkeypatch, 0.1, 0.05, 0.07, 0.05, 0.02)
    assert epoch(200, 40, epochs=5) == pytest.approx(5 * 0.05 + 0.02)
    assert not left


def test_the_line_says_what_is_left():
    long = forecast.Forecast({"data": 2.0**31}, 1.5, TrainOptions(epochs=200, patience=20))
    assert long.line() == "about 2.0 GiB of memory, about 5 min for at most 200 epochs"
    assert long.line(done=160) == "about 2.0 GiB of memory, about 60 s for at most 40 epochs"
    all_ = forecast.Forecast({"data": 2.0**31}, 1.5, TrainOptions(epochs=1, patience=None))
    assert all_.line() == "about 2.0 GiB of memory, about 2 s for 1 epoch"
    unmeasured = forecast.Forecast({"data": 2.0**31}, None, TrainOptions())
    assert unmeasured.line() == "about 2.0 GiB of memory"


# the command line


def test_inspect_says_what_a_fit_would_take(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("fine.npz", a=rng.normal(size=(60, 5)), b=rng.normal(size=(60, 3)))
    np.savez("flat.npz", a=np.full((60, 5), 2.5), b=rng.normal(size=(60, 3)))
    assert cli.main(["inspect", "fine.npz"]) == 0
    line = next(v for v in capsys.readouterr().out.splitlines() if v.startswith("a fit"))
    assert "GiB of memory, about " in line
    assert line.endswith("for at most 200 epochs")
    assert cli.main(["inspect", "flat.npz"]) == 0
    assert "a fit      would stop: modality 'a': 5 of 5 columns are constant" in capsys.readouterr().out
    monkeypatch.setattr(forecast, "half_of_memory", lambda: 1e3)
    assert cli.main(["inspect", "fine.npz"]) == 0
    assert "leave the rows in their file (--backed)" in capsys.readouterr().out
    assert cli.main(["fit", "fine.npz"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "leave the rows in their file (--backed)" in err
    assert not (tmp_path / "runs").exists()
