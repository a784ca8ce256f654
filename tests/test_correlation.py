"""Canonical correlation and the recipes on it: against CCA, numpy, loops and finite differences."""

from functools import partial
from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA
from torch import nn
from torch.func import vmap

import toy
from counterpoint.batch import Batch
from counterpoint.correlation import canonical_correlation, over_rows
from counterpoint.errors import InputError
from counterpoint.likelihoods import Normal
from counterpoint.methods import dcca, dccae, method, mvcl
from counterpoint.methods.mvcl import another
from counterpoint.model import Modality, MultimodalVAE
from counterpoint.objectives import Noise
from references_correlation import correlations

ROWS, R = 40, 1e-3
both_ways = pytest.mark.parametrize("squared", [False, True])


def close(a, b, tolerance=1e-10):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def g(seed=0):
    return torch.Generator().manual_seed(seed)


def outputs(rows=ROWS, a=3, b=4, seed=0, dtype=torch.float64):
    """Two sets of outputs that share two directions."""
    common = torch.randn(rows, 2, generator=g(seed), dtype=dtype)
    made = []
    for i, columns in enumerate((a, b)):
        mix = torch.randn(2, columns, generator=g(10 + i), dtype=dtype)
        made.append(common @ mix + torch.randn(rows, columns, generator=g(20 + i + seed), dtype=dtype))
    return made


def every(rows=ROWS):
    return torch.ones(rows, dtype=torch.bool)


# --- the value


@both_ways
@pytest.mark.parametrize("regularisation", [1e-3, 0.5])
def test_it_is_what_numpy_finds(squared, regularisation):
    a, b = outputs(b=3)
    found = correlations(a.numpy(), b.numpy(), regularisation)
    expected = (found**2 if squared else found).sum()
    assert 0.5 < expected < 3
    assert canonical_correlation(a, b, every(), regularisation, squared).item() == pytest.approx(
        expected, abs=1e-12
    )


def test_without_regularisation_it_is_scikit_learns_cca():
    a, b = outputs()
    u, v = CCA(n_components=3, tol=1e-12, max_iter=100_000).fit_transform(a.numpy(), b.numpy())
    each = [np.corrcoef(u[:, k], v[:, k])[0, 1] for k in range(3)]
    for squared, power in ((False, 1), (True, 2)):
        found = canonical_correlation(a, b, every(), 0.0, squared).item()
        assert found == pytest.approx(sum(r**power for r in each), abs=1e-6)


@both_ways
def test_a_linear_map_of_the_outputs_changes_nothing(squared):
    a, b = outputs()
    one, two = (torch.randn(n, n, generator=g(n), dtype=a.dtype) + 2 * torch.eye(n) for n in (3, 4))
    before = canonical_correlation(a, b, every(), 0.0, squared)
    close(canonical_correlation(a @ one + 5.0, b @ two - 1.0, every(), 0.0, squared), before, 1e-9)
    assert canonical_correlation(a @ one, b, every(), 1.0, squared) != pytest.approx(before.item(), rel=1e-3)


@both_ways
def test_rows_without_a_pair_change_nothing(squared):
    a, b = outputs()
    both = torch.rand(ROWS, generator=g(4)) < 0.6
    expected = canonical_correlation(a[both], b[both], every(int(both.sum())), R, squared)
    a[~both], b[~both] = torch.nan, 1e30
    a.requires_grad_()
    found = canonical_correlation(a, b, both, R, squared)
    close(found, expected, 1e-12)
    (grad,) = torch.autograd.grad(found, a)
    assert (grad[~both] == 0).all()
    assert (grad[both].abs().sum(-1) > 0).all()


@both_ways
@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("regularisation", [0.0, R])
def test_fewer_than_two_rows_say_nothing(squared, count, regularisation):
    a, b = (v.requires_grad_() for v in outputs())
    found = canonical_correlation(a, b, torch.arange(ROWS) < count, regularisation, squared)
    assert found.item() == 0
    assert all((grad == 0).all() for grad in torch.autograd.grad(found, (a, b)))


@pytest.mark.parametrize("rows", [2, 3, 4])
def test_too_few_rows_correlate_fully(rows):
    """Which is why the docstrings ask for batches of many times the latent's columns."""
    a, b = (torch.randn(rows, 3, generator=g(s), dtype=torch.float64) for s in (0, 1))
    assert canonical_correlation(a, b, every(rows), 1e-9).item() == pytest.approx(rows - 1, abs=1e-5)


# --- its gradient


@both_ways
@pytest.mark.parametrize("missing", [False, True])
def test_gradients_are_those_of_finite_differences(squared, missing):
    a, b = (v.requires_grad_() for v in outputs(rows=9))
    both = torch.rand(9, generator=g(1)) < 0.7 if missing else every(9)
    assert not missing or 4 < both.sum() < 9
    value = partial(canonical_correlation, both=both, regularisation=0.1, squared=squared)
    assert torch.autograd.gradcheck(value, (a, b))


def test_equal_correlations_have_the_gradient_that_finite_differences_have():
    """Where the gradient of singular vectors would divide by zero."""
    signs = torch.tensor([[s, t] for s in (1.0, -1.0) for t in (1.0, -1.0)], dtype=torch.float64)
    a = signs.repeat(2, 1).requires_grad_()  # uncorrelated columns of one variance
    b = (signs.repeat(2, 1) + 0.5 * torch.cat([signs, -signs])).requires_grad_()  # equal correlations
    s = torch.as_tensor(correlations(a.detach().numpy(), b.detach().numpy(), 0.1))
    close(s[0], s[1], 1e-12)
    assert 0.1 < s[0] < 0.99
    value = partial(canonical_correlation, both=every(8), regularisation=0.1)
    assert torch.autograd.gradcheck(value, (a, b))


@both_ways
def test_outputs_that_do_not_move_have_finite_gradients(squared):
    a, b = outputs()
    flat = torch.zeros_like(b).requires_grad_()
    found = canonical_correlation(a, flat, every(), R, squared)
    close(found, torch.zeros_like(found))
    assert torch.autograd.grad(found, flat)[0].isfinite().all()


@both_ways
def test_what_is_not_finite_is_nan_and_raises_nothing(squared):
    """One model of a stack has diverged; the others are what they are alone."""
    a, b = outputs()
    bad = torch.stack([a, torch.full_like(a, torch.inf), 1e200 * a])
    value = partial(canonical_correlation, regularisation=R, squared=squared)
    found = vmap(value, in_dims=(0, None, None))(bad, b, every())
    close(found[0], value(a, b, every()), 1e-12)
    assert found[1].isnan()
    assert found[2].isnan()


def test_single_precision_keeps_its_type_and_its_digits():
    a, b = (v.float() for v in outputs())
    found = canonical_correlation(1e3 * a, b, every(), R)
    assert found.dtype == torch.float32
    exact = canonical_correlation(1e3 * a.double(), b.double(), every(), R)
    assert found.item() == pytest.approx(exact.item(), rel=1e-6)


# --- over the rows


def test_the_mean_over_the_batch_is_the_mean_over_the_rows():
    value, rows = torch.tensor([1.0, 5.0, 3.0, 7.0]), torch.tensor([True, False, True, False])
    assert over_rows(value, rows).tolist() == [2.0, 0.0, 6.0, 0.0]
    assert over_rows(value, rows).mean() == value[rows].mean()
    assert over_rows(value, torch.zeros(4, dtype=torch.bool)).tolist() == [0.0] * 4


PAIRED = {"dcca": dcca, "dccae": partial(dccae, weight=0.0), "mvcl": mvcl}


@pytest.mark.parametrize("name", PAIRED)
def test_the_batchs_value_does_not_depend_on_rows_without_a_pair(name):
    """Rows with one modality are added: the mean over rows stays, and theirs is 0.

    For mvcl they have neither: a row with one of them may be what another is held against.
    """
    kinds = {k: toy.KINDS["tables"][k] for k in ("a", "b")}
    model = toy.model(PAIRED[name](), kinds)
    batch = toy.batch(kinds, 30, missing=False)
    mask = {"a": torch.arange(30) < (20 if name == "mvcl" else 24), "b": torch.arange(30) < 20}
    few = Batch({k: v[:20] for k, v in batch.x.items()}, {k: v[:20] for k, v in mask.items()})
    noise = toy.noise(model, 30)
    one = model.loss(few, Noise(noise.normal[..., :20, :], noise.uniform[:, :20]), model.method.at(0)).total
    many = model.loss(Batch(batch.x, mask), noise, model.method.at(0)).total
    close(many.mean(), one.mean())
    assert one.mean() != 0
    assert (many[20:] == 0).all()


@pytest.mark.parametrize("name", PAIRED)
def test_a_pair_without_another_row_costs_nothing(name):
    kinds = {k: toy.KINDS["tables"][k] for k in ("a", "b")}
    model = toy.model(PAIRED[name](), kinds)
    x, first = toy.batch(kinds, 3, missing=False).x, torch.arange(3) < 1
    total = model.loss(Batch(x, {"a": first, "b": first}), toy.noise(model, 3), model.method.at(0)).total
    assert total.tolist() == [0.0] * 3
    assert all((grad == 0).all() for grad in toy.gradients(model, total).values())


# --- the recipes


def linear(recipe, columns, latent):
    parts = {
        n: Modality(nn.Linear(c, latent), nn.Linear(latent, c), Normal((c,))) for n, c in columns.items()
    }
    return toy.randomise(MultimodalVAE(parts, recipe, latent).double(), 3)


@pytest.mark.parametrize("objective", ["nuclear", "squared"])
def test_linear_encoders_reach_the_canonical_correlations(objective):
    """Two of four correlations: the optimum takes the largest two, as scikit-learn's CCA has them."""
    x, y = (v.numpy() for v in outputs(rows=200, a=4, b=5))
    u, v = CCA(n_components=2, tol=1e-12, max_iter=100_000).fit_transform(x, y)
    largest = np.array([np.corrcoef(u[:, k], v[:, k])[0, 1] for k in range(2)])
    third = CCA(n_components=3, tol=1e-12, max_iter=100_000).fit_transform(x, y)
    assert np.corrcoef(third[0][:, 2], third[1][:, 2])[0, 1] > 0.05  # so there is something to leave out
    model = linear(dcca(objective=objective, regularisation=1e-7), {"a": 4, "b": 5}, 2)
    batch = Batch({"a": torch.as_tensor(x), "b": torch.as_tensor(y)}, {"a": every(200), "b": every(200)})
    encoders = [p for n, p in model.named_parameters() if ".encoder." in n]
    optimiser = torch.optim.LBFGS(
        encoders, max_iter=400, line_search_fn="strong_wolfe", tolerance_change=1e-14
    )

    def loss():
        optimiser.zero_grad()
        value = model.loss(batch, toy.noise(model, 200), {}).total.mean()
        value.backward()
        return value

    optimiser.step(loss)
    power = 2 if objective == "squared" else 1
    assert -loss().item() == pytest.approx((largest**power).sum(), abs=1e-4)


@pytest.mark.parametrize("name", ["dcca", "dccae", "mvcl"])
@pytest.mark.parametrize("missing", [False, True])
def test_gradients_of_the_whole_loss_are_those_of_finite_differences(name, missing):
    kinds = {k: toy.KINDS["tables"][k] for k in ("a", "b")}
    model = toy.model(method(name, {"weight": 0.2} if name == "dccae" else {}), kinds)
    batch = toy.batch(kinds, 9, missing=missing)
    noise, hyper = toy.noise(model, 9), model.method.at(0)
    names, values = zip(*model.named_parameters(), strict=True)

    def total(*given):
        found = torch.func.functional_call(model, dict(zip(names, given, strict=True)), (batch, noise, hyper))
        return found.total

    assert batch.present.all(0).sum() >= 5
    assert torch.autograd.gradcheck(total, values)


def test_mvcl_is_a_loop_over_rows_and_pairs():
    model = toy.model(mvcl(margin=0.7))
    batch, noise = toy.batch(rows=25), toy.noise(model, 25)
    z = model.encode(batch, batch.present).shared.loc.detach().numpy()
    there = batch.present.numpy()
    expected = np.zeros(25)
    for a, b in permutations(range(3), 2):
        hinges = {}
        for i in range(25):
            if there[a, i] and there[b, i]:
                others = [j for j in range(25) if there[b, j] and j != i]
                j = others[int(noise.uniform[0, i].item() * len(others))]
                hinges[i] = 0.7 + ((z[a, i] - z[b, i]) ** 2).sum() - ((z[a, i] - z[b, j]) ** 2).sum()
        for i, v in hinges.items():
            expected[i] += max(v, 0.0) * 25 / len(hinges) / 6
    found = model.loss(batch, noise, model.method.at(0)).total.detach()
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    assert (expected > 0).any()
    assert 0 < len({*np.flatnonzero(expected)}) < 25


def test_another_row_is_never_the_same_and_all_are_as_likely():
    there = torch.tensor([True, False, True, True, False, True])
    uniform = (torch.arange(1200) + 0.5) / 1200
    each = torch.stack([another(there, u.expand(6))[0] for u in uniform])  # (U, B)
    for i in range(6):
        candidates = [j for j in range(6) if there[j] and j != i]
        counts = torch.bincount(each[:, i], minlength=6)
        assert counts.tolist() == [1200 // len(candidates) if j in candidates else 0 for j in range(6)]
    assert another(there, torch.full((6,), 1 - 2**-24))[0].tolist() == [5, 5, 5, 5, 5, 3]
    alone = torch.tensor([False, True, False])
    assert another(alone, torch.zeros(3))[1].tolist() == [True, False, True]
    assert another(torch.zeros(3, dtype=torch.bool), torch.zeros(3))[1].tolist() == [False] * 3


def test_without_weight_dccae_is_dcca():
    one, two = (toy.model(m) for m in (dcca(), dccae(weight=0.0)))
    batch = toy.batch()
    close(*(m.loss(batch, toy.noise(m, 9), m.method.at(0)).total for m in (one, two)))


@pytest.mark.parametrize(
    ("recipe", "options", "said"),
    [
        (dcca, {"objective": "nuclea"}, "Did you mean 'nuclear'"),
        (dcca, {"regularisation": 0.0}, "above 0"),
        (dccae, {"regularisation": -1}, "above 0"),
        (dccae, {"weight": -0.1}, "of at least 0"),
        (mvcl, {"margin": "wide"}, "margin is 'wide'"),
    ],
)
def test_each_bad_option_has_its_error(recipe, options, said):
    with pytest.raises(InputError, match=said):
        recipe(**options)
