"""Covariates of rows, such as donor and lane: in every objective, in training, in what a model is asked."""

import copy
import json
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from torch import nn

import toy
from counterpoint import Counterpoint, inference, load
from counterpoint.batch import Batch
from counterpoint.data import read
from counterpoint.errors import InputError
from counterpoint.likelihoods import Normal
from counterpoint.many import Rows, fit_many
from counterpoint.methods import METHODS, method
from counterpoint.model import Modality, MultimodalVAE
from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Population

ROWS, TOLD = 9, 3
VARIANTS = [*((name, {}) for name in METHODS), *toy.IMPARTIAL, ("mmvae", {"objective": "elbo"})]
VARIANTS += [("mmvae", {"impartial": "pcgrad@pqs", "objective": "iwae", "draws": 1})]
VARIANTS += [("cmmd", {"decoder_sees_observed": True}), ("split", {"decoding": "cross"})]
UNDECODED = ("dcca", "mvcl")


def walk(variants):
    return pytest.mark.parametrize("variant", variants, ids=map(toy.label, variants))


def rows_alone(variant):
    """Whether a row's loss depends on no other row."""
    objective = method(*variant).objective
    return getattr(getattr(objective, "objective", objective), "rows_alone", True)


every_method = walk(VARIANTS)
WHOLE = {"a": ("normal", (3,), False), "b": ("laplace", (2, 2), False), "c": ("bernoulli", (4,), False)}


def close(a, b, tolerance=1e-10):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def told(batch, codes):
    """The batch with one covariate of three categories."""
    return Batch(batch.x, batch.mask, torch.eye(TOLD, dtype=toy.DTYPE)[torch.tensor(codes)])


def mixed(kinds="tables"):
    return told(toy.batch(kinds, ROWS), [0, 1, 2] * 3)


def evaluated(model, batch):
    loss = model.loss(batch, toy.noise(model, batch.rows), model.method.at(0))
    return loss, toy.gradients(model, loss.total)


# --- laws


@every_method
@pytest.mark.parametrize("kinds", toy.KINDS)
def test_everything_that_reads_a_covariate_learns_it(variant, kinds):
    model = toy.model(method(*variant), kinds, told=TOLD)
    loss, grads = evaluated(model, mixed(kinds))
    assert loss.total.isfinite().all()
    assert all(g.isfinite().all() for g in grads.values())
    for m in range(3):
        shift = grads[f"modalities.{m}.shift"]
        assert (shift.flatten(1).abs().sum(1) > 0).all()
        columns = grads[f"modalities.{m}.decoder.0.weight"][:, -TOLD:]
        enough = torch.any if variant[0] == "cmmd" else torch.all  # which explains some of the rows
        assert variant[0] in UNDECODED or enough(columns.abs().sum(0) > 0)


@every_method
def test_absent_entries_do_not_matter(variant):
    model, batch = toy.model(method(*variant), told=TOLD), mixed()
    (loss, grads), (again, grads2) = (evaluated(model, b) for b in (batch, toy.scribble(batch, "tables")))
    close(loss.total, again.total)
    for name, g in grads.items():
        close(g, grads2[name])


class Shifted(nn.Module):
    def __init__(self, network, shift):
        super().__init__()
        self.network, self.add = network, shift.detach()

    def forward(self, x):
        return self.network(x + self.add)


class Beside(nn.Module):
    def __init__(self, network, column):
        super().__init__()
        self.network, self.column = network, column

    def forward(self, z):
        rows = [torch.cat([row, self.column]) for row in z]
        return self.network(torch.stack(rows))


def plain_twin(model, code):
    """The model of rows of one category, written without covariates: networks with the category built in."""
    twin, column = copy.deepcopy(model), torch.eye(TOLD, dtype=toy.DTYPE)[code]
    for m, own in enumerate(twin.modalities):
        if own.encoder.__class__ is not nn.Identity:
            own.encoder = Shifted(own.encoder, own.shift[code])
        if twin.joint is not None:
            twin.joint.trunks[m] = Shifted(twin.joint.trunks[m], own.shift[code])
        own.decoder = Beside(own.decoder, column)
        own.known = own.shift = None
    return twin


@walk([v for v in VARIANTS if "pqs" not in str(v)])  # the twin's modules take no copies of parameters
def test_rows_of_one_category_are_rows_of_networks_that_know_it(variant):
    model, rows = toy.model(method(*variant), WHOLE, told=TOLD), toy.batch(WHOLE, ROWS)
    for code in range(TOLD):
        twin = plain_twin(model, code)
        loss = model.loss(told(rows, [code] * ROWS), toy.noise(model, ROWS), model.method.at(0))
        plain = twin.loss(rows, toy.noise(model, ROWS), model.method.at(0))
        close(loss.total, plain.total)
        for name, term in loss.terms.items():
            close(term, plain.terms[name])


@walk([v for v in VARIANTS if rows_alone(v)])
def test_a_row_costs_what_it_costs_among_rows_of_its_category(variant):
    recipe = method(*variant)
    model, rows = toy.model(recipe, told=TOLD), toy.batch(rows=ROWS)
    noise = toy.noise(model, ROWS)
    both = model.loss(mixed(), noise, recipe.at(0)).total
    each = [model.loss(told(rows, [code] * ROWS), noise, recipe.at(0)).total for code in range(TOLD)]
    close(both, torch.stack(each)[torch.tensor([0, 1, 2] * 3), torch.arange(ROWS)])
    assert (each[0] - each[1]).abs().max() > 1e-3


@every_method
def test_the_order_of_categories_does_not_matter(variant):
    model, order = toy.model(method(*variant), told=TOLD), torch.tensor([2, 0, 1])
    other = copy.deepcopy(model)
    with torch.no_grad():
        for own in other.modalities:
            own.shift.copy_(own.shift[order])
            own.decoder[0].weight[:, -TOLD:] = own.decoder[0].weight[:, -TOLD:][:, order]
    batch = mixed()
    moved = Batch(batch.x, batch.mask, batch.covariates[:, order])
    close(evaluated(model, batch)[0].total, evaluated(other, moved)[0].total)


@pytest.mark.parametrize("name", METHODS)
def test_a_stack_gives_the_same_numbers_as_each_model_alone(name):
    kinds = {"a": ("normal", (3,), False), "b": ("laplace", (2,), True)}
    data = toy.batch(kinds, 40)
    donors = torch.eye(TOLD, dtype=toy.DTYPE)[torch.arange(40) % TOLD]
    options = TrainOptions(epochs=3, batch_size=16, validation=0.2, precision="float64", patience=None)

    def run(seeds, stacked):
        models = [toy.model(method(name), kinds, seed=s, told=TOLD) for s in seeds]
        Population(models, data.x, data.mask, options, seeds, stacked=stacked, covariates=donors).run()
        return models

    for alone, stacked in zip((run([s], False)[0] for s in (0, 1)), run([0, 1], True), strict=True):
        for (key, a), (_, b) in zip(alone.named_parameters(), stacked.named_parameters(), strict=True):
            close(a, b, 1e-8), key
        start = toy.model(method(name), kinds, told=TOLD)
        moved = name in UNDECODED or (alone.modalities[0].decoder[0].weight != 0).all()
        assert moved
        assert not torch.equal(alone.modalities[0].shift, start.modalities[0].shift)


def test_a_model_without_covariates_does_not_look_at_them():
    model, batch = toy.model(method("poe")), toy.batch(rows=ROWS)
    noise = toy.noise(model, ROWS)
    plain, other = (model.loss(b, noise, model.method.at(0)).total for b in (batch, mixed()))
    assert torch.equal(plain, other)
    assert not any("shift" in key or "known" in key for key in model.state_dict())


def test_rows_without_covariates_are_refused_where_the_model_reads_them():
    model = toy.model(method("mmvm"), told=TOLD)
    with pytest.raises(InputError, match="reads 3 columns of covariates, and the rows came without"):
        model.loss(toy.batch(rows=ROWS), toy.noise(model, ROWS), model.method.at(0))


def test_what_was_not_observed_is_not_shifted():
    own = Modality(nn.Linear(2, 4), nn.Linear(3, 2), Normal((2,)), known=torch.eye(1))
    with torch.no_grad():
        own.shift.fill_(5.0)
    read_ = own.read(torch.tensor([[1.0, 0.0]]), torch.tensor([[True, False]]), torch.ones(1, 1))
    assert read_.tolist() == [[6.0, 0.0]]


def test_a_batch_keeps_its_covariates():
    batch = mixed()
    assert torch.equal(batch.given(("a",)).covariates, batch.covariates)
    assert batch.at(slice(2, 4)).covariates.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert batch.at(torch.tensor([1])).covariates.tolist() == [[0, 1, 0]]
    assert [part.rows for part in inference.chunks(batch, 4)] == [4, 4, 1]
    assert torch.equal(torch.cat([p.covariates for p in inference.chunks(batch, 4)]), batch.covariates)


# --- planted batch effects

N = 300
SHIFT = 3.0


@cache
def planted():
    """Three classes seen by two modalities; donors shift both, lanes the second; some rows lack one."""
    rng = np.random.default_rng(0)
    y, donor, lane = rng.integers(3, size=N), rng.integers(2, size=N), rng.integers(3, size=N)
    z = np.eye(3)[y] * 3 + 0.4 * rng.normal(size=(N, 3))
    a = z @ rng.normal(size=(3, 8)) + SHIFT * donor[:, None] + 0.3 * rng.normal(size=(N, 8))
    b = z @ rng.normal(size=(3, 6)) - SHIFT * donor[:, None] + lane[:, None] + 0.3 * rng.normal(size=(N, 6))
    a[:30], b[30:60] = np.nan, np.nan
    labels = {"y": y, "donor": np.array(["A", "B"])[donor], "lane": lane}
    return read({"a": a, "b": b}, labels=labels)


def fitted(batch=None, name="mmvm", **more):
    kind = {"latent_dim": 4, "hidden": (32,), "epochs": 50, "batch_size": 32, "learning_rate": 5e-3, **more}
    return Counterpoint(name, **kind).fit(planted(), batch=batch)


@cache
def knowing():
    return fitted("donor,lane", options={"alpha": 0.2})


def probe(z, label):
    return cross_val_score(LogisticRegression(max_iter=2000), z, planted().labels[label], cv=5).mean()


def test_a_latent_need_not_hold_what_the_networks_are_told():
    z, other = knowing().embed(planted()), fitted(options={"alpha": 0.2}).embed(planted())
    assert probe(other, "donor") > 0.95
    assert probe(z, "donor") < 0.65
    assert probe(z, "y") > 0.95
    assert probe(z, "y") >= probe(other, "y") - 0.02


def test_what_is_left_of_the_mean_shift_is_removed_on_request():
    data = planted()
    donor = data.labels["donor"] == "A"
    for m in (knowing(), fitted("donor", epochs=2)):
        before, z = m.embed(data), m.embed(data, remove_batch=True)
        gap = np.abs(z[donor].mean(0) - z[~donor].mean(0)).max()
        left = np.abs(before[donor].mean(0) - before[~donor].mean(0)).max()
        assert gap < 0.2 * left
        np.testing.assert_allclose(z.mean(0), before.mean(0), atol=1e-5)
    few = m.embed(data[:50], remove_batch=data)  # the shift is that of the other rows
    np.testing.assert_allclose(few, z[:50], atol=1e-5)
    assert np.abs(m.embed(data[:50], remove_batch=True) - few).max() > 1e-3
    nothing = read({"a": np.full((1, 8), np.nan)}, labels={"donor": ["A"]}, unobserved="keep")
    assert (m.embed(nothing, remove_batch=data) == m.embed(nothing)).all()


def test_decoders_take_rows_to_another_donor():
    m, data = knowing(), planted()
    as_a, as_b = (m.translate(data, "b", "a", as_batch={"donor": d}) for d in "AB")
    assert np.abs((as_b - as_a).mean() - SHIFT) < 0.25 * SHIFT
    own = m.translate(data, "b", "a")
    donor = data.labels["donor"] == "A"
    np.testing.assert_array_equal(own[donor], as_a[donor])
    np.testing.assert_array_equal(own[~donor], as_b[~donor])
    imputed = m.impute(data, "a", draws=4, as_batch={"donor": "B"})["a"].mean
    assert np.abs(imputed.mean() - as_b.mean()) < 0.3
    whole = m.reconstruct(data, ["b"], as_batch={"donor": "B", "lane": 0})
    assert np.abs(whole["a"] - as_b).mean() < np.abs(whole["a"] - as_a).mean()


def test_samples_are_of_the_average_or_of_one_donor():
    m = fitted("donor", "poe")
    mean = {
        k: m.sample(400, as_batch=None if k is None else {"donor": k})["a"].mean() for k in (None, "A", "B")
    }
    assert abs(mean["B"] - mean["A"] - SHIFT) < 0.35 * SHIFT
    assert mean["A"] < mean[None] < mean["B"]


def test_unknown_categories_get_the_average():
    m, data = knowing(), planted()
    x = {name: np.where(data.present()[name][:, None], data.x[name], np.nan) for name in data.names}
    labels = {"donor": np.array([None, "B"] * (N // 2), dtype=object), "lane": data.labels["lane"]}
    asked = read(x, labels=labels)
    assert np.isfinite(m.embed(asked)).all()
    between = m.translate(asked, "b", "a")[::2].mean()
    at = [m.translate(asked, "b", "a", as_batch={"donor": d})[::2].mean() for d in "AB"]
    assert at[0] < between < at[1]


def test_a_donor_without_a_modality_is_decoded_as_the_average_of_those_with_it():
    data = planted()
    donor = np.where(data.labels["lane"] == 0, "C", data.labels["donor"])
    rows = read(data, labels={"three": donor}).without("b", donor == "C")
    m = Counterpoint("mmvm", latent_dim=3, hidden=(8,), epochs=2).fit(rows, batch="three")
    known = m.model_["b"].known
    counts = np.array([rows.present()["b"][donor == d].sum() for d in "AB"])
    np.testing.assert_allclose(known[2, :2], counts / counts.sum(), rtol=1e-6)
    assert torch.equal(known[:2, :2], torch.eye(2))
    assert torch.equal(m.model_["a"].known, torch.eye(3))
    assert not m.model_["b"].shift[2].any()  # never trained, never read
    with pytest.raises(InputError, match=r"no training row of it has 'b'.*categories that have it are A, B"):
        m.impute(rows, as_batch={"three": "C"})
    assert m.impute(rows, "a", draws=1, as_batch={"three": "C"})["a"].mean.shape == (N, 8)


def test_a_target_is_told_from_all_donors():
    data = planted()
    y = np.where(data.labels["donor"] == "A", data.labels["y"], -1)  # B comes without labels
    rows = read(data, labels={"kind": y})
    how = {"latent_dim": 4, "hidden": (32,), "epochs": 40, "learning_rate": 5e-3, "batch_size": 32}
    m = Counterpoint("mmvm", target="kind", batch="donor", **how).fit(rows)
    b = data.labels["donor"] == "B"
    assert (m.predict(rows)[b] == data.labels["y"][b]).mean() > 0.9


# --- runs, many fits, refusals


def small(**more):
    return Counterpoint("mmvm", latent_dim=2, hidden=(8,), epochs=2, **more)


def test_a_run_keeps_them(tmp_path):
    m = small(batch=["donor", "lane"]).fit(planted(), run=tmp_path / "run")
    again = load(tmp_path / "run")
    assert again.batch == ["donor", "lane"]
    assert again.preparation_.covariates == m.preparation_.covariates
    np.testing.assert_array_equal(m.embed(planted()), again.embed(planted()))
    np.testing.assert_array_equal(*(e.translate(planted(), "a", "b") for e in (m, again)))
    assert all(np.isfinite(v) for part in m.score_terms(planted()).values() for v in part.values())
    assert np.isfinite(m.score(planted()))


def test_the_labels_decide_about_the_fit_and_its_fingerprint():
    other = read(planted(), labels={"donor": planted().labels["donor"][::-1]})
    prints = [small(batch="donor").fit(rows).data_summary_["fingerprint"] for rows in (planted(), other)]
    assert prints[0] != prints[1]
    plain = [small().fit(rows).data_summary_["fingerprint"] for rows in (planted(), other)]
    assert plain[0] == plain[1]


def test_a_fit_goes_on_as_it_would_have(tmp_path):
    data, run = planted(), tmp_path / "run"
    whole = small(batch="donor").fit(data)
    part = small(batch="donor")
    real = Population.run

    def halted(self, each_epoch=None, each_stop=None):
        def after(p):
            each_epoch(p)
            if p.progress[0].epoch == 1:
                raise KeyboardInterrupt

        return real(self, after, each_stop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Population, "run", halted)
        with pytest.raises(KeyboardInterrupt):
            part.fit(data, run=run, checkpoint_seconds=0)
    again = small(batch="donor").fit(data, run=run, resume=True)
    np.testing.assert_array_equal(whole.embed(data), again.embed(data))


def test_many_fits_share_a_stack_where_they_share_the_batch(tmp_path):
    rows = Rows(planted())
    members = [small(batch=b, seed=s) for b in ("donor", None) for s in (0, 1)]
    assert fit_many(members, rows, stack=4) == [None] * 4
    for m in members:
        alone = small(batch=m.batch, seed=m.seed).fit(planted())
        np.testing.assert_allclose(m.embed(planted()), alone.embed(planted()), atol=1e-4)
        assert m.data_summary_["fingerprint"] == alone.data_summary_["fingerprint"]


def test_an_old_card_without_them_loads():
    from counterpoint.data import Preparation

    plain = small().fit(planted()).preparation_
    assert "covariates" not in plain.to_dict()
    assert Preparation.from_dict(json.loads(json.dumps(plain.to_dict()))).covariates is None


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ("donr", "batch is 'donr'; allowed are y, donor, lane, .*Did you mean 'donor'"),
        (3, "batch is 3; give the name of a label"),
        ([], "batch names no label"),
        (["donor", "donor"], "names 'donor' twice"),
        ("holes", "batch is 'holes', and 2 of 300 rows have none"),
        ("one", "all rows have 'x': it tells nothing"),
        ("age", "holds numbers that are not whole; .* put them into bins"),
        ("number", "300 different numbers; .*into bins"),
        ("id", "300 categories in 300 rows: nearly every row is one of its own"),
        ("wide", r"has shape \(300, 2\); a batch needs one category a row"),
    ],
)
def test_what_cannot_be_a_batch_is_refused(batch, message):
    rng = np.random.default_rng(0)
    donor = planted().labels["donor"].astype(object)
    holes = donor.copy()
    holes[:2] = None
    ids = np.array([f"cell{i}" for i in range(N)])
    more = {"holes": holes, "one": np.array(["x"] * N), "age": rng.normal(size=N), "number": np.arange(N)}
    rows = read(planted(), labels={**more, "id": ids, "wide": np.zeros((N, 2), int)})
    with pytest.raises(InputError, match=message):
        small().fit(rows, batch=batch)


def test_what_has_no_labels_or_is_told_twice_is_refused():
    bare = read({"a": np.random.default_rng(0).normal(size=(40, 3))})
    with pytest.raises(InputError, match=r"batch is 'donor', and the data have no labels; read them with"):
        small(batch="donor").fit(bare)
    with pytest.raises(InputError, match="batch names 'donor', which is the target"):
        small(batch="donor", target="donor").fit(planted())
    paired = planted().paired(np.arange(N) % 5)
    with pytest.raises(InputError, match="rows are paired anew in every epoch"):
        small(batch="donor").fit(paired)


def test_questions_without_the_label_or_with_another_category_are_refused():
    m, data = small(batch="donor").fit(planted()), planted()
    x = {"a": data.x["a"]}
    with pytest.raises(InputError, match="the rows have no label 'donor', which the model was told of"):
        m.embed(x)
    with pytest.raises(
        InputError, match=r"holds 'AA', which no training row had; known are A, B. Did you mean 'A'"
    ):
        m.embed(read(x, labels={"donor": ["AA"] * N}))
    for wrong, message in (
        ({"dnor": "A"}, "as_batch: covariate is 'dnor'; allowed are donor. Did you mean 'donor'"),
        ({"donor": "Z"}, r"as_batch\['donor'\] is 'Z'; allowed are A, B"),
        ("A", "as_batch is 'A'; give a dict, covariate -> category, such as {'donor': 'A'}"),
        ({}, "as_batch is {}; give a dict"),
    ):
        with pytest.raises(InputError, match=message):
            m.impute(data, as_batch=wrong)
    for ask in (
        lambda e: e.impute(data, as_batch={"donor": "A"}),
        lambda e: e.sample(2, as_batch={"donor": "A"}),
        lambda e: e.embed(data, remove_batch=True),
    ):
        with pytest.raises(InputError, match="is for models that were fitted with batch='label'"):
            ask(small().fit(data))


def test_numbers_are_categories_however_they_are_written():
    data = planted()
    m = small(batch="lane").fit(data)
    floats = read(data, labels={"lane": data.labels["lane"].astype(float)})
    texts = read(data, labels={"lane": data.labels["lane"].astype(str)})
    for rows in (floats, texts):
        np.testing.assert_array_equal(m.embed(data), m.embed(rows))


def test_own_modules_read_the_columns():
    pair = (nn.Linear(8, 4), nn.Linear(2 + 2, 8))
    m = small(network={"a": pair}).fit(planted(), batch="donor")
    assert m.embed(planted()).shape == (N, 2)
    with pytest.raises(InputError, match=r"decoder of 'a' fails.*A decoder reads latents and 2 columns"):
        small(network={"a": (nn.Linear(8, 4), nn.Linear(2, 8))}).fit(planted(), batch="donor")


@pytest.mark.parametrize("key", ["categories", "rows", "having", "name"])
def test_a_damaged_card_is_refused(key):
    from counterpoint.data import Preparation

    plain = small(batch="donor").fit(planted()).preparation_.to_dict()
    for wrong in (None, [], "x"):
        broken = copy.deepcopy(plain)
        broken["covariates"][0][key] = wrong
        if key == "name" and wrong == "x":
            continue  # a name like another
        with pytest.raises(InputError, match="covariates that do not fit together"):
            Preparation.from_dict(broken)


def test_a_run_with_covariates_is_evaluated():
    from counterpoint.evaluate import evaluate
    from counterpoint.protocol import hold_out, task

    train, test = hold_out(planted(), 0.3, "y")
    result = evaluate(small(batch="donor").fit(train), task(train, test, "y"), measures="all")
    assert np.isfinite(result.summary["variance_explained"])


def test_the_densities_and_the_likelihood_know_them():
    m = fitted("donor", "poe", epochs=5)
    made = m.fit_density(planted(), "vamp", components=5).sample(7, density="vamp")
    assert made["a"].shape == (7, 8)
    from counterpoint import estimates

    batch = m._batch(planted()[:20])
    found = estimates.log_likelihood(m.model_, batch, draws=8, generator=torch.Generator().manual_seed(0))
    assert found.log_p.isfinite().all()


def test_a_shallow_model_of_several_axes_is_told_row_by_row():
    own = Modality(nn.Linear(1, 2), nn.Linear(1 + 2, 1, bias=False), Normal((1,)), known=torch.eye(2))
    with torch.no_grad():
        own.decoder.weight.copy_(torch.tensor([[0.0, 1.0, 10.0]]))
    model = MultimodalVAE({"a": own}, method("poe"), latent_dim=1)
    out = model["a"].decode(torch.zeros(3, 2, 2, 1), torch.eye(2))
    assert out.shape == (3, 2, 2, 1)
    assert (out[..., 0] == torch.tensor([1.0, 10.0])).all()


# --- where the shifts start


def started(data, batch="donor,lane"):
    from counterpoint.asking import prepared_batch
    from counterpoint.building import new_model, prepare
    from counterpoint.training.shifts import parts, start_shifts

    m = small(batch=batch)
    prepared = prepare(m, data)
    model, rows = new_model(m, prepared), prepared_batch(data, prepared, torch.float32, "cpu")
    start_shifts([model], parts(rows.x, rows.mask, rows.covariates))
    return model, rows


def test_shifts_start_where_categories_have_the_same_means():
    rng = np.random.default_rng(0)
    donor, lane = np.repeat([0, 1], 60), np.tile([0, 1, 2, 2], 30)
    x = rng.normal(size=(120, 5)) + 4.0 * donor[:, None] + rng.normal(size=(3, 5))[lane] * 2
    x[:9] = np.nan
    x[20:40, 1] = np.nan
    data = read({"a": x}, labels={"donor": donor, "lane": lane})
    model, rows = started(data)
    with torch.no_grad():
        given = model.read(rows)[0]
    a = given[:, [0, 2, 3, 4]][rows.present[0]].numpy()  # columns without holes
    codes = np.concatenate([np.eye(2)[donor[9:]], np.eye(3)[lane[9:]]], 1)
    found = np.linalg.lstsq(codes - codes.mean(0), a - a.mean(0), rcond=1e-9)[0]
    assert np.abs((codes - codes.mean(0)) @ found).max() < 1e-4  # donor and lane explain nothing any more
    np.testing.assert_allclose(a.mean(0), rows.x["a"][rows.present[0]][:, [0, 2, 3, 4]].mean(0), atol=1e-4)
    gap = [np.nanmean(np.where(rows.mask["a"][donor == d], given[donor == d], np.nan)[:, 1]) for d in (0, 1)]
    assert abs(gap[0] - gap[1]) < 0.4  # of values with holes nearly


def test_shifts_that_are_held_stay():
    from counterpoint.training.shifts import start_shifts

    model, rows = started(planted(), "donor")
    before = [m.shift.detach().clone() for m in model.modalities]
    with torch.no_grad():
        for m in model.modalities:
            m.shift.mul_(2)
    model["a"].shift.requires_grad_(False)
    start_shifts([model], [rows])
    assert torch.equal(model["a"].shift, 2 * before[0])
    torch.testing.assert_close(model["b"].shift.detach(), before[1])
