"""The law of the discriminative methods: what must be told, and the label, are never read when it is told."""

import numpy as np
import pytest
import torch

import toy
from counterpoint import inference
from counterpoint.batch import Batch
from counterpoint.methods import METHODS, method
from test_targets import labelled, quick

ROWS = 7
KINDS = {**toy.KINDS["tables"], "y": ("categorical", (1,), False)}
OBSERVED = [None, ("a",), ("a", "b")]
POISONS = [float("nan"), 1e30]
# Every method that decodes can be asked for the label.
TELL = [n for n in METHODS if n not in ("dcca", "dccae", "mvcl", "ae")]


def poisoned(batch: Batch, given: tuple[str, ...], poison: float, label: int) -> Batch:
    """The same rows given some modalities, with nonsense in the place of whatever is not."""
    hidden = batch.given(given)
    x = {}
    for name, value in hidden.x.items():
        nonsense = torch.full_like(value, poison if value.is_floating_point() else label)
        x[name] = torch.where(toy.expand(hidden.mask[name], value), value, nonsense)
    return Batch(x, hidden.mask)


def told(model, batch: Batch) -> list[torch.Tensor]:
    """What the model says of the label and of every modality, by the mean and by draws."""
    g = torch.Generator().manual_seed(0)
    return [
        inference.reconstruct(model, batch, name, draws=draws, noise=g)
        for name in model.names
        for draws in (0, 2)
    ]


@pytest.mark.parametrize("given", [("a",), ("b",), ("a", "c"), ("a", "b", "c"), ()], ids=str)
@pytest.mark.parametrize("observed", OBSERVED, ids=str)
@pytest.mark.parametrize("sees", [False, True])
def test_cmmd_reads_nothing_that_is_hidden(observed, given, sees):
    model = toy.model(
        method("cmmd", {"observed": observed, "decoder_sees_observed": sees}), KINDS, target="y"
    )
    batch = toy.batch(KINDS, ROWS)
    wanted = told(model, batch.given(given))
    for poison in POISONS:
        for label in range(toy.CLASSES):
            found = told(model, poisoned(batch, given, poison, label))
            assert all(torch.equal(a, b) for a, b in zip(wanted, found, strict=True))


@pytest.mark.parametrize("observed", OBSERVED[1:], ids=str)
@pytest.mark.parametrize("name", ["cmmd", "vcca"])
def test_what_is_not_observed_is_not_read_even_where_it_is_there(name, observed):
    """x_m and y stand in the batch, and the mask says so: nothing of the prediction depends on them."""
    model = toy.model(method(name, {"observed": observed}), KINDS, target="y")
    batch = toy.batch(KINDS, ROWS, missing=False)
    y = len(model.names) - 1
    wanted = told(model, batch.given(observed))[2 * y :]
    x = {
        n: v if n in observed else torch.full_like(v, float("nan") if v.is_floating_point() else 2)
        for n, v in batch.x.items()
    }
    found = told(model, Batch(x, batch.mask))[2 * y :]
    assert all(torch.equal(a, b) for a, b in zip(wanted, found, strict=True))
    moved = {**batch.x, observed[0]: batch.x[observed[0]] + 1}
    assert not torch.equal(told(model, Batch(moved, batch.mask))[2 * y], wanted[0])


@pytest.mark.parametrize("name", TELL)
def test_no_method_reads_the_label_or_what_is_hidden(name):
    model = toy.model(method(name), KINDS, target="y")
    batch = toy.batch(KINDS, ROWS)
    wanted = told(model, batch.given(("a", "b")))
    for poison in POISONS:
        found = told(model, poisoned(batch, ("a", "b"), poison, 1))
        assert all(torch.equal(a, b) for a, b in zip(wanted, found, strict=True))


@pytest.fixture(scope="module")
def any_set():
    return quick("cmmd").set_params(epochs=5).fit(*labelled())


def test_a_model_of_any_set_predicts_the_same_by_nan_by_leaving_out_and_by_name(any_set):
    x, y = labelled()
    wanted = any_set.predict_proba({"a": x["a"]})
    poison = np.full_like(x["b"], 1e30)
    there = {"b": np.zeros(len(y), bool)}
    for answer in (
        any_set.predict_proba({"a": x["a"], "b": np.full_like(x["b"], np.nan)}),
        any_set.predict_proba({**x, "diet": y}, given=["a"]),
        any_set.predict_proba({"a": x["a"], "b": poison}, given=["a"]),
        any_set.predict_proba({"a": x["a"], "b": poison}, mask=there),
    ):
        np.testing.assert_array_equal(answer, wanted)
    assert not np.array_equal(any_set.predict_proba(x), wanted)
    both = any_set.predict_proba(x)
    for label in (y, y[::-1].copy()):
        np.testing.assert_array_equal(any_set.predict_proba({**x, "diet": label}), both)
