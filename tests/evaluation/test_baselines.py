"""The linear baseline against scikit-learn, and on what it must not stumble over."""

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression

from counterpoint.errors import InputError
from counterpoint.evaluation import linear_probe
from counterpoint.evaluation.baselines import pls


def shared(seed=0, rows=120, widths=(6, 9, 4), noise=0.5):
    g = np.random.default_rng(seed)
    z = g.standard_normal((rows, 3))
    mixing = [np.random.default_rng(9 + i).standard_normal((3, w)) for i, w in enumerate(widths)]
    made = {f"m{i}": z @ b + noise * g.standard_normal((rows, b.shape[1])) for i, b in enumerate(mixing)}
    return made, (z[:, 0] > 0) + 0


def test_with_two_modalities_it_is_scikit_learns_regression():
    x, _ = shared(widths=(6, 9))
    held, _ = shared(1, rows=30, widths=(6, 9))
    made = pls(x, held, 3)
    model = PLSRegression(3).fit(x["m0"], x["m1"])
    np.testing.assert_allclose(made.translate("m0", "m1"), model.predict(held["m0"]), atol=1e-4)
    latent = model.transform(held["m0"])
    for j in range(3):  # one scale and sign a component
        assert abs(np.corrcoef(made.test["m0"][:, j], latent[:, j])[0, 1]) > 1 - 1e-6
    assert made.train["m0"].shape == (120, 3)


def test_with_three_its_latents_are_those_of_blocks_of_equal_variance():
    x, _ = shared()
    x["m1"] *= 1e3
    made = pls(x, x, 2)
    block = {k: (v - v.mean(0)) / v.std(0) / np.sqrt(v.shape[1]) for k, v in x.items()}
    model = PLSRegression(2, scale=False).fit(block["m1"], np.concatenate([block["m0"], block["m2"]], 1))
    latent = model.transform(block["m1"])
    for j in range(2):
        assert abs(np.corrcoef(made.train["m1"][:, j], latent[:, j])[0, 1]) > 1 - 1e-6
    t = np.concatenate([made.test["m1"], np.ones((120, 1))], 1)
    fitted = t @ np.linalg.lstsq(t, x["m2"], rcond=None)[0]
    np.testing.assert_allclose(made.translate("m1", "m2"), fitted, atol=1e-8)


def test_it_finds_what_is_shared():
    (x, y), (held, truth) = shared(), shared(1)
    made = pls(x, held, 3)
    assert all(linear_probe(made.train[k], y, made.test[k], truth).accuracy > 0.8 for k in x)
    assert all(made.converged.values())
    error = ((made.translate("m0", "m1") - held["m1"]) ** 2).sum()
    assert error < 0.4 * ((x["m1"].mean(0) - held["m1"]) ** 2).sum()


def test_absent_rows_may_hold_anything_and_translations_learn_from_rows_with_both():
    x, _ = shared()
    g = np.random.default_rng(3)
    here = {k: g.random(120) < 0.7 for k in x}
    holes = {k: np.where(here[k][:, None], v, np.nan) for k, v in x.items()}
    garbage = {k: np.where(here[k][:, None], v, 1e6) for k, v in x.items()}
    made = pls(holes, holes, 3, train_present=here, test_present=here)
    other = pls(garbage, garbage, 3, train_present=here, test_present=here)
    for k in x:
        np.testing.assert_array_equal(made.train[k], other.train[k])
        assert np.array_equal(np.isnan(made.train[k]).all(1), ~here[k])
        assert np.array_equal(np.isnan(made.translate(k, "m1")).all(1), ~here[k])
    both = here["m0"] & here["m2"]
    assert made.paired["m0", "m2"] == both.sum()
    t = np.concatenate([made.train["m0"][both], np.ones((both.sum(), 1))], 1)
    fitted = t @ np.linalg.lstsq(t, x["m2"][both], rcond=None)[0]
    np.testing.assert_allclose(made.translate("m0", "m2")[both], fitted, atol=1e-8)


def test_a_pair_that_is_never_seen_together_is_translated_to_the_mean():
    x, _ = shared()
    here = {"m0": np.arange(120) < 80, "m2": np.arange(120) >= 80}
    made = pls(x, x, 2, train_present=here)
    assert made.paired["m0", "m2"] == 0
    np.testing.assert_allclose(made.translate("m0", "m2"), np.tile(x["m2"][80:].mean(0), (120, 1)))


def test_components_are_cut_to_what_there_is_and_told():
    x, _ = shared()
    x["m2"] = np.stack([x["m2"][:, 0], 2 * x["m2"][:, 0], np.full(120, 0.1)], 1)  # of rank 1, one constant
    made = pls(x, x, 50)
    assert made.components == {"m0": 6, "m1": 9, "m2": 1}
    assert made.train["m2"].shape == (120, 1)
    assert np.isfinite(made.translate("m2", "m0")).all()
    np.testing.assert_allclose(made.translate("m0", "m2")[:, 2], 0.1)
    few = {k: v[:4] for k, v in x.items()}
    assert max(pls(few, few, 50).components.values()) <= 3


def test_images_keep_their_shape_and_many_columns_are_cut():
    g = np.random.default_rng(0)
    z = g.standard_normal((150, 4))
    image = (z @ g.standard_normal((4, 768))).reshape(150, 3, 16, 16) + 0.1 * g.standard_normal(
        (150, 3, 16, 16)
    )
    image[:, :, 0, 0] = 1e-9 * g.standard_normal((150, 3))  # a nearly constant corner
    x = {"image": image, "table": z}
    made = pls(x, x, 4)
    assert made.translate("table", "image").shape == (150, 3, 16, 16)
    assert np.corrcoef(made.translate("image", "table").ravel(), z.ravel())[0, 1] > 0.99
    again = pls(x, x, 4)
    np.testing.assert_array_equal(made.train["image"], again.train["image"])


def test_what_does_not_converge_is_told_and_not_warned(monkeypatch):
    import sklearn.cross_decomposition as there

    def hasty(k, **settings):
        return PLSRegression(k, **{**settings, "max_iter": 1})

    monkeypatch.setattr(there, "PLSRegression", hasty)
    x, _ = shared(noise=2.0)
    assert not any(pls(x, x, 3).converged.values())


def test_the_cut_keeps_the_directions_that_vary_most(monkeypatch):
    monkeypatch.setitem(pls.__globals__, "MOST_DIRECTIONS", 2)
    x, _ = shared()
    assert pls(x, x, 5).components == {"m0": 2, "m1": 2, "m2": 2}


def _bad(**change):
    x, _ = shared()
    return pls(**{"train": x, "test": x, "components": 2, **change})


X, _ = shared()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"components": 0}, "components is 0"),
        ({"train": {"m0": X["m0"]}, "test": {"m0": X["m0"]}}, "one modality"),
        ({"test": {"m0": X["m0"]}}, "test has modalities m0"),
        ({"train": {**X, "m1": np.where(X["m1"] > 2, np.nan, X["m1"])}}, "train.'m1'. has"),
        ({"train": {**X, "m1": X["m1"][:9]}}, "rows differ"),
        ({"train": {**X, "m1": X["m1"][:, 0]}}, "rows x features"),
        ({"train": {**X, "m1": X["m1"][:, :3]}}, "'m1': a row is"),
        ({"train": {**X, "m1": np.full((120, 9), 0.1)}}, "constant in its training rows"),
        ({"train_present": {"m3": np.ones(120, bool)}}, "train_present has modalities"),
        ({"train_present": {"m1": np.zeros(120, bool)}}, "no training row has modality 'm1'"),
        (
            {"train_present": {"m0": np.arange(120) < 9, "m1": np.arange(120) > 9, "m2": np.arange(120) > 9}},
            "'m0' is with another in 0",
        ),
    ],
)
def test_each_bad_input_has_its_error(change, said):
    with pytest.raises(InputError, match=said):
        _bad(**change)


def test_a_modality_that_is_not_there_is_no_source():
    with pytest.raises(InputError, match="Did you mean"):
        pls(X, X, 2).translate("m0", "m22")
