"""What happens when a loss is not finite: what is named, what is kept, how training goes on."""

import math

import numpy as np
import pytest
import torch

import counterpoint as cp
import toy
from counterpoint.batch import Batch
from counterpoint.errors import InputError, TrainingDivergedError
from counterpoint.methods import method
from counterpoint.training.bookkeeping import Sums
from counterpoint.training.lightning import fit_stream
from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Population

DATA = toy.batch("tables", 50, seed=8)
FAST = {"learning_rate": 0.01, "batch_size": 16, "precision": "float64", "validation": 0.2, "patience": None}


def make(seed=0):
    return toy.model(method("mmvm"), "tables", seed=seed)


def population(seeds=(0,), data=DATA, **options):
    how = TrainOptions(**{**FAST, **options})
    return Population([make(s) for s in seeds], data.x, data.mask, how, list(seeds))


def weights(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def history(progress):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in progress.history]


def poisoned(trainer, model, *calls):
    """Make these optimiser steps of a trainer, counted from 0, leave one model with weights of NaN."""
    step, count = trainer.weights.step, iter(range(10**6))

    def stepped(*given):
        step(*given)
        if next(count) in calls and model in trainer.running:
            trainer.weights.P.detach()[trainer.running.index(model), 0] = math.nan

    trainer.weights.step = stepped
    return trainer


def huge(rows, name="a"):
    """Return the toy data with values in these rows whose squares overflow."""
    x = {k: v.clone() for k, v in DATA.x.items()}
    mask = {k: torch.ones_like(v) for k, v in DATA.mask.items()}
    x[name][rows] = 1e200
    return Batch(x, mask)


@pytest.mark.parametrize(("together", "batches"), [(1, 7), (2, 40), (3, 65)])
def test_sums_find_the_first_batch_that_is_not_finite_as_a_plain_search_does(together, batches):
    rng = np.random.default_rng(batches)
    for _ in range(20):
        sums, held = Sums(), []
        at = {e: int(rng.integers(batches)) for e in range(together) if rng.random() < 0.7}
        for i in range(batches):
            size = int(rng.integers(2, 9))
            terms = {k: torch.zeros(together, size) for k in ("total", "rate", "distortion/a")}
            for e, start in at.items():
                if i == start:
                    for k in ("total", "distortion/a"):
                        terms[k][e, [0, size - 1]] = math.inf
                elif i > start:
                    terms["rate"][e] = math.nan
            held.append(size)
            sums.add(terms["total"], {k: v for k, v in terms.items() if k != "total"})
        sums.mean(1)
        assert set(sums.trouble) == set(at)
        for e, start in at.items():
            found = sums.trouble[e]
            assert (found.batch, found.start) == (start, sum(held[:start]))
            assert found.places == (0, held[start] - 1)
            assert found.terms == ("total", "distortion/a")


@pytest.mark.parametrize("seed", [0, 1])
def test_the_message_names_epoch_batch_terms_and_rows(seed):
    names = list(DATA.x)
    trainer = population([seed], huge([17, 31], names[0]), validation=0.0, batch_size=50)
    with pytest.raises(TrainingDivergedError) as told:
        trainer.run()
    said = str(told.value)
    assert said.startswith("in epoch 1 the loss terms train/total, ")
    assert f"train/distortion/{names[0]}" in said
    assert f"distortion/{names[1]}" not in said
    assert " of batch 1 are not finite (rows " in said
    assert sorted(map(int, said.split("(rows ")[1].split(")")[0].split(", "))) == [17, 31]
    assert "clip=1.0 or retries=3" in said


def test_the_rows_are_those_of_the_data_in_whatever_batch_they_come():
    name = next(iter(DATA.x))
    for row in (3, 44):
        trainer = population([2], huge([row], name), validation=0.0, batch_size=8)
        with pytest.raises(TrainingDivergedError, match=rf"are not finite \(rows {row}\)\."):
            trainer.run()


def test_a_validation_row_is_named_as_one():
    held = population([0]).splits[0][1]
    name, row = next(iter(DATA.x)), int(held[4])
    with pytest.raises(TrainingDivergedError, match=rf"validation/distortion/{name} of .*\(rows {row}\)\."):
        population([0], huge([row], name)).run()


def test_a_stream_names_the_places_in_its_batch():
    name, data = next(iter(DATA.x)), huge([17], next(iter(DATA.x)))
    loader = [(dict(data.x), dict(data.mask))]
    options = TrainOptions(epochs=1, precision="float64")
    with pytest.raises(
        TrainingDivergedError, match=rf"train/distortion/{name} .*batch 1 .*\(its rows 17\)\."
    ):
        fit_stream(make(), loader, options=options)
    with pytest.raises(InputError, match="retries is 2, which the in-memory trainer alone does"):
        fit_stream(make(), loader, options=TrainOptions(epochs=1, retries=2))


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_a_retry_is_the_epoch_again_at_half_the_rate_and_leaves_the_others_alone(seeds):
    steps, victim = 3, seeds[-1]  # 40 rows by 16
    place = seeds.index(victim)
    trainer = poisoned(population(seeds, epochs=6, retries=1), place, 2 * steps)
    progress = trainer.run()
    assert [p.epoch for p in progress] == [6] * len(seeds)
    assert [len(p.retried) for p in progress] == [int(e == place) for e in range(len(seeds))]
    assert progress[place].retried[0].startswith("in epoch 3 the loss terms train/total")
    assert " of batch 2 are not finite" in progress[place].retried[0]
    assert progress[place].error is None

    first = population([victim], epochs=6)
    states = []
    first.run(lambda p: states.append(p.state()) if p.progress[0].epoch == 2 else None)
    slow = population([victim], epochs=6, learning_rate=0.005)
    slow.restore({0: states[0]})
    expected = slow.run()[0]
    torch.testing.assert_close(weights(trainer.models[place]), weights(slow.models[0]), rtol=1e-9, atol=1e-9)
    for a, b in zip(history(progress[place]), history(expected), strict=True):
        assert a == pytest.approx(b, rel=1e-9)
    for e in range(len(seeds)):
        if e != place:
            alone = population([seeds[e]], epochs=6)
            alone.run()
            torch.testing.assert_close(
                weights(trainer.models[e]), weights(alone.models[0]), rtol=1e-9, atol=1e-9
            )


def test_retries_run_out_and_the_best_state_stays():
    trainer = poisoned(population(epochs=6, retries=2), 0, *range(6, 100))
    good = []

    def each(p):
        good.append((p.progress[0].epoch, p.weights.best[0].clone()))

    with pytest.raises(TrainingDivergedError, match=r"in epoch 3 .*learning_rate \(now 0.0025\)"):
        trainer.run(each)
    assert len(trainer.progress[0].retried) == 2
    assert [epoch for epoch, _ in good] == [1, 2, 2, 2]
    assert torch.equal(weights(trainer.models[0]), good[-1][1])


def test_a_resumed_fit_remembers_its_retries():
    whole = poisoned(population(epochs=6, retries=1), 0, 4)
    states = []
    whole.run(lambda p: states.append(p.state()))
    assert len(whole.progress[0].retried) == 1
    again = population(epochs=6, retries=1)
    again.restore({0: states[3]})
    again.run()
    assert torch.equal(weights(again.models[0]), weights(whole.models[0]))
    assert history(again.progress[0]) == history(whole.progress[0])
    assert again.progress[0].retried == whole.progress[0].retried


def test_without_trouble_retries_change_nothing():
    plain, careful = population((0, 1), epochs=3), population((0, 1), epochs=3, retries=5)
    plain.run(), careful.run()
    for a, b in zip(plain.models, careful.models, strict=True):
        assert torch.equal(weights(a), weights(b))


class TestEstimator:
    def tables(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(80, 4))
        return {"rna": x, "protein": x @ rng.normal(size=(4, 3))}

    def fit(self, monkeypatch, poison, **options):
        """Fit while these steps leave weights of NaN, unless the rate is low."""
        from counterpoint.training.weights import Weights

        step, count = Weights.step, iter(range(10**6))

        def stepped(own, total, taken):
            step(own, total, taken)
            if next(count) in poison and own._options[0].learning_rate > 0.006:
                own.P.detach()[0, 0] = math.nan

        monkeypatch.setattr(Weights, "step", stepped)
        m = cp.Counterpoint("mmvm", latent_dim=2, epochs=4, learning_rate=0.01, batch_size=16, hidden=(8,))
        return m.set_params(**options.pop("set", {})), options

    def test_a_fit_that_diverges_keeps_the_best_epoch_and_can_go_on_with_retries(self, monkeypatch, tmp_path):
        m, _ = self.fit(monkeypatch, range(10, 10**6))  # 5 steps an epoch: in the third
        with pytest.raises(TrainingDivergedError) as told:
            m.fit(self.tables(), run=tmp_path / "a", checkpoint_seconds=1000)
        assert told.value.__notes__ == [
            f"stopped; {tmp_path / 'a'} keeps epoch 2: fit again with resume=True and retries=3 to go on"
        ]
        assert m.best_epoch_ in (1, 2)
        assert np.isfinite(m.transform(self.tables())).all()
        assert len(m.history_) == 3
        assert not (tmp_path / "a" / "manifest.json").exists()
        m.set_params(retries=3).fit(self.tables(), run=tmp_path / "a", resume=True)
        assert m.data_summary_["retried"][0].startswith("in epoch 3 ")
        back = cp.load(tmp_path / "a")
        assert len(back.history_) == 4
        assert back.data_summary_["retried"] == m.data_summary_["retried"]

    def test_a_retry_is_said(self, monkeypatch, capsys):
        m, _ = self.fit(monkeypatch, range(10**6), set={"retries": 1, "verbose": 1})
        m.fit(self.tables())
        said = capsys.readouterr().err
        assert "in epoch 1 the loss terms train/total" in said
        assert "going back to its start, at half the learning rate" in said
        assert "4/4 epochs" in said
