"""The estimator as a user meets it: scikit-learn's manners, every kind of data, names and units."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from torch.distributions import Normal, kl_divergence

import counterpoint as cp
import toy
from counterpoint.data import read
from counterpoint.settings import Settings

ROWS = 40
SMALL = {"latent_dim": 2, "epochs": 2, "hidden": (8,)}


def tables(seed: int = 0) -> dict[str, np.ndarray]:
    """Two tables that share two factors; five rows lack the second, one value of the first is missing."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(ROWS, 2))
    found = {"rna": z @ rng.normal(size=(2, 4)) + 0.3 * rng.normal(size=(ROWS, 4))}
    found["protein"] = z @ rng.normal(size=(2, 3)) + 0.3 * rng.normal(size=(ROWS, 3))
    found["rna"][7, 1] = np.nan
    found["protein"][:5] = np.nan
    return found


def small(method: str = "mmvm", **params) -> cp.Counterpoint:
    return cp.Counterpoint(method, **{**SMALL, **params})


@pytest.fixture(scope="module")
def fitted() -> cp.Counterpoint:
    return small().fit(tables())


# scikit-learn


def test_parameters_come_and_go():
    m = cp.Counterpoint("moe", latent_dim=3, hidden=(8, 4), options={"draw": "all"})
    params = m.get_params()
    assert params["latent_dim"] == 3
    assert params["options"] == {"draw": "all"}
    assert clone(m).get_params() == params
    assert m.set_params(beta=0.5, latent_dim=4) is m
    assert (m.beta, m.latent_dim) == (0.5, 4)
    assert "moe" in repr(m)


def test_clone_forgets_the_fit(fitted):
    fresh = clone(fitted)
    assert not hasattr(fresh, "model_")
    again = fresh.fit(tables())
    assert np.array_equal(again.embed(tables()), fitted.embed(tables()))


def test_the_command_line_has_the_same_options_and_defaults():
    ours = {
        k: v
        for k, v in cp.Counterpoint().get_params(deep=False).items()
        if k not in ("method", "options", "verbose")
    }
    theirs = Settings().to_dict()
    assert {k: theirs[k] for k in ours} == ours


@pytest.mark.parametrize("kind", ["MultimodalData", "DataFrame"])
def test_grid_search(kind):
    x = tables()
    data = read(x)
    if kind == "DataFrame":
        data = pd.concat(
            {k: pd.DataFrame(v, columns=[f"f{i}" for i in range(v.shape[1])]) for k, v in x.items()}, axis=1
        )
    search = GridSearchCV(
        small(validation=0), {"latent_dim": [1, 2], "beta": [0.5, 2.0]}, cv=KFold(2), error_score="raise"
    )
    search.fit(data)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert set(search.best_params_) == {"latent_dim", "beta"}
    assert search.transform(data).shape == (ROWS, search.best_params_["latent_dim"])


def test_a_step_of_a_pipeline():
    y = np.arange(ROWS) % 2
    steps = Pipeline([("latent", small()), ("classify", LogisticRegression())]).fit(read(tables()), y)
    assert steps.predict(read(tables())).shape == (ROWS,)
    assert 0 <= steps.score(read(tables()), y) <= 1
    steps.set_params(latent__latent_dim=3)
    assert steps.fit(read(tables()), y)["latent"].transform(tables()).shape == (ROWS, 3)


def test_fit_transform_is_fit_then_transform(fitted):
    z = small().fit_transform(tables())
    assert np.array_equal(z, fitted.transform(tables()))
    assert np.array_equal(z, fitted.get_latent_representation(tables()))
    assert np.array_equal(z, fitted.embed(tables()))


def test_score_is_larger_for_better_models():
    x = tables()
    assert small(epochs=150, patience=None).fit(x).score(x) > small(epochs=1).fit(x).score(x)


# The seed, and nothing else


def test_the_seed_alone_decides(fitted):
    np.random.seed(12)
    torch.manual_seed(99)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    again = small().fit(tables())
    answers = [
        (m.embed(tables()), m.impute(tables())["protein"].draws, m.score(tables())) for m in (fitted, again)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(*answers, strict=True))
    for (k, a), b in zip(fitted.model_.state_dict().items(), again.model_.state_dict().values(), strict=True):
        assert torch.equal(a, b), k
    assert np.array_equal(before[0], np.random.get_state()[1])
    assert torch.equal(before[1], torch.get_rng_state())


def test_another_seed_is_another_model(fitted):
    other = small(seed=1).fit(tables())
    assert not np.array_equal(other.embed(tables()), fitted.embed(tables()))
    one, two = (fitted.impute(tables(), seed=s)["protein"].draws for s in (0, 1))
    assert not np.array_equal(one, two)
    assert np.array_equal(one, fitted.impute(tables(), seed=0)["protein"].draws)


# Every kind of data

WHOLE = {"a": np.arange(ROWS * 3).reshape(ROWS, 3) % 7, "b": np.arange(ROWS * 2).reshape(ROWS, 2) % 5}
KINDS = {
    **{
        t: (lambda v, t=t: v.astype(t))
        for t in ("float16", "float32", "float64", "int8", "int16", "int32", "int64")
    },
    **{t: (lambda v, t=t: v.astype(t)) for t in ("uint8", "uint16", "uint32", "longdouble")},
    "list": lambda v: v.tolist(),
    "tuple": lambda v: tuple(map(tuple, v.tolist())),
    "objects": lambda v: v.astype(object),
    "fortran": lambda v: np.asfortranarray(v.astype(float)),
    "slice": lambda v: np.repeat(v, 2, axis=0)[::2],
    "DataFrame": lambda v: pd.DataFrame(v),
    "DataFrame Int64": lambda v: pd.DataFrame(v).astype("Int64"),
    "DataFrame mixed": lambda v: pd.DataFrame(v).astype({0: "float32", 1: "int8"}),
    "torch float": lambda v: torch.tensor(v, dtype=torch.float32, requires_grad=True),
    "torch int": lambda v: torch.tensor(v),
    "torch bfloat16": lambda v: torch.tensor(v).to(torch.bfloat16),
}


@pytest.fixture(scope="module")
def of_whole() -> cp.Counterpoint:
    return small(likelihood="normal").fit(WHOLE)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_array_means_the_same(kind, of_whole):
    given = {k: KINDS[kind](v) for k, v in WHOLE.items()}
    wanted = of_whole.embed(WHOLE)
    assert np.array_equal(of_whole.embed(given), wanted)
    again = small(likelihood="normal").fit(given)
    assert again.data_summary_["fingerprint"] == of_whole.data_summary_["fingerprint"]
    assert np.array_equal(again.embed(WHOLE), wanted)


def test_one_column_may_come_flat():
    x = {"a": WHOLE["a"], "b": WHOLE["b"][:, 0]}
    m = small(likelihood="normal").fit(x)
    assert np.array_equal(m.embed(x), m.embed({"a": pd.DataFrame(x["a"]), "b": pd.Series(x["b"])}))


def test_a_table_with_groups_and_files_mean_the_same(tmp_path):
    x = tables()
    wanted = small().fit(x).embed(x)
    frame = pd.DataFrame(
        np.hstack(list(x.values())), columns=[f"{k}{i}" for k, v in x.items() for i in range(v.shape[1])]
    )
    groups = {k: [f"{k}{i}" for i in range(v.shape[1])] for k, v in x.items()}
    assert np.array_equal(small().fit(frame, groups=groups).embed(x), wanted)
    np.savez(tmp_path / "x.npz", **x)
    assert np.array_equal(small().fit(tmp_path / "x.npz").embed(tmp_path / "x.npz"), wanted)


# What is missing


def test_nan_mask_and_absence_are_one_thing(fitted):
    x = tables()
    masks = {k: ~np.isnan(v) for k, v in x.items()}
    for filler in (0.0, -1e6, 1e30):
        filled = {k: np.where(masks[k], v, filler) for k, v in x.items()}
        assert np.array_equal(fitted.embed(filled, mask=masks), fitted.embed(x))
        trained = small().fit(filled, mask=masks)
        assert np.array_equal(trained.embed(x), fitted.embed(x))
        for ask in ("reconstruct", "impute"):
            one, other = getattr(fitted, ask)(filled, mask=masks), getattr(fitted, ask)(x)
            for k in x:
                a, b = one[k], other[k]
                assert np.array_equal(*((a, b) if ask == "reconstruct" else (a.filled, b.filled))), (ask, k)
    only = {"rna": x["rna"]}
    absent = {"rna": x["rna"], "protein": np.full((ROWS, 3), np.nan)}
    assert np.array_equal(fitted.embed(only), fitted.embed(absent))
    assert np.array_equal(fitted.embed(only), fitted.embed(x, given=["rna"]))
    assert np.array_equal(fitted.embed(only), fitted.embed(read(x).without("protein")))


def test_each_modality_is_embedded_where_it_is(fitted):
    each = fitted.embed_each(tables())
    assert list(each) == ["rna", "protein"]
    assert np.isfinite(each["rna"]).all()
    assert np.isnan(each["protein"][:5]).all()
    assert np.isfinite(each["protein"][5:]).all()
    np.testing.assert_array_equal(each["rna"], fitted.embed(tables(), given=["rna"]))
    np.testing.assert_allclose(
        (each["rna"] + each["protein"])[5:] / 2, fitted.embed(tables())[5:], rtol=1e-5, atol=1e-6
    )


def test_a_row_with_nothing_observed_embeds_to_zero(fitted):
    x = tables()
    x["rna"][3] = x["protein"][3] = np.nan
    z = fitted.embed(x)
    assert np.array_equal(z[3], np.zeros(2))
    assert z[4].any()
    assert np.isfinite(small().fit(x).embed(x)).all()


def test_rows_do_not_see_one_another(fitted):
    x = tables()
    np.testing.assert_allclose(
        fitted.embed({k: v[10:12] for k, v in x.items()}), fitted.embed(x)[10:12], rtol=1e-5, atol=1e-6
    )
    assert fitted.embed({"rna": x["rna"][:1]}).shape == (1, 2)


def test_order_of_modalities_when_asking_is_free(fitted):
    x = tables()
    assert np.array_equal(fitted.embed({"protein": x["protein"], "rna": x["rna"]}), fitted.embed(x))


# Units


@pytest.fixture(scope="module")
def in_units() -> tuple[cp.Counterpoint, dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(200, 1))
    x = {
        "mass": 1000 + 50 * (z + 0.1 * rng.normal(size=(200, 3))),
        "length": z + 0.1 * rng.normal(size=(200, 2)),
    }
    return small(epochs=60, latent_dim=1, likelihood="normal_learned", learning_rate=1e-2, patience=None).fit(
        x
    ), x


def test_answers_are_in_the_units_of_the_data(in_units):
    m, x = in_units
    given = {"length": x["length"]}
    for mean in (
        m.translate(x, "length", "mass"),
        m.reconstruct(given)["mass"],
        m.impute(given)["mass"].mean,
    ):
        assert mean.shape == (200, 3)
        assert abs(mean.mean() - 1000) < 10
        assert np.corrcoef(mean.ravel(), x["mass"].ravel())[0, 1] > 0.9
    found = m.impute(given, draws=50)["mass"]
    assert found.draws.shape == (50, 200, 3)
    assert 2 < found.spread.mean() < 50
    assert abs(found.draws.std(0).mean() / found.spread.mean() - 1) < 0.2
    assert abs(found.draws.mean() - 1000) < 10


def test_what_was_observed_comes_back_unchanged(in_units):
    m, x = in_units
    holes = {k: v.copy() for k, v in x.items()}
    holes["mass"][:50] = np.nan
    holes["mass"][60, 1] = np.nan
    seen = ~np.isnan(holes["mass"])
    found = m.impute(holes)["mass"]
    assert np.array_equal(found.filled[seen], x["mass"][seen])
    assert np.array_equal(found.filled[~seen], found.mean[~seen])
    assert (np.abs(found.filled[:50] - 1000) < 300).all()
    assert set(m.impute(holes, to="length")) == {"length"}


def test_shapes_of_every_answer(fitted):
    x = tables()
    again = fitted.reconstruct(x, draws=3)
    assert {k: v.shape for k, v in again.items()} == {"rna": (ROWS, 4), "protein": (ROWS, 3)}
    assert all(np.isfinite(v).all() for v in again.values())
    assert fitted.translate(x, "protein", "rna", draws=2).shape == (ROWS, 4)
    assert fitted.translate(x, ["rna", "protein"], "rna").shape == (ROWS, 4)
    found = fitted.impute(x, draws=5)
    for k, v in x.items():
        assert found[k].filled.shape == found[k].mean.shape == found[k].spread.shape == v.shape
        assert found[k].draws.shape == (5, *v.shape)
        assert (found[k].spread > 0).all()


def test_a_translation_reads_the_source_alone(fitted):
    x = tables()
    other = {"rna": x["rna"], "protein": np.where(np.isnan(x["protein"]), np.nan, 0.5)}
    assert np.array_equal(fitted.translate(x, "rna", "protein"), fitted.translate(other, "rna", "protein"))


# Other likelihoods and networks


def mixed(rows: int = ROWS) -> dict[str, np.ndarray | list]:
    rng = np.random.default_rng(2)
    found = {
        "few": rng.poisson(2.0, (rows, 3)),
        "many": rng.negative_binomial(2, 0.05, (rows, 6)),
        "binary": rng.integers(0, 2, (rows, 4)),
        "sex": np.array(["f", "m", "x"], dtype=object)[rng.integers(0, 3, rows)][:, None],
        "real": rng.normal(size=(rows, 2)),
    }
    found["sex"][:4] = None
    found["real"][4:9] = np.nan
    return found


@pytest.mark.parametrize("method", ["mmvm", "poe"])
def test_counts_binary_and_categories_from_end_to_end(method):
    x = mixed()
    hidden = {k: np.arange(ROWS) >= 10 for k in ("few", "many", "binary")}
    m = small(method).fit(x, mask=hidden)
    assert m.preparation_.likelihoods == {
        "few": "poisson",
        "many": "negative_binomial",
        "binary": "bernoulli",
        "sex": "categorical",
        "real": "normal",
    }
    assert m.embed(x, mask=hidden).shape == (ROWS, 2)
    found = m.impute(x, mask=hidden, draws=6)
    for k in ("few", "many", "binary"):
        draws = found[k].draws
        assert draws.shape == (6, *x[k].shape)
        assert np.array_equal(draws, np.rint(draws))
        assert draws.min() >= 0
        assert (found[k].mean >= 0).all()
        assert np.array_equal(found[k].filled[10:], x[k][10:])
    assert found["binary"].draws.max() <= 1
    assert found["binary"].mean.max() <= 1
    assert (
        5 < np.median(found["many"].mean[:10].sum(1)) < 1000
    )  # the typical library size where none was observed
    sex = found["sex"]
    assert set(np.unique(sex.draws)) <= {0, 1, 2}
    assert sex.draws.shape == (6, ROWS, 1)
    assert sex.mean.shape == (ROWS, 1, 3)
    np.testing.assert_allclose(sex.mean.sum(-1), 1, rtol=1e-5)
    names = np.array(m.preparation_["sex"].categories)
    assert np.array_equal(names[sex.filled[4:].astype(int)], x["sex"][4:])
    assert np.isfinite(m.score(read(x, mask=hidden)))


def test_images_go_through_convolutions():
    rng = np.random.default_rng(3)
    x = {"photo": rng.integers(0, 256, (ROWS, 3, 8, 8), dtype=np.uint8), "table": rng.normal(size=(ROWS, 2))}
    m = small(width=4).fit(x)
    assert type(m.model_["photo"].encoder).__name__ == "ConvEncoder"
    assert m.preparation_.likelihoods["photo"] == "laplace"
    made = m.translate(x, "table", "photo")
    assert made.shape == (ROWS, 3, 8, 8)
    assert np.abs(made).max() > 5  # of 0 to 255, not of 0 to 1
    found = m.impute({"table": x["table"]}, to="photo", draws=2)["photo"]
    assert found.draws.shape == (2, ROWS, 3, 8, 8)


def test_text_goes_through_the_text_network():
    rng = np.random.default_rng(4)
    letters = np.array(list("abcd "))[rng.integers(0, 5, (ROWS, 8))]
    x = {"words": letters, "table": rng.normal(size=(ROWS, 2))}
    m = small(network={"words": "text"}, width=4).fit(x)
    assert type(m.model_["words"].encoder).__name__ == "TextEncoder"
    chances = m.translate(x, "table", "words")
    assert chances.shape == (ROWS, 8, 5)
    np.testing.assert_allclose(chances.sum(-1), 1, rtol=1e-5)
    found = m.impute({"table": x["table"]}, to="words", draws=3)["words"]
    assert found.draws.shape == (3, ROWS, 8)
    assert found.filled.shape == (ROWS, 8)
    assert found.draws.max() < 5


def test_own_networks():
    pair = (
        torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 4)),
        torch.nn.Linear(2, 4),
    )
    m = small(network={"rna": pair}).fit(tables())
    assert m.model_["rna"].encoder is pair[0]
    assert m.embed(tables()).shape == (ROWS, 2)


# Against plain restatements


def posteriors(m: cp.Counterpoint, x: dict) -> list[Normal]:
    batch = m._batch(x)
    with torch.no_grad():
        return [
            Normal(*_parts(toy.heads(modality, batch.x[k], batch.mask[k])))
            for k, modality in zip(m.modalities_, m.model_.modalities, strict=True)
        ]


def _parts(heads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    q = cp.METHODS["poe"]().posterior.from_heads(heads)
    return q.loc, q.scale


def complete() -> dict[str, np.ndarray]:
    return {k: v[10:].copy() for k, v in tables().items()}


def test_the_product_is_precision_weighted(fitted):
    x = complete()
    a, b = posteriors(fitted, x)
    one, two = a.scale**-2, b.scale**-2
    wanted = (a.loc * one + b.loc * two) / (one + two)
    np.testing.assert_allclose(fitted.embed(x, how="product"), wanted.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        fitted.embed(x, ["rna"], how="product"), fitted.embed(x, ["rna"]), rtol=1e-5, atol=1e-6
    )


def test_rates_against_a_loop_over_pairs(fitted):
    x = complete()
    q = posteriors(fitted, x)
    terms = fitted.score_terms(x)
    for m, name in enumerate(fitted.modalities_):
        pairs = [kl_divergence(q[m], other).sum(-1) for other in q]
        assert terms[name]["rate"] == pytest.approx(torch.stack(pairs).mean(0).mean().item(), rel=1e-4)


def test_a_joint_rate_is_that_of_the_product():
    x = complete()
    m = small("poe").fit(tables())
    a, b = posteriors(m, x)
    one, two = a.scale**-2, b.scale**-2
    joint = Normal((a.loc * one + b.loc * two) / (one + two), (one + two) ** -0.5)
    wanted = kl_divergence(joint, Normal(torch.zeros(2), torch.ones(2))).sum(-1).mean().item()
    assert m.score_terms(x)["joint"]["rate"] == pytest.approx(wanted, rel=1e-4)


def test_reconstruction_terms_against_the_formula():
    x = complete()
    m = small("ae").fit(tables())  # a Point posterior: nothing is drawn, so the numbers are exact
    terms, batch = m.score_terms(x), m._batch(x)
    for k, modality in zip(m.modalities_, m.model_.modalities, strict=True):
        with torch.no_grad():
            error = batch.x[k] - modality.decoder(modality.encoder(batch.x[k]))
        wanted = (error**2).sum(1).mean().item() / 2 + x[k].shape[1] * math.log(2 * math.pi) / 2
        assert terms[k]["given_all"] == pytest.approx(wanted, rel=1e-5)
        assert terms[k]["given_itself"] == pytest.approx(wanted, rel=1e-5)
        assert terms[k]["rate"] == 0


def test_score_terms_count_the_rows_that_have_the_modality():
    x = tables()
    m = small("ae").fit(x)
    some = {"rna": x["rna"][:10], "protein": x["protein"][:10]}  # protein is in the last five
    with_it = {k: v[5:] for k, v in some.items()}
    assert m.score_terms(some)["protein"]["given_all"] == pytest.approx(
        m.score_terms(with_it)["protein"]["given_all"], rel=1e-5
    )


# Training


@pytest.mark.parametrize("method", cp.METHODS)
def test_every_method_from_end_to_end_with_holes(method):
    x = tables()
    m = small(method, epochs=3).fit(x)
    assert m.embed(x).shape == (ROWS, 2)
    assert np.isfinite(m.embed(x)).all()
    assert np.isfinite(m.impute(x)["protein"].filled).all()
    assert np.isfinite(m.translate(x, "rna", "protein", draws=2)).all()
    assert all(np.isfinite(v).all() for v in m.reconstruct(x).values())
    assert np.isfinite(m.score(x))
    assert np.isfinite([v for terms in m.score_terms(x).values() for v in terms.values()]).all()
    assert np.array_equal(small(method, epochs=3).fit(x).embed(x), m.embed(x))
    assert small(method, epochs=1, validation=0).fit({"only": x["rna"]}).embed({"only": x["rna"]}).shape == (
        ROWS,
        2,
    )


def test_the_history_has_every_term(fitted):
    first = fitted.history_[0]
    terms = ["total", "distortion/rna", "distortion/protein", "rate/rna", "rate/protein"]
    assert [row["epoch"] for row in fitted.history_] == [1, 2]
    assert {f"{part}/{t}" for part in ("train", "validation") for t in terms} <= set(first)
    assert {"beta", "alpha", "step", "seconds"} <= set(first)
    total = sum(first[f"train/{t}"] for t in terms[1:])
    assert first["train/total"] == pytest.approx(total, rel=1e-5)
    assert 1 <= fitted.best_epoch_ <= 2
    joint = small("poe", validation=0).fit(tables())
    assert "train/rate" in joint.history_[0]
    assert not any(k.startswith("validation/") for k in joint.history_[0])


def test_training_makes_the_loss_smaller():
    m = small(epochs=40, learning_rate=1e-2, patience=None).fit(tables())
    assert m.history_[-1]["train/total"] < 0.95 * m.history_[0]["train/total"]


def test_what_is_held_is_the_best_epoch():
    long = small(epochs=60, learning_rate=0.05, patience=None, batch_size=8).fit(tables())
    losses = [row["validation/total"] for row in long.history_]
    assert long.best_epoch_ == int(np.argmin(losses)) + 1 < 60
    short = small(epochs=long.best_epoch_, learning_rate=0.05, patience=None, batch_size=8).fit(tables())
    assert np.array_equal(short.embed(tables()), long.embed(tables()))


def test_patience_stops_early():
    m = small(epochs=200, learning_rate=0.1, patience=3, batch_size=8).fit(tables())
    assert len(m.history_) == m.best_epoch_ + 3 < 200


def test_beta_may_be_a_schedule():
    m = small(beta="linear:0:2:2", epochs=3, validation=0, batch_size=ROWS).fit(tables())
    assert [row["beta"] for row in m.history_] == [1.0, 2.0, 2.0]
    assert [row["step"] for row in m.history_] == [1, 2, 3]


def test_weights_enter_the_loss():
    m = small(weights={"protein": 3.0}, epochs=1, validation=0).fit(tables())
    row = m.history_[0]
    wanted = (
        row["train/distortion/rna"]
        + 3 * row["train/distortion/protein"]
        + row["train/rate/rna"]
        + row["train/rate/protein"]
    )
    assert row["train/total"] == pytest.approx(wanted, rel=1e-5)


def test_float64_is_double_everywhere():
    m = small(precision="float64").fit(tables())
    assert m.embed(tables()).dtype == np.float64
    single = small().fit(tables()).embed(tables())
    assert single.dtype == np.float32
    np.testing.assert_allclose(m.embed(tables()).shape, single.shape)


def test_data_are_not_changed(fitted):
    x = tables()
    small().fit(x)
    fitted.impute(x)
    for k, v in tables().items():
        assert np.array_equal(x[k], v, equal_nan=True)


def test_verbose_tells_every_term(capsys):
    small(verbose=1).fit(tables())
    said = capsys.readouterr()
    assert said.out == ""
    assert "2/2 epochs" in said.err
    assert "rna" in said.err
    small().fit(tables())
    assert capsys.readouterr() == ("", "")


def test_divergence_is_told():
    with pytest.raises(cp.TrainingDivergedError, match=r"epoch \d+.*not finite.*learning_rate"):
        small(learning_rate=1e30, epochs=5, likelihood="normal").fit(tables())
