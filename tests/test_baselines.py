"""The baselines: their common face, and the CCA family against scikit-learn, cca-zoo and numpy."""

import inspect
import sys

import numpy as np
import pytest
import torch

from counterpoint.baselines import BASELINES, CCA, KernelCCA, MultisetCCA, RegularisedCCA
from counterpoint.baselines.base import Columns, complete
from counterpoint.correlation import canonical_correlation
from counterpoint.data import read
from counterpoint.errors import InputError
from counterpoint.methods._papers import Paper

nan = float("nan")
FAMILY = {
    "cca": lambda **more: CCA(2, tolerance=0.0, iterations=3000, **more),
    "rcca": lambda **more: RegularisedCCA(2, shrinkage=0.2, **more),
    "kcca": lambda **more: KernelCCA(2, **more),
    "mcca": lambda **more: MultisetCCA(2, shrinkage=0.2, **more),
}
every_member = pytest.mark.parametrize("name", FAMILY)


def planted(rows=300, modalities=2, seed=0):
    """Two shared directions, of strength 2 and 1, in modalities of 4, 5, ... columns; standardised."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((rows, 2)) * [2.0, 1.0]
    x = {}
    for name, size in zip("abc"[:modalities], (4, 5, 6), strict=False):
        made = shared @ rng.standard_normal((2, size)) + rng.standard_normal((rows, size))
        x[name] = (made - made.mean(0)) / made.std(0)
    return x


def numpy_correlations(a, b):
    """The singular values of S_aa^-1/2 S_ab S_bb^-1/2, by eigendecompositions."""

    def root(s):
        value, vector = np.linalg.eigh(s)
        return vector @ np.diag(value**-0.5) @ vector.T

    s = np.cov(a.T, b.T)
    p = a.shape[1]
    return np.linalg.svd(root(s[:p, :p]) @ s[:p, p:] @ root(s[p:, p:]), compute_uv=False)


def same_up_to_sign(ours, theirs, **tolerance):
    signs = np.sign((ours * theirs).sum(0))
    np.testing.assert_allclose(ours, theirs * signs, **tolerance)


def quiet_cca(components, **more):
    """CCA whose power method runs to the last bit."""
    return CCA(components, tolerance=1e-28, iterations=100_000, **more)


# --- what all baselines share --------------------------------------------------------------------


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_has_its_face_and_its_paper(name):
    made = BASELINES[name]
    module = sys.modules[made.__module__]
    assert isinstance(module.PAPER, Paper)
    assert (module.__doc__ or "").splitlines()[0].count(": ") == 1
    assert list(inspect.signature(made.fit).parameters)[:3] == ["self", "data", "y"]
    can = {"embed", "translate", "predict_proba"} & set(dir(made))
    assert can
    with pytest.raises(InputError, match=r"observed is 'a'; give a list of names"):
        made(observed="a")
    asked = made(observed=["a"])
    with pytest.raises(InputError, match=r"was not fitted; call fit"):
        getattr(asked, next(iter(can & {"embed", "predict_proba"})))(planted(6))


@pytest.mark.parametrize("name", BASELINES)
def test_no_rows_are_refused(name):
    data = read(planted(40))
    made = BASELINES[name](observed=["a"])
    with pytest.raises(InputError, match="The data have no rows; give at least one"):
        made.fit(data[data.x["a"][:, 0] > 99])
    made.names = data.names  # as if it were fitted
    with pytest.raises(InputError, match="The data have no rows; give at least one"):
        made.asking(data[data.x["a"][:, 0] > 99])


def test_columns_are_in_the_units_that_networks_read():
    rng = np.random.default_rng(0)
    data = read(
        {
            "picture": rng.integers(0, 256, (6, 3, 4), dtype=np.uint8),
            "count": rng.poisson(20.0, (6, 7)) * 9,
            "text": np.array([["x", "y"], ["z", "y"], ["x", "x"]] * 2),
            "table": rng.normal(1000.0, 0.01, (6, 2)),
        }
    )
    made = {name: Columns.fit(data, name) for name in data.names}
    x = {name: one.apply(data) for name, one in made.items()}
    picture = data.x["picture"].reshape(6, 12) / 255.0
    np.testing.assert_allclose(x["picture"], picture - picture.mean(0), atol=1e-6)
    logs = np.log1p(data.x["count"])
    np.testing.assert_allclose(x["count"], (logs - logs.mean(0)) / logs.std(0), atol=1e-5)
    assert x["text"].shape == (6, 6)
    np.testing.assert_allclose(x["text"][:, 0], np.array([1, 0, 1] * 2) - 2 / 3)
    table = data.x["table"]
    np.testing.assert_allclose(x["table"], (table - table.mean(0)) / table.std(0), atol=1e-5)
    for name, one in made.items():
        np.testing.assert_allclose(one.inverse(x[name]), data.x[name], rtol=1e-5)


def test_columns_by_range_lie_between_0_and_1():
    rng = np.random.default_rng(0)
    data = read({"a": rng.normal(size=(9, 3)), "image": rng.uniform(0.2, 0.7, (9, 2, 2))})
    a, image = (Columns.fit(data, name, "range").apply(data) for name in data.names)
    np.testing.assert_allclose([a.min(0), a.max(0)], [np.zeros(3), np.ones(3)], atol=1e-12)
    assert (image.min(), image.max()) == (0.0, 1.0)
    assert image.min(0).max() > 0.0  # of all pixels together, not of each
    again = Columns.fit(data, "image", "range")
    np.testing.assert_allclose(again.inverse(image), data.x["image"], atol=1e-6)


def test_a_row_is_complete_if_no_value_is_missing():
    data = read({"a": [[1.0, 2.0], [nan, 2.0], [1.0, 2.0]], "b": [[[1.0]], [[2.0]], [[nan]]]})
    assert complete(data, ["a", "b"]).tolist() == [True, False, False]


# --- the oracles ---------------------------------------------------------------------------------


@pytest.mark.parametrize("principal", [None, 100])
def test_cca_is_scikit_learns(principal):
    from sklearn.cross_decomposition import CCA as Theirs

    x = planted()
    made = quiet_cca(3, principal=principal).fit(x)
    theirs = Theirs(3, tol=1e-28, max_iter=100_000).fit(x["a"], x["b"])
    for name, scores in zip("ab", theirs.transform(x["a"], x["b"]), strict=True):
        scores = scores / scores.std(0, ddof=1)
        same_up_to_sign(made.embed(x, given=[name]), scores, atol=1e-5)


def test_cca_reads_principal_components_alone():
    from sklearn.cross_decomposition import CCA as Theirs
    from sklearn.decomposition import PCA

    x = planted()
    made = quiet_cca(2, principal=3).fit(x)
    a, b = (PCA(3).fit_transform(x[name]) for name in "ab")
    scores = Theirs(2, tol=1e-28, max_iter=100_000).fit(a, b).transform(a)
    same_up_to_sign(made.embed(x, given=["a"]), scores / scores.std(0, ddof=1), atol=1e-5)
    full = quiet_cca(2, principal=None).fit(x)
    assert full.correlations[0] > made.correlations[0] + 1e-6


@pytest.mark.parametrize("name", ["cca", "rcca", "mcca"])
def test_correlations_are_the_singular_values(name):
    x = planted(seed=1)
    made = {
        "cca": quiet_cca(4),
        "rcca": RegularisedCCA(4, shrinkage=0.0),
        "mcca": MultisetCCA(4, shrinkage=0.0),
    }[name].fit(x)
    expected = numpy_correlations(x["a"], x["b"])
    assert expected[0] > 0.8 > 0.3 > expected[2]
    np.testing.assert_allclose(made.correlations, expected, atol=2e-5)
    a, b = (made.embed(x, given=[n]) for n in "ab")
    np.testing.assert_allclose(np.corrcoef(a.T, b.T)[:4, 4:], np.diag(expected), atol=2e-5)


def test_linear_deep_cca_reaches_the_sum_of_the_correlations():
    """The objective of dcca at the variates that CCA finds is their sum, and nowhere linear is it more."""
    x = planted(seed=2)
    made = quiet_cca(2).fit(x)
    every = torch.ones(300, dtype=torch.bool)

    def total(f, g):
        return canonical_correlation(torch.as_tensor(f), torch.as_tensor(g), every, 0.0).item()

    best = total(made.embed(x, given=["a"]), made.embed(x, given=["b"]))
    assert best == pytest.approx(made.correlations.sum(), abs=1e-9)
    assert best == pytest.approx(numpy_correlations(x["a"], x["b"])[:2].sum(), abs=1e-9)
    assert total(x["a"], x["b"]) == pytest.approx(numpy_correlations(x["a"], x["b"]).sum(), abs=1e-9)
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert total(x["a"] @ rng.normal(size=(4, 2)), x["b"] @ rng.normal(size=(5, 2))) < best


@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 1.0])
def test_rcca_is_cca_zoos_and_solves_its_equation(shrinkage):
    from cca_zoo.linear import RidgeCCA

    x = planted(seed=3)
    made = RegularisedCCA(3, shrinkage=shrinkage).fit(x)
    theirs = RidgeCCA(3, shrinkage=shrinkage).fit([x["a"], x["b"]])
    for name, scores in zip("ab", theirs.transform([x["a"], x["b"]]), strict=True):
        same_up_to_sign(made.embed(x, given=[name]), scores, atol=1e-5)
    s = np.cov(x["a"].T, x["b"].T)
    s_aa, s_bb = ((1 - shrinkage) * part + shrinkage * np.eye(len(part)) for part in (s[:4, :4], s[4:, 4:]))
    squared = np.linalg.eigvals(np.linalg.solve(s_aa, s[:4, 4:]) @ np.linalg.solve(s_bb, s[4:, :4])).real
    a, b = (made.embed(x, given=[n]) for n in "ab")
    objective = (a * b).sum(0) / (len(a) - 1)
    np.testing.assert_allclose(objective, np.sqrt(np.sort(squared)[::-1][:3]), atol=1e-5)


def test_mcca_is_cca_zoos_and_generalised_cca_without_shrinkage():
    from cca_zoo.linear import GCCA, MCCA

    x = planted(modalities=3, seed=4)
    views = list(x.values())
    made = MultisetCCA(2, shrinkage=0.1).fit(x)
    theirs = MCCA(2, shrinkage=0.1).fit(views).transform(views)
    for name, scores in zip("abc", theirs, strict=True):
        same_up_to_sign(made.embed(x, given=[name]), scores, atol=1e-5)
    bare, generalised = MultisetCCA(2, shrinkage=0.0).fit(x), GCCA(2).fit(views).transform(views)
    for name, scores in zip("abc", generalised, strict=True):
        ours = bare.embed(x, given=[name])
        agreement = [abs(np.corrcoef(ours[:, k], scores[:, k])[0, 1]) for k in range(2)]
        assert min(agreement) > 0.9999
    pairs = [np.corrcoef(theirs[i][:, 0], theirs[j][:, 0])[0, 1] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert made.correlations[0] == pytest.approx(np.mean(pairs), abs=1e-6)


def test_kcca_is_cca_zoos_and_with_a_linear_kernel_mcca():
    from cca_zoo.nonparametric import KCCA

    x = planted(120, seed=5)
    made = KernelCCA(2, gamma=0.1, shrinkage=0.2, principal=None).fit(x)
    theirs = KCCA(2, kernel="rbf", gamma=0.1, shrinkage=0.2).fit([x["a"], x["b"]])
    held = planted(120, seed=5)["b"][::-1]
    for name, scores in zip("ab", theirs.transform([x["a"], x["b"]]), strict=True):
        same_up_to_sign(made.embed(x, given=[name]), scores, atol=1e-4)
    same_up_to_sign(made.embed({"b": held}, given=["b"]), theirs.transform([x["a"], held])[1], atol=1e-4)
    linear, multiset = KernelCCA(2, kernel="linear", shrinkage=0.2), MultisetCCA(2, shrinkage=0.2)
    same_up_to_sign(linear.fit(x).embed(x), multiset.fit(x).embed(x), atol=1e-5)


def test_the_kernels_width_is_the_mean_squared_distance_of_two_rows():
    x = planted(60, seed=6)
    distance = [((x[n][:, None] - x[n]) ** 2).sum(-1)[np.triu_indices(60, 1)].mean() for n in "ab"]
    z = [KernelCCA(1, gamma=1 / d).fit(x).embed(x, given=[n]) for d, n in zip(distance, "ab", strict=True)]
    assert distance[0] != pytest.approx(distance[1], rel=0.01)
    made = KernelCCA(1).fit(x)
    from cca_zoo.nonparametric import KCCA

    theirs = KCCA(1, kernel="rbf", gamma=[1 / d for d in distance], shrinkage=0.1).fit([x["a"], x["b"]])
    expected = theirs.transform([x["a"], x["b"]])[0]
    same_up_to_sign(made.embed(x, given=["a"]), expected, atol=1e-5)
    assert abs(z[1] - expected).max() > 1e-3  # the width matters


def test_kcca_finds_what_no_linear_map_finds():
    rng = np.random.default_rng(0)
    a = rng.uniform(-2.0, 2.0, (400, 1))
    x = {"a": a, "b": a**2 + 0.1 * rng.standard_normal((400, 1))}
    held = {name: part[200:] for name, part in x.items()}
    train = {name: part[:200] for name, part in x.items()}
    found = []
    for made in (KernelCCA(1), CCA(1)):
        made.fit(train)
        found.append(np.corrcoef(*(made.embed(held, given=[n])[:, 0] for n in "ab"))[0, 1])
    assert found[0] > 0.9 > 0.4 > abs(found[1])


# --- what holds for the whole family -------------------------------------------------------------


@every_member
def test_one_modality_is_enough_and_no_other_is_read(name):
    x = planted()
    made = FAMILY[name](observed=["a"]).fit(x)
    whole = made.embed(x)
    assert (whole.shape, made.names) == ((300, 2), ("a", "b"))
    np.testing.assert_array_equal(made.embed({"a": x["a"]}), whole)
    np.testing.assert_array_equal(made.embed({"a": x["a"], "b": np.full((300, 5), nan)}), whole)
    np.testing.assert_array_equal(made.embed({"a": x["a"], "b": x["b"][::-1]}), whole)
    np.testing.assert_allclose(made.embed({"a": x["a"][:7]}), whole[:7], atol=1e-10)
    other = made.embed({"b": x["b"]}, given=["b"])
    assert np.corrcoef(whole[:, 0], other[:, 0])[0, 1] > 0.7
    np.testing.assert_allclose(made.embed(x, given=["b", "a"]), (whole + other) / 2, atol=1e-10)


@every_member
def test_rows_that_lack_something_are_left_out_and_counted(name):
    x = planted()
    holed = {n: part.copy() for n, part in x.items()}
    holed["a"][:40] = nan
    holed["b"][30:60, 1] = nan  # one value: the row cannot be used
    made = FAMILY[name]().fit(holed)
    assert (made.rows_used, made.rows_left_out) == (240, 60)
    assert made.dimensions == {"a": 4, "b": 5}
    alone = FAMILY[name]().fit({n: part[60:] for n, part in x.items()})
    for given in (["a"], ["b"]):
        embedded = made.embed(holed, given=given)
        np.testing.assert_allclose(embedded[60:], alone.embed(x, given=given)[60:], atol=1e-12)
        lacking = slice(0, 40) if given == ["a"] else slice(30, 60)
        assert np.isnan(embedded[lacking]).all()
        assert np.isnan(embedded).any(1).sum() == len(range(300)[lacking])
    np.testing.assert_array_equal(np.isnan(made.embed(holed)).all(1), np.arange(300) < 60)


@every_member
def test_the_order_of_the_rows_does_not_matter(name):
    x = planted()
    order = np.random.default_rng(0).permutation(300)
    made = FAMILY[name]().fit(x)
    again = FAMILY[name]().fit({n: part[order] for n, part in x.items()})
    np.testing.assert_allclose(again.correlations, made.correlations, atol=1e-5)
    same_up_to_sign(again.embed(x), made.embed(x), atol=1e-4)


@every_member
def test_shift_and_scale_of_the_columns_do_not_matter(name):
    x = planted()
    made = FAMILY[name]().fit(x)
    moved = {n: 7.0 + part * np.arange(1, part.shape[1] + 1) for n, part in x.items()}
    same_up_to_sign(FAMILY[name]().fit(moved).embed(moved), made.embed(x), atol=1e-4)


@every_member
def test_fitting_is_deterministic_and_leaves_the_global_generator_alone(name):
    x = planted()
    before = np.random.get_state()[1].tolist()
    a, b = (FAMILY[name]().fit(x, y=np.zeros(300)).embed(x) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert np.random.get_state()[1].tolist() == before


@every_member
def test_pictures_and_tables_that_are_wider_than_long(name):
    rng = np.random.default_rng(0)
    digit = rng.integers(0, 2, 30)
    picture = rng.integers(0, 40, (30, 8, 8), dtype=np.uint8) + (digit * 200).astype(np.uint8)[:, None, None]
    table = rng.standard_normal((30, 90)) + digit[:, None]
    made = FAMILY[name]().fit({"picture": picture, "table": table})
    z = made.embed({"picture": picture}, given=["picture"])
    assert np.isfinite(z).all()


def test_kcca_draws_rows_and_counts_the_others():
    x = planted()
    x["b"][:10] = nan
    made = KernelCCA(2, rows=50, seed=1).fit(x)
    assert (made.rows_used, made.rows_left_out) == (50, 250)
    z = made.embed(x, given=["a"])
    np.testing.assert_array_equal(KernelCCA(2, rows=50, seed=1).fit(x).embed(x, given=["a"]), z)
    assert abs(KernelCCA(2, rows=50, seed=2).fit(x).embed(x, given=["a"]) - z).max() > 1e-3


def test_cca_says_whether_it_converged():
    x = planted()
    assert CCA(1).fit(x).converged
    assert not CCA(1, iterations=1, tolerance=0.0).fit(x).converged


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CCA(0), r"components is 0; it must be a whole number of at least 1"),
        (lambda: CCA(principal=0), r"principal is 0; it must be a whole number of at least 1"),
        (lambda: CCA(tolerance=-1), r"tolerance is -1; it must be a finite number of at least 0"),
        (lambda: CCA(iterations=1.5), r"iterations is 1.5; it must be a whole number"),
        (lambda: CCA(observed=[]), r"observed is empty; name at least one modality"),
        (lambda: CCA(observed=["a", "a"]), r"observed"),
        (lambda: CCA(observed=3), r"observed is 3; give a list of names"),
        (lambda: RegularisedCCA(shrinkage=1.1), r"shrinkage is 1.1; .* at most 1"),
        (lambda: MultisetCCA(shrinkage=nan), r"shrinkage is nan"),
        (lambda: KernelCCA(shrinkage=0), r"shrinkage is 0; it must be a finite number above 0"),
        (lambda: KernelCCA(kernel="rbv"), r"kernel is 'rbv'; allowed are rbf, linear. Did you mean 'rbf'"),
        (lambda: KernelCCA(gamma=0.0), r"gamma is 0.0; it must be a finite number above 0"),
        (lambda: KernelCCA(rows=2), r"rows is 2; it must be a whole number of at least 5"),
    ],
)
def test_bad_options_are_refused_when_they_are_given(make, message):
    with pytest.raises(InputError, match=message):
        make()


@every_member
def test_bad_data_are_refused(name):
    make = FAMILY[name]
    x = planted(20, 3)
    two = {n: x[n] for n in "ab"}
    if name != "mcca":
        with pytest.raises(InputError, match=r"3 modalities \(a, b, c\); this baseline takes 2\. Choose"):
            make().fit(x)
    with pytest.raises(InputError, match=r"1 modalities \(a\); this baseline takes 2"):
        make().fit({"a": x["a"]})
    with pytest.raises(InputError, match=r"observed is 'd'; allowed are a, b"):
        make(observed=["d"]).fit(two)
    rows = np.arange(20)[:, None]
    few = {"a": np.where(rows < 12, x["a"], nan), "b": np.where(rows >= 8, x["b"], nan)}
    with pytest.raises(InputError, match=r"4 of 20 training rows have .* modalities .*'a' 12, 'b' 12"):
        make().fit(few)
    with pytest.raises(InputError, match=r"modality 'b' is constant in the 20 rows that are used"):
        make().fit({"a": x["a"], "b": np.full((20, 3), 4.0)})
    made = make().fit(two)
    with pytest.raises(InputError, match=r"given is 'c'; allowed are a, b"):
        made.embed(two, given=["c"])
    with pytest.raises(InputError, match=r"The data lack 'b', which is read here; they have a"):
        made.embed({"a": x["a"]})
    with pytest.raises(InputError, match=r"modality 'a' has 3 features per row; it was fitted on 4"):
        made.embed({"a": x["a"][:, :3]}, given=["a"])


@pytest.mark.parametrize("name", ["cca", "rcca", "mcca"])
def test_more_components_than_directions_are_refused(name):
    x = {"a": planted(40)["a"], "b": planted(40)["b"][:, :1]}
    with pytest.raises(InputError, match=r"components is 2; modality 'b' has 1 .*so there are at most 1"):
        FAMILY[name]().fit(x)
    twice = {"a": x["a"], "b": np.repeat(x["b"], 2, axis=1)}
    if name != "mcca":
        with pytest.raises(InputError, match=r"components is 2; .*Give fewer components"):
            FAMILY[name]().fit(twice)


def test_more_components_than_a_kernel_has_directions_are_refused():
    x = {"a": planted(40)["a"], "b": planted(40)["b"][:, :1]}
    with pytest.raises(InputError, match=r"components is 2; in the 40 rows .*Give fewer components"):
        KernelCCA(2, kernel="linear").fit(x)


@pytest.mark.parametrize("name", ["rcca", "kcca", "mcca"])
def test_without_cca_zoo_one_error_says_what_to_install(name, monkeypatch):
    for module in [m for m in sys.modules if m.split(".")[0] == "cca_zoo"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    made = FAMILY[name]()  # made without it
    with pytest.raises(InputError, match=r"pip install 'counterpoint\[cca\]'"):
        made.fit(planted(20))
