"""What it means to be a method: every recipe, with every option, is walked through these laws in float64.

A recipe that is added to METHODS gets here by itself (`toy.variants`). Where a law holds only for some
options, the table beside the law says for which.
"""

import copy
from functools import cache

import numpy as np
import pytest
import torch
from torch.func import functional_call, vmap

import toy
from counterpoint import inference
from counterpoint.aggregation import Posterior
from counterpoint.batch import Batch
from counterpoint.distributions import kl_standard
from counterpoint.importance import IWAE
from counterpoint.methods import METHODS, method
from counterpoint.methods.mmvae_plus import CrossBound
from counterpoint.objectives import Noise

ROWS = 9
VARIANTS = toy.variants()
every_method = pytest.mark.parametrize("name", METHODS)
every_kind = pytest.mark.parametrize("kinds", toy.KINDS)
UNDECODED = ("dcca", "mvcl")  # no decoder takes part in training: no distortions
PAIRED = (*UNDECODED, "dccae")  # what ties two modalities is a term of a whole batch; one alone costs nothing
CASES = [(v, "tables") for v in VARIANTS] + [((name, {}), k) for name in METHODS for k in ("mixed", "counts")]


def every_variant(law):
    """Let a law walk through all variants."""
    return pytest.mark.parametrize(
        "variant", toy.thinned(VARIANTS, law.__name__), ids=map(toy.label, VARIANTS)
    )(law)


def every_case(law):
    """The same with every likelihood, each method by its defaults."""
    cases = toy.thinned(CASES, law.__name__, of=lambda case: case[0])
    return pytest.mark.parametrize(
        ("variant", "kinds"), cases, ids=[f"{toy.label(v)}-{k}" for v, k in CASES]
    )(law)


@cache
def data(kinds="tables", rows=ROWS):
    return toy.batch(kinds, rows)


def close(a, b, tolerance=1e-12):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def evaluated(model, batch, noise, hyper=None):
    """Loss and gradients."""
    loss = model.loss(batch, noise, model.method.at(0) if hyper is None else hyper)
    return loss, toy.gradients(model, loss.total)


def cut(batch, rows):
    return Batch({k: v[rows] for k, v in batch.x.items()}, {k: v[rows] for k, v in batch.mask.items()})


# --- 1. gradients


@every_case
def test_every_parameter_gets_a_finite_gradient_that_is_not_zero(variant, kinds):
    model = toy.model(method(*variant), kinds)
    _, grads = evaluated(model, data(kinds), toy.noise(model, ROWS))
    assert [n for n, g in grads.items() if not g.isfinite().all()] == []
    idle = {f"modalities.{model.names.index(n)}.decoder" for n in model.method.observed or ()}
    unmoved = [n for n, g in grads.items() if not g.abs().sum() > 0]
    if model.method.options.get("generate") == "missing":  # what is always read is never explained
        unmoved = [n for n in unmoved if n.rsplit(".", 2)[0] not in idle]
    if variant[0] in UNDECODED:
        unmoved = [n for n in unmoved if ".encoder." in n]
    if variant[0] == "dcca":  # a shift of all outputs changes no covariance
        unmoved = [n for n in unmoved if not n.endswith("encoder.3.bias")]
    assert unmoved == []


# What multiplies the distortions of a row with `count` modalities, where it is not 1.
DISTORTION_SHARE = {"mvtcae": lambda hyper, count: 1 - hyper["alpha"] / count.clamp_min(1).double()}


# Whose total is below the sum: a logarithm of means over draws, where the terms are the means.
def takes_a_logarithm_of_means(model):
    objective = model.method.objective
    if isinstance(objective, CrossBound):
        return objective.dreg and objective.draws > 1
    if not isinstance(objective, IWAE):
        return False
    experts = model.method.aggregation.experts(len(model.names))
    return objective.draws > 1 or (objective.averaging == "tight" and experts > 1)


@every_variant
def test_total_is_the_weighted_sum_of_the_terms(variant):
    model = toy.model(method(*variant))
    hyper = {**model.method.at(0)}
    loss, _ = evaluated(model, data(), toy.noise(model, ROWS), hyper)
    if variant[0] in PAIRED:
        tied = -loss.terms["correlation"] if "correlation" in loss.terms else loss.terms["contrast"]
        said = {n: loss.terms[f"distortion/{n}"] for n in model.names if f"distortion/{n}" in loss.terms}
        close(loss.total, tied + sum(hyper["weight"] * model[n].weight * d for n, d in said.items()))
        assert (loss.total != 0).any()
        return
    distortion = sum(model[n].weight * loss.terms[f"distortion/{n}"] for n in model.names)
    own = hyper.get("beta_private", 1.0)
    rate = sum(v for k, v in loss.terms.items() if k.startswith("rate") and "private" not in k)
    rate = rate + own * sum(v for k, v in loss.terms.items() if k.startswith("rate_private/"))
    power = getattr(model.method.objective, "beta_power", 1)
    share = DISTORTION_SHARE.get(variant[0], lambda hyper, count: 1.0)(hyper, data().present.sum(0))
    summed = share * distortion + hyper.get("beta", hyper.get("kl_weight")) ** power * rate
    if "mmd" in loss.terms:
        summed = summed + hyper["mmd_weight"] * model.method.objective.mmd_scale * loss.terms["mmd"]
    if takes_a_logarithm_of_means(model):
        assert (loss.total <= summed + 1e-12).all()
        assert (loss.total < summed - 1e-6).any()
    else:
        close(loss.total, summed)
    assert loss.total.dtype == toy.DTYPE
    assert {v.shape for v in loss.terms.values()} == {(ROWS,)}


# --- 2. absent entries


@every_case
def test_absent_entries_do_not_matter(variant, kinds):
    model = toy.model(method(*variant), kinds)
    noise = toy.noise(model, ROWS)
    clean, scribbled = data(kinds), toy.scribble(data(kinds), kinds)
    assert any((clean.x[n] != scribbled.x[n]).any() for n in clean.names)
    (loss, grads), (loss2, grads2) = (evaluated(model, b, noise) for b in (clean, scribbled))
    assert torch.equal(loss.total, loss2.total)
    for k in loss.terms:
        assert torch.equal(loss.terms[k], loss2.terms[k]), k
    for n in grads:
        close(grads[n], grads2[n])
    assert torch.equal(inference.joint_mean(model, clean), inference.joint_mean(model, scribbled))


@every_variant
def test_a_row_with_nothing_observed_costs_nothing_and_gets_the_prior(variant):
    model = toy.model(method(*variant))
    alone = cut(data(), slice(1, 2))
    assert not alone.present.any()
    loss, grads = evaluated(model, alone, toy.noise(model, 1))
    close(loss.total, torch.zeros(1, dtype=toy.DTYPE))
    assert all((g == 0).all() for g in grads.values())
    close(inference.joint_mean(model, alone), torch.zeros(1, toy.D, dtype=toy.DTYPE))
    mixture = model.posterior(alone).mixture
    close(mixture.weight.sum(0), torch.ones(1, dtype=toy.DTYPE))
    close(mixture.components.mean, torch.zeros_like(mixture.components.mean))
    if model.method.posterior.heads == 2:
        wide = 1.0 if model.theta is None else toy.D * torch.softmax(model.theta, -1)
        close(mixture.components.scale, wide * torch.ones_like(mixture.components.scale))


@every_variant
def test_an_absent_modality_is_as_if_the_model_had_none(variant):
    """Rows that never have modality c: the same joint posterior as from a model without it."""
    model = toy.model(method(*variant))
    batch = data().given(("a", "b"))
    smaller = toy.of(model, ("a", "b"))
    without = Batch({n: batch.x[n] for n in ("a", "b")}, {n: batch.mask[n] for n in ("a", "b")})
    full = torch.tensor([True, True]).unsqueeze(-1) & without.present.all(0)
    if getattr(model.method.aggregation, "prior_expert", "none") == "full":
        pytest.skip("the prior expert of the full set: which set is full depends on M")
    if model.method.joint and not model.method.conditional:
        pytest.skip("a joint encoder reads complete rows, and which rows are complete depends on M")
    one, other = (inference.joint_mean(m, b) for m, b in ((model, batch), (smaller, without)))
    close(one, other)
    assert full.any()


# --- 3. permutation

# Without what is drawn by position among the experts, or the modalities.
POSITIONAL = {"draw": "all", "random_subsets": 0, "observed": ("a", "b")}


def without_positional(variant):
    name, options = variant
    plain = {k: v for k, v in options.items() if k not in POSITIONAL}
    takes = [k for k in POSITIONAL if k in (METHODS[name].__kwdefaults__ or {})]
    return method(name, {**plain, **{k: POSITIONAL[k] for k in takes}})


@every_variant
def test_permuting_the_modalities_permutes_the_result(variant):
    model = toy.model(without_positional(variant))
    order = ("c", "a", "b")
    other = toy.of(model, order)
    batch = data()
    swapped = Batch({n: batch.x[n] for n in order}, {n: batch.mask[n] for n in order})
    noise = toy.noise(model, ROWS)
    noise = Noise(torch.zeros_like(noise.normal), noise.uniform)
    (loss, _), (loss2, _) = evaluated(model, batch, noise), evaluated(other, swapped, noise)
    close(loss.total, loss2.total)
    assert set(loss.terms) == set(loss2.terms)
    for k in loss.terms:
        close(loss.terms[k], loss2.terms[k])
    close(inference.joint_mean(model, batch), inference.joint_mean(other, swapped))


# --- 4. one modality

# For which options a method with one modality is a plain VAE; {} where it is not named here.
PLAIN = {
    "mvae": [{"prior_expert": "none"}, {"prior_expert": "none", "random_subsets": 2}],
    "mmvm": [{"alpha": 1.0}, {"alpha": 1.0, "rate": "mixture"}, {"alpha": 1.0, "rate": "mixture_bound"}],
    "moe": [{"draw": d} for d in toy.OPTIONS["draw"]],
    "mopoe": [{"draw": d, "kl_count": "per_modality"} for d in toy.OPTIONS["draw"]],
    "mmvae": [{"objective": o, "posterior": "normal", "draws": 1} for o in ("elbo_naive", "elbo")],
    "mmjsd": [],  # its prior lies halfway between the posterior and N(0, I)
    "mvtcae": [{"alpha": 0.0}],  # otherwise the bound has a factor of its own, see below
    "code": [{"rho": r, "subsets": s} for r in toy.OPTIONS["rho"] for s in toy.OPTIONS["subsets"]],
    "hellinger": [{"affinity": a} for a in toy.OPTIONS["affinity"]],
    "barycentre": [{"subsets": s} for s in toy.OPTIONS["subsets"]],
    "avg": [{}, {"of": "scale"}],
    "poe": [{}, {"kl_count": "per_modality"}],
}
AUTOENCODERS = ("ae",)  # no noise, no rate: one modality is a deterministic autoencoder


def one_modality(name, options):
    kinds = {"b": toy.KINDS["tables"]["b"]}
    model = toy.model(method(name, options), kinds)
    batch = toy.batch(kinds, ROWS)
    loss, _ = evaluated(model, batch, toy.noise(model, ROWS))
    return model, batch, toy.noise(model, ROWS), loss


# One modality has two latents then, is read and never explained, or has a head beside its encoder.
PRIVATE = ("split", "mmvae_plus", "cmmd", "vcca")
ODD = (*AUTOENCODERS, *PRIVATE, *PAIRED)
PLAIN_CASES = [(n, o) for n in METHODS if n not in ODD for o in PLAIN.get(n, [{}])]


@pytest.mark.parametrize("variant", PLAIN_CASES, ids=toy.label)
def test_one_modality_is_the_plain_vae(variant):
    name, options = variant
    model, batch, noise, loss = one_modality(name, {**options, "beta": 0.7})
    modality = model["b"]
    present = batch.mask["b"].flatten(1).any(1)
    q = model.method.posterior.from_heads(toy.heads(modality, batch.x["b"], batch.mask["b"]))
    log_p = modality.log_prob(q.loc + q.scale * noise.normal[0, 0], batch.x["b"], batch.mask["b"])
    expected = -modality.weight * log_p + 0.7 * kl_standard(q)
    close(loss.total, torch.where(present, expected, 0.0))


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_one_modality_is_the_plain_autoencoder(name):
    model, batch, _, loss = one_modality(name, {})
    modality = model["b"]
    x, mask = batch.x["b"], batch.mask["b"]
    log_p = modality.log_prob(toy.heads(modality, x, mask), x, mask)
    close(loss.total, -modality.weight * log_p)


@pytest.mark.parametrize("name", PAIRED)
def test_one_modality_without_another_costs_what_it_is_decoded_for(name):
    model, _, _, loss = one_modality(name, {})
    found = loss.terms.get("distortion/b", torch.zeros(ROWS, dtype=toy.DTYPE))
    close(loss.total, model.method.at(0).get("weight", 0.0) * model["b"].weight * found)
    assert (name in UNDECODED) == ("distortion/b" not in loss.terms)


@pytest.mark.parametrize("rate", toy.OPTIONS["rate"])
def test_one_modality_of_mmvm_has_no_rate_without_alpha(rate):
    """The prior is then the posterior itself: an autoencoder with noise."""
    *_, loss = one_modality("mmvm", {"rate": rate, "alpha": 0.0})
    close(loss.terms["rate/b"], torch.zeros(ROWS, dtype=toy.DTYPE))


def test_one_modality_of_mvtcae_is_the_plain_vae_times_one_minus_alpha():
    """Nothing is left of a total correlation of one."""
    (*_, part), (*_, plain) = (one_modality("mvtcae", {"alpha": a, "beta": 0.7}) for a in (0.3, 0.0))
    close(part.total, 0.7 * plain.total)


# --- 5. saving


@every_method
@every_kind
def test_saved_and_loaded_gives_the_same_numbers(name, kinds):
    from safetensors.torch import load, save

    model, other = (toy.model(method(name), kinds, seed=s) for s in (0, 1))
    noise = toy.noise(model, ROWS)
    first, before = (evaluated(m, data(kinds), noise)[0].total for m in (model, other))
    assert not torch.equal(first, before)
    other.load_state_dict(load(save(model.state_dict())))
    assert torch.equal(first, evaluated(other, data(kinds), noise)[0].total)


# --- 6. stacks of models


def assert_a_stack_equals_each_alone(recipe, kinds, models=3):
    """vmap over parameters, noise and tensor hyperparameters against one model at a time."""
    members = [toy.model(recipe, kinds, seed=s) for s in range(models)]
    noises = [toy.noise(m, ROWS, seed=10 + e) for e, m in enumerate(members)]
    hypers = [{k: v * (1 - 0.2 * e) + 0.05 * e for k, v in recipe.at(0).items()} for e in range(models)]
    batch = data(kinds)
    alone = [evaluated(*each) for each in zip(members, [batch] * models, noises, hypers, strict=True)]

    names = [n for n, _ in members[0].named_parameters()]
    stacked = {n: torch.stack([m.get_parameter(n).detach() for m in members]).requires_grad_() for n in names}
    noise = Noise(*(torch.stack(n) for n in zip(*noises, strict=True)))
    hyper = {k: torch.tensor([h[k] for h in hypers], dtype=toy.DTYPE) for k in hypers[0]}
    x = {k: torch.stack([v] * models) for k, v in batch.x.items()}
    mask = {k: torch.stack([v] * models) for k, v in batch.mask.items()}

    def one(parameters, x, mask, noise, hyper):
        loss = functional_call(members[0], parameters, (Batch(x, mask), noise, hyper))
        return loss.total, loss.terms

    for given, axes in (((x, mask), 0), ((dict(batch.x), dict(batch.mask)), None)):
        total, terms = vmap(one, in_dims=(0, axes, axes, 0, 0))(stacked, *given, noise, hyper)
        leaves = list(stacked.values())
        found = torch.autograd.grad(total.sum(), leaves, allow_unused=True)
        grads = [torch.zeros_like(v) if g is None else g for g, v in zip(found, leaves, strict=True)]
        for e, (loss, each) in enumerate(alone):
            close(total[e], loss.total)
            for k in terms:
                close(terms[k][e], loss.terms[k])
            for n, g in zip(names, grads, strict=True):
                close(g[e], each[n])


@every_variant
def test_a_stack_gives_the_same_numbers_as_each_model_alone(variant):
    assert_a_stack_equals_each_alone(method(*variant), "tables")


@every_method
@pytest.mark.parametrize("kinds", ["mixed", "counts"])
def test_a_stack_gives_the_same_numbers_with_every_likelihood(name, kinds):
    assert_a_stack_equals_each_alone(method(name), kinds)


# --- 7. names


@every_method
def test_modalities_may_have_any_name(name):
    odd = dict(zip(("items", "a_b", "mask", "0", "x.y"), [*toy.KINDS["tables"].values()] * 2, strict=False))
    model = toy.model(method(name), odd)
    batch = toy.batch(odd, ROWS)
    loss, grads = evaluated(model, batch, toy.noise(model, ROWS))
    named = {k.removeprefix("distortion/") for k in loss.terms if k.startswith("distortion/")}
    assert named == (set() if name in UNDECODED else set(odd))
    assert all(g.isfinite().all() for g in grads.values())
    other = toy.model(method(name), odd, seed=5)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.loss(batch, toy.noise(model, ROWS), model.method.at(0)).total, loss.total)


# --- 8. purity


@every_case
def test_forward_writes_nothing_and_leaves_the_global_generators_alone(variant, kinds):
    model = toy.model(method(*variant), kinds)
    batch, noise, hyper = data(kinds), toy.noise(model, ROWS), model.method.at(0)
    given = copy.deepcopy((dict(batch.x), dict(batch.mask), noise, hyper))
    state = {k: v.clone() for k, v in model.state_dict().items()}
    attributes = [{k: id(v) for k, v in vars(m).items()} for m in model.modules()]
    generators = torch.get_rng_state(), np.random.get_state()[1].tolist()
    first, second = model(batch, noise, hyper), model(batch, noise, hyper)
    assert torch.equal(first.total, second.total)
    assert attributes == [{k: id(v) for k, v in vars(m).items()} for m in model.modules()]
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert torch.equal(generators[0], torch.get_rng_state())
    assert generators[1] == np.random.get_state()[1].tolist()
    for before, after in zip(given[:2], (batch.x, batch.mask), strict=True):
        assert all(torch.equal(before[k], after[k]) for k in after)
    assert all(torch.equal(a, b) for a, b in zip(given[2], noise, strict=True))
    assert given[3] == hyper
    assert not list(model.buffers())


# --- 9. rows


@every_case
def test_a_row_costs_what_it_costs_alone_and_equal_rows_cost_the_same(variant, kinds):
    model = toy.model(method(*variant), kinds)
    noise, batch, hyper = toy.noise(model, ROWS), data(kinds), model.method.at(0)
    hyper |= {"mmd_weight": 0.0} if "mmd_weight" in hyper else {}  # the one term that is of a whole batch
    if not getattr(model.method.objective, "rows_alone", True) and "mmd_weight" not in hyper:
        pytest.skip("what ties the modalities is a term of the whole batch")
    by_position = getattr(model.method.objective, "draw", None) == "stratified"
    total = model.loss(batch, noise, hyper).total
    for b in range(ROWS):
        row = slice(b, b + 1)
        alone = model.loss(
            cut(batch, row), Noise(noise.normal[..., row, :], noise.uniform[:, row]), hyper
        ).total
        assert alone.shape == (1,)
        assert alone.isfinite().all()
        if not by_position:
            close(alone, total[row])
    twice = [0] * 4 + [3] * 2
    same = Noise(noise.normal[..., twice, :], noise.uniform[:, twice])
    copies = model.loss(cut(batch, twice), same, hyper).total
    if not by_position:
        close(copies, total[twice])
    assert copies.isfinite().all()


AVERAGED = {"mmvae": {"objective": "elbo"}}  # with which options draws are averaged, if not by default


@every_method
def test_draws_are_averaged(name):
    takes = METHODS[name].__kwdefaults__ or {}
    if "draws" not in takes:
        pytest.skip("has no draws: nothing is random")
    many, one = (toy.model(method(name, {**AVERAGED.get(name, {}), "draws": k})) for k in (4, 1))
    noise = toy.noise(many, ROWS)
    hyper = many.method.at(0)
    each = [one.loss(data(), Noise(noise.normal[k : k + 1], noise.uniform), hyper).total for k in range(4)]
    close(many.loss(data(), noise, hyper).total, torch.stack(each).mean(0))


DRAWN = [("moe", {}), ("mopoe", {}), ("mmjsd", {}), ("mmjsd", {"prior_drawn": True}), ("code", {})]
DRAWN += [("barycentre", {"subsets": "all"})]


@pytest.mark.parametrize(("name", "options"), DRAWN, ids=map(toy.label, DRAWN))
def test_one_random_expert_gives_all_of_them_in_expectation(name, options):
    """`draw="one"` at a fine grid of uniforms averages to `draw="all"`, at zero noise."""
    one, everything = (toy.model(method(name, {**options, "draw": d})) for d in ("one", "all"))
    batch, hyper = data(), one.method.at(0)
    noise = toy.noise(everything, ROWS)
    full = everything.loss(batch, Noise(torch.zeros_like(noise.normal), noise.uniform), hyper).total
    grid = 84  # divisible by 1, 2, 3 and 7: the numbers of experts that a row may have
    normal = torch.zeros(1, 1, ROWS, toy.D, dtype=toy.DTYPE)
    each = [
        one.loss(batch, Noise(normal, torch.full((1, ROWS), (i + 0.5) / grid, dtype=toy.DTYPE)), hyper).total
        for i in range(grid)
    ]
    close(torch.stack(each).mean(0), full, 1e-10)


def test_sub_sampling_of_mvae_draws_sizes_evenly_and_members_evenly():
    objective = method("mvae", {"random_subsets": 1}).objective
    rows, modalities = 20_000, 5
    uniform = torch.rand((1 + modalities, rows), generator=torch.Generator().manual_seed(0), dtype=toy.DTYPE)
    members = objective._members(torch.ones(modalities, rows, dtype=torch.bool), uniform)
    assert members.shape == (modalities + 2, modalities, rows)
    drawn = members[-1]
    size = drawn.sum(0)
    share = torch.stack([(size == s).double().mean() for s in range(modalities + 1)])
    close(share, torch.tensor([0, 0, 1 / 3, 1 / 3, 1 / 3, 0], dtype=toy.DTYPE), 0.015)
    close(drawn.double().mean(1), torch.full((modalities,), 3 / 5, dtype=toy.DTYPE), 0.015)


def test_the_variants_reach_every_option_of_every_recipe():
    tried = {(name, option) for name, options in VARIANTS for option in options}
    has = {(name, option) for name, recipe in METHODS.items() for option in recipe.__kwdefaults__ or {}}
    assert has <= tried, f"add values for these options to OPTIONS in tests/toy.py: {sorted(has - tried)}"


def test_a_posterior_without_weight_spreads_evenly():
    q = method("mmvm").posterior(torch.zeros(2, 1, 1), torch.ones(2, 1, 1))
    off = torch.zeros(2, 1, 1, dtype=torch.bool)
    posterior = Posterior(q, torch.zeros(2, 1), off.expand(2, 2, 1), (slice(None),) * 2)
    assert posterior.mixture.weight.tolist() == [[0.5], [0.5]]
