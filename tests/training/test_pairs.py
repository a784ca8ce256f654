"""Pairs drawn anew in every epoch: within codes, every row once, the same alone and in a stack."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import toy
from counterpoint.methods import method
from counterpoint.training.options import TrainOptions
from counterpoint.training.pairs import Pairs
from counterpoint.training.population import Population

ROWS = 40


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 99), st.data())
def test_rows_stay_within_their_code_and_their_part(codes, seed, data):
    """A permutation of the training rows of every code; what is held back, and the first modality, stay."""
    rows = len(codes)
    train = torch.tensor(sorted(data.draw(st.sets(st.integers(0, rows - 1), min_size=1))))
    pairs = Pairs(torch.tensor(codes), ["a", "b", "c"], "cpu")
    pairs.draw([(train, seed, 3)])
    every = torch.arange(rows)[None]
    assert pairs.rows("a", every).tolist() == list(range(rows))
    held = sorted(set(range(rows)) - set(train.tolist()))
    for name in "bc":
        found = pairs.rows(name, every)
        assert sorted(found.tolist()) == list(range(rows))
        assert [codes[i] for i in found.tolist()] == codes
        assert found[held].tolist() == held


def test_epochs_modalities_and_seeds_have_pairs_of_their_own():
    pairs = Pairs(torch.zeros(ROWS, dtype=torch.long), ["a", "b", "c"], "cpu")
    found = []
    for seed, epoch in ((0, 0), (0, 1), (1, 0)):
        pairs.draw([(torch.arange(ROWS), seed, epoch)])
        found += [tuple(pairs.source[name][0].tolist()) for name in "bc"]
    assert len(set(found)) == 6
    pairs.draw([(torch.arange(ROWS), 0, 1)])
    assert tuple(pairs.source["b"][0].tolist()) == found[2]


def trained(seeds, codes=None, validation=0.2):
    batch = toy.batch("tables", ROWS, seed=4)
    models = [toy.model(method("mmvm"), "tables", seed=seed) for seed in seeds]
    options = TrainOptions(epochs=3, batch_size=8, precision="float64", validation=validation, patience=None)
    population = Population(models, batch.x, batch.mask, options, list(seeds), codes=codes)
    return population, population.run()


CODES = torch.arange(ROWS) % 3


def test_a_stack_pairs_as_each_model_alone():
    _, together = trained([0, 1], CODES)
    for seed, progress in zip((0, 1), together, strict=True):
        _, (alone,) = trained([seed], CODES)
        for a, b in zip(progress.history, alone.history, strict=True):
            assert a["train/total"] == pytest.approx(b["train/total"], rel=1e-9)
            assert a["validation/total"] == pytest.approx(b["validation/total"], rel=1e-9)


def test_a_code_of_each_row_is_no_pairing_and_another_one_is():
    _, (fixed,) = trained([0])
    _, (own,) = trained([0], torch.arange(ROWS))
    _, (paired,) = trained([0], CODES)
    losses = [[epoch["train/total"] for epoch in p.history] for p in (fixed, own, paired)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_a_batch_holds_what_the_pairs_say():
    """The values and masks that a step reads, against loops over rows."""
    batch = toy.batch("tables", ROWS, seed=4)
    seen = {}
    model = toy.model(method("independent"), "tables")
    told = model.loss

    def loss(found, noise, hyper):
        seen["batch"] = found
        return told(found, noise, hyper)

    model.loss = loss
    options = TrainOptions(epochs=1, batch_size=8, precision="float64", validation=0.0, patience=None)
    population = Population([model], batch.x, batch.mask, options, [0], codes=CODES)
    index, noise = population.first_batch()
    population.step(index, noise)
    for name in batch.x:
        for i, row in enumerate(index[0].tolist()):
            source = row if name == "a" else int(population.pairs.source[name][0, row])
            assert CODES[source] == CODES[row]
            assert torch.equal(seen["batch"].x[name][i], batch.x[name][source])
            assert torch.equal(seen["batch"].mask[name][i], batch.mask[name][source])
