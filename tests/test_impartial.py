"""Impartial optimisation: surgery against known solutions and loops, the wrapper against plain autograd."""

from dataclasses import replace
from itertools import permutations

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.optimize import minimize

import counterpoint as cp
import test_laws
import toy
from counterpoint.errors import InputError
from counterpoint.gradients import METHODS, _on_simplex, reconciled
from counterpoint.impartial import Fanned, impartial
from counterpoint.importance import IWAE
from counterpoint.many import build_key
from counterpoint.methods import METHODS as RECIPES
from counterpoint.methods import method
from counterpoint.objectives import Noise
from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Population
from counterpoint.tuning.space import axes_of

CHAINS = [[name] for name in METHODS] + [["gradnorm", "pcgrad"], ["mgda", "cagrad"]]
every_chain = pytest.mark.parametrize("chain", CHAINS, ids="+".join)
ROWS = 9


def vector(values):
    return torch.tensor(values, dtype=torch.float64)


def vectors(*rows):
    """Gradients of heads as vectors (H, n), in the five axes of the library."""
    g = torch.tensor(rows, dtype=torch.float64)
    return g.view(len(g), 1, 1, 1, -1)


def merged(rows, chain, order=None):
    order = torch.arange(len(rows)) if order is None else torch.tensor(order)
    return reconciled(vectors(*rows), chain, order).flatten()


def random_vectors(seed, heads, size):
    g = torch.Generator().manual_seed(seed)
    return torch.randn((heads, 1, 1, 1, size), generator=g, dtype=torch.float64)


def close(a, b, tolerance=1e-9):
    torch.testing.assert_close(
        torch.as_tensor(a, dtype=torch.float64),
        torch.as_tensor(b, dtype=torch.float64),
        rtol=tolerance,
        atol=tolerance,
    )


def rescaled(new, old):
    """As the paper: with the norm of the plain sum."""
    new, old = (torch.as_tensor(v, dtype=torch.float64) for v in (new, old))
    return new * old.norm() / max(new.norm().item(), 1e-10)


# --- naive restatements, vector by vector


def naive_pcgrad(g, order):
    new = []
    for i in range(len(g)):
        mine = g[i].clone()
        for j in order:
            if j != i and mine @ g[j] < 0:
                mine = mine - (mine @ g[j]) / (g[j] @ g[j]) * g[j]
        new.append(mine)
    return new


def naive_gradnorm(g, order):
    there = [v for v in g if v.norm() > 0]
    unit = len(there) / sum(1 / v.norm() for v in there)
    return [v / v.norm() * unit if v.norm() > 0 else v for v in g]


def best_weights(g, value):
    """Weights on the simplex by a general solver, over the heads that have a gradient."""
    there = [h for h in range(len(g)) if g[h].norm() > 0]
    unit = sum(g[h].norm() for h in there) / len(there)

    def aim(t):
        return value(sum(w * g[h] / unit for w, h in zip(t, there, strict=True)))

    even = np.full(len(there), 1 / len(there))
    starts = [even, *(0.9 * row + 0.1 * even for row in np.eye(len(there)))]
    whole = {"type": "eq", "fun": lambda t: t.sum() - 1}
    tried = [
        minimize(
            aim, t, bounds=[(0, 1)] * len(there), constraints=whole, options={"ftol": 1e-15, "maxiter": 500}
        )
        for t in starts
    ]
    found = torch.zeros(len(g), dtype=torch.float64)
    found[there] = torch.as_tensor(min(tried, key=lambda r: r.fun).x)
    return found


def naive_mgda(g, order):
    w = best_weights(g, lambda v: (v @ v).item())
    return [max(float(x), 1e-3) * v for x, v in zip(w, g, strict=True)]


def naive_cagrad(g, order):
    there = [v for v in g if v.norm() > 0]
    mean = sum(there) / len(there)
    reach = 0.5 * mean.norm()
    unit = sum(v.norm() for v in there) / len(there)
    w = best_weights(g, lambda v: ((v @ mean + reach * v.norm()) / unit).item())
    towards = sum(x * v for x, v in zip(w, g, strict=True))
    step = reach / towards.norm() * towards
    return [(v + step) / len(there) if v.norm() > 0 else v for v in g]


NAIVE = {"pcgrad": naive_pcgrad, "gradnorm": naive_gradnorm, "mgda": naive_mgda, "cagrad": naive_cagrad}


def naive(g, chain, order):
    new = g
    for name in chain:
        new = NAIVE[name](new, order)
    return rescaled(sum(new), sum(g))


def test_every_method_has_a_naive_restatement():
    assert set(NAIVE) == set(METHODS)


# --- known solutions


def test_pcgrad_takes_out_of_each_gradient_what_the_other_forbids():
    a, b = vector([1.0, 0.0]), vector([-1.0, 1.0])
    new = vector([0.5, 0.5]) + vector([0.0, 1.0])  # a + b/2, b + a
    close(merged([[1.0, 0.0], [-1.0, 1.0]], ["pcgrad"]), rescaled(new, a + b))


def test_pcgrad_without_conflict_is_the_plain_sum():
    close(merged([[1.0, 0.2, 0.0], [0.0, 1.0, 0.0], [0.0, 3.0, 2.0]], ["pcgrad"]), [1.0, 4.2, 2.0], 1e-14)


def test_mgda_finds_the_foot_of_the_perpendicular_and_the_shorter_end():
    # Weights to the inverse squares where they are orthogonal; all weight but the least to the short end.
    close(
        merged([[1.0, 0.0], [0.0, 2.0]], ["mgda"]),
        rescaled(vector([0.8, 0.4]), vector([1.0, 2.0])),
        1e-7,
    )
    least = vector([1.0, 0.0]) + 1e-3 * vector([3.0, 1.0])
    close(merged([[1.0, 0.0], [3.0, 1.0]], ["mgda"]), rescaled(least, vector([4.0, 1.0])), 1e-7)


def test_cagrad_of_the_example_that_is_published_with_another_implementation():
    """c = 1/2 on (-4, 1, 1) and (6, 1, 1) gives (0.1835, 1.2041, 1.2041), there without rescaling."""
    published = vector([0.1835, 1.2041, 1.2041])
    wanted = rescaled(published, vector([2.0, 2.0, 2.0]))
    close(merged([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]], ["cagrad"]), wanted, 2e-4)


def test_gradnorm_gives_every_head_the_same_length():
    close(
        merged([[100.0, 0.0], [0.0, 0.01]], ["gradnorm"]),
        rescaled([1.0, 1.0], vector([100.0, 0.01])),
    )


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_pcgrad_in_every_order_equals_the_loops(order):
    g = random_vectors(5, 4, 3)
    flat = list(g.flatten(1))
    assert any(u @ v < 0 for u in flat for v in flat)
    close(reconciled(g, ["pcgrad"], torch.tensor(order)).flatten(), naive(flat, ["pcgrad"], order))


def test_the_order_matters():
    g = random_vectors(0, 4, 2)
    found = {
        tuple(reconciled(g, ["pcgrad"], torch.tensor(o)).flatten().tolist()) for o in permutations(range(4))
    }
    assert len(found) > 1


@every_chain
@pytest.mark.parametrize(("heads", "size"), [(1, 3), (2, 2), (3, 5), (3, 2), (5, 4)])
def test_reconciled_equals_the_loops(chain, heads, size):
    for seed in range(4):
        g = random_vectors(seed, heads, size)
        if heads > 2:
            g[1] = 0.0  # absent
        order = torch.randperm(heads, generator=torch.Generator().manual_seed(seed))
        expected = naive(list(g.flatten(1)), chain, order.tolist())
        close(
            reconciled(g, chain, order).flatten(),
            expected,
            1e-9 if chain[0] in ("pcgrad", "gradnorm") else 2e-4,
        )


# --- optimality, by the conditions that prove it

arrays = st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 12)


@given(*arrays)
@settings(max_examples=60, deadline=None)
def test_mgda_is_the_nearest_point_of_the_hull(seed, heads, size):
    g = random_vectors(seed, heads, size).flatten(1)
    gram = (g @ g.T)[None]
    (w,) = _on_simplex(gram, torch.zeros_like(gram[:, 0]), torch.ones(1, dtype=g.dtype))
    assert w.min() >= 0
    close(w.sum(), 1.0)
    nearest = w @ g
    # No vertex lies nearer along the way: <g_w, g_h> >= |g_w|^2 for every h.
    assert ((g @ nearest) >= nearest @ nearest - 1e-6 * g.norm(dim=1).max() ** 2).all()
    close(METHODS["mgda"](gram, None)[0].diagonal(), w.clamp_min(1e-3))


@given(*arrays)
@settings(max_examples=60, deadline=None)
def test_cagrad_serves_the_worst_head_best_within_its_reach(seed, heads, size):
    g = random_vectors(seed, heads, size).flatten(1)
    new = METHODS["cagrad"]((g @ g.T)[None], None)[0].sum(0) @ g
    mean = g.mean(0)
    assert (new - mean).norm() <= 0.5 * mean.norm() * (1 + 1e-6)
    worst = (g @ new).min()
    rng = torch.Generator().manual_seed(seed)
    for spread in (1.0, 0.3, 0.1, 0.03):
        other = (new - mean)[None] + spread * mean.norm() * torch.randn(
            (200, size), generator=rng, dtype=g.dtype
        )
        other = mean + other * (0.5 * mean.norm() / other.norm(dim=1, keepdim=True)).clamp(max=1.0)
        assert ((g @ other.T).min(0).values <= worst + 1e-5 * g.norm(dim=1).max() ** 2).all()


# --- algebra


@every_chain
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_the_norm_is_that_of_the_plain_sum(chain, heads):
    g = random_vectors(1, heads, 6)
    close(reconciled(g, chain, torch.arange(heads)).norm(), g.sum(0).norm())


@every_chain
def test_a_head_without_a_gradient_does_not_count(chain):
    g = random_vectors(2, 3, 6)
    more = torch.cat([g[:1], torch.zeros_like(g[:1]), g[1:]])
    close(reconciled(more, chain, torch.tensor([3, 1, 0, 2])), reconciled(g, chain, torch.tensor([2, 0, 1])))


@every_chain
@pytest.mark.parametrize("unit", [1e-7, 1e5])
def test_the_unit_of_the_gradients_does_not_matter(chain, unit):
    g, order = random_vectors(3, 4, 6), torch.tensor([2, 0, 3, 1])
    close(reconciled(unit * g, chain, order) / unit, reconciled(g, chain, order), 1e-8)


@every_chain
def test_experts_are_reconciled_apart_rows_and_draws_together(chain):
    g = torch.randn((3, 2, 4, 5, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    order = torch.tensor([1, 2, 0])
    found = reconciled(g, chain, order)
    for e in range(4):
        close(found[:, e], reconciled(g[:, :, e : e + 1], chain, order)[:, 0])
    flat = reconciled(g[:, :, :1].reshape(3, 1, 1, 1, -1), chain, order)
    close(found[:, 0].flatten(), flat.flatten())


@every_chain
def test_nothing_and_gradients_that_cancel_stay_finite(chain):
    assert (reconciled(torch.zeros(3, 1, 2, 4, 2), chain, torch.arange(3)) == 0).all()
    assert merged([[1.0, 0.0], [-1.0, 0.0]], chain).abs().max() < 1e-9
    assert merged([[1.0, 2.0], [1.0, 2.0], [-1.0, -2.0]], chain).isfinite().all()


@every_chain
def test_parallel_gradients_are_the_plain_sum(chain):
    close(merged([[1.0, 2.0], [2.0, 4.0], [1.0, 2.0]], chain), [4.0, 8.0])


# --- the wrapper

WRAPPED = [
    ("poe", {"draws": 2}),
    ("avg", {}),
    ("moe", {"draw": "all"}),
    ("moe", {"draw": "one"}),
    ("mopoe", {"draw": "all", "draws": 2}),
    ("mopoe", {"draw": "stratified"}),
    ("mvae", {}),
]
every_wrapped = pytest.mark.parametrize("variant", WRAPPED, ids=toy.label)


def evaluated(model, noise, batch):
    loss = model.loss(batch, noise, model.method.at(0))
    return loss, toy.gradients(model, loss.total)


def pair(variant, chain):
    """A plain model and the same with impartial gradients, and the noise of each."""
    name, options = variant
    plain = toy.model(method(name, options))
    wrapped = toy.model(method(name, {**options, "impartial": "+".join(chain)}))
    noise = toy.noise(wrapped, ROWS)
    own = plain.method.objective.needs(plain.method.aggregation.experts(3), 3).uniforms
    return plain, Noise(noise.normal, noise.uniform[:own]), wrapped, noise


@pytest.mark.parametrize("variant", [*WRAPPED, ("mopoe", {"private_dim": 2})], ids=toy.label)
@every_chain
def test_values_and_the_decoders_gradients_are_those_of_the_plain_objective(variant, chain):
    plain, own, wrapped, noise = pair(variant, chain)
    (loss, grads), (loss2, grads2) = (
        evaluated(plain, own, toy.batch()),
        evaluated(wrapped, noise, toy.batch()),
    )
    assert torch.equal(loss.total, loss2.total)
    assert all(torch.equal(loss.terms[k], loss2.terms[k]) for k in loss.terms)
    for n in grads:
        if "decoder" in n:
            close(grads[n], grads2[n], 1e-13)
    assert any((grads[n] - grads2[n]).abs().max() > 1e-6 for n in grads if "encoder" in n)


@every_wrapped
@pytest.mark.parametrize("chain", [["pcgrad"], ["cagrad"], ["gradnorm", "pcgrad"]], ids="+".join)
def test_the_encoders_gradients_equal_those_of_loops_over_the_heads(variant, chain):
    plain, own, wrapped, noise = pair(variant, chain)
    batch, hyper, seen = toy.batch(), plain.method.at(0), []

    def watch(decoded, z):
        seen.append(z)
        return decoded.latents(z)

    loss = plain.method.objective.through(watch, plain, batch, own, hyper)
    (z,) = seen
    per_head = []
    for name in plain.names:
        head = plain[name].weight * loss.terms[f"distortion/{name}"].sum()
        per_head.append(torch.autograd.grad(head, z, retain_graph=True)[0])
    order = torch.argsort(noise.uniform[len(own.uniform) :, 0]).tolist() if "pcgrad" in chain else None
    out = torch.zeros_like(z)
    for e in range(z.shape[1]):
        vector = naive(
            [g[:, e].flatten() for g in per_head if g.abs().sum() > 0], chain, shown(order, per_head)
        )
        out[:, e] = vector.view_as(out[:, e])
    encoders = {n: p for n, p in plain.named_parameters() if "encoder" in n}
    through_z = torch.autograd.grad(z, list(encoders.values()), out, retain_graph=True)
    rate = torch.autograd.grad(hyper["beta"] * loss.terms["rate"].sum(), list(encoders.values()))
    _, grads = evaluated(wrapped, noise, batch)
    for n, a, b in zip(encoders, through_z, rate, strict=True):
        close(grads[n], a + b, 1e-8 if "cagrad" not in chain else 2e-4)


def shown(order, per_head):
    """All heads have a gradient here somewhere, so the order is that of all."""
    assert all(g.abs().sum() > 0 for g in per_head)
    return order


@pytest.mark.parametrize("chain", [["mgda"], ["cagrad"], ["gradnorm"]], ids="+".join)
@pytest.mark.parametrize("name", ["poe", "moe"])
def test_a_modality_that_is_absent_everywhere_is_as_if_the_model_had_none(name, chain):
    model = toy.model(method(name, {"impartial": "+".join(chain)}))
    batch, smaller = toy.batch().given(("a", "b")), toy.of(model, ("a", "b"))
    without = type(batch)({n: batch.x[n] for n in ("a", "b")}, {n: batch.mask[n] for n in ("a", "b")})
    noise = toy.noise(model, ROWS)
    (_, grads), (_, fewer) = evaluated(model, noise, batch), evaluated(smaller, noise, without)
    for n, p in smaller.named_parameters():
        place = next(k for k, q in model.named_parameters() if q is p)
        close(grads[place], fewer[n], 1e-12)
    gone = [g for n, g in grads.items() if n.startswith("modalities.2.")]
    assert gone
    assert all((g == 0).all() for g in gone)


@every_chain
def test_a_stack_trains_as_each_model_alone(chain):
    batch = toy.batch(rows=24)
    recipe = method("mopoe", {"impartial": "+".join(chain)})
    options = TrainOptions(epochs=2, batch_size=8, learning_rate=0.01, validation=0.2, precision="float64")

    def trained(seeds, stacked):
        models = [toy.model(recipe, seed=s) for s in seeds]
        Population(models, dict(batch.x), dict(batch.mask), options, seeds, stacked=stacked).run()
        return [m.state_dict() for m in models]

    together = trained([0, 1, 2], True)
    for seed in range(3):
        (alone,) = trained([seed], False)
        for k, v in alone.items():
            close(together[seed][k], v, 1e-11)
    plain = toy.model(method("mopoe"), seed=0)
    Population([plain], dict(batch.x), dict(batch.mask), options, [0]).run()
    assert any((plain.state_dict()[k] - together[0][k]).abs().max() > 1e-6 for k in together[0])


# --- more places, for importance-weighted bounds

WEIGHED = [
    ("mmvae", {"objective": o, "averaging": a, "draws": k, "posterior": p})
    for o, a, k, p in (
        ("iwae", "looser", 1, "laplace_sum"),
        ("dreg", "looser", 3, "laplace_sum"),
        ("dreg_mixture", "tight", 2, "normal"),
    )
]
every_weighed = pytest.mark.parametrize("variant", WEIGHED, ids=toy.label)


def weighed(variant, how, seed=0):
    return toy.model(method(variant[0], {**variant[1], **({"impartial": how} if how else {})}), seed=seed)


@every_weighed
@pytest.mark.parametrize("how", ["pcgrad", "pcgrad@pq", "mgda@pqs"])
def test_a_bound_keeps_its_value_and_each_place_changes_what_comes_before_it(variant, how):
    plain, wrapped = weighed(variant, None), weighed(variant, how)
    noise = toy.noise(wrapped, ROWS)
    found = [evaluated(m, noise, toy.batch()) for m in (plain, wrapped)]
    (loss, grads), (loss2, grads2) = found
    close(loss.total, loss2.total, 1e-12)
    for k in loss.terms:
        close(loss.terms[k], loss2.terms[k], 1e-12)
    apart = {n: (grads[n] - grads2[n]).abs().max().item() for n in grads}
    assert any(d > 1e-6 for n, d in apart.items() if "encoder" in n)
    assert any(d > 1e-6 for n, d in apart.items() if "decoder" in n) == ("s" in how.partition("@")[2])
    again, grads3 = evaluated(wrapped, noise, toy.scribble(toy.batch(), "tables"))
    assert torch.equal(loss2.total, again.total)
    for n in grads2:
        close(grads2[n], grads3[n], 1e-9)


@pytest.mark.parametrize("at", ["pq", "pqs"])
@pytest.mark.parametrize("chain", [["pcgrad"], ["gradnorm"], ["gradnorm", "pcgrad"]], ids="+".join)
def test_within_the_mixtures_density_heads_are_the_experts(chain, at):
    """K = 1, looser: L = sum_e w_e [...], so head n at z_e is beta w_e r_n grad log q_n(z_e)."""
    model = weighed(WEIGHED[0], "+".join(chain) + "@" + at)
    batch, noise, beta = toy.batch(), toy.noise(model, ROWS), 0.7
    posterior = model.posterior(batch)
    q, w = posterior.mixture.components, posterior.weight
    z = posterior.experts.rsample(noise.normal)
    orders = [None] * 3
    if "pcgrad" in chain:
        assert noise.uniform.shape[0] == 3 * len(at)
        orders = [torch.argsort(u).tolist() for u in noise.uniform[:, 0].split(3)]
    out = torch.zeros_like(z)
    for e in range(3):
        at_e = z[0, e].detach().requires_grad_()
        log_q = torch.stack([q[n].log_prob(at_e) for n in range(3)])
        held = torch.where(w > 0, w * log_q.exp(), 0.0)
        share = (held / held.sum(0)).detach()
        densities = []
        for n in range(3):
            fixed = type(q)(q.loc[n].detach(), q.scale[n].detach())
            total = (beta * w[e] * share[n] * fixed.log_prob(at_e))[batch.present.any(0)].sum()
            densities.append(torch.autograd.grad(total, at_e)[0].flatten())
        out[0, e] += naive(densities, chain, orders[1]).view_as(out[0, e])
        decoders = []
        for m, name in enumerate(model.names):
            nll = -model[name].weight * model[name].log_prob(at_e, batch.x[name], batch.mask[name])
            some = torch.where(batch.present[m], w[e] * nll, 0.0).sum()
            decoders.append(torch.autograd.grad(some, at_e)[0].flatten())
        out[0, e] += naive(decoders, chain, orders[0]).view_as(out[0, e])
        minus_log_p = (beta * w[e] * at_e.abs().sum(-1))[batch.present.any(0)].sum()
        out[0, e] += torch.autograd.grad(minus_log_p, at_e)[0]
    direct = (beta * w * torch.stack([posterior.mixture.log_prob(v.detach()) for v in z[0]]))[
        :, batch.present.any(0)
    ]
    encoders = {n: p for n, p in model.named_parameters() if "encoder" in n}
    through_z = torch.autograd.grad(z, list(encoders.values()), out, retain_graph=True)
    beside = torch.autograd.grad(direct.sum(), list(encoders.values()))
    total = model.loss(batch, noise, {"beta": beta}).total
    grads = toy.gradients(model, total)
    for n, a, b in zip(encoders, through_z, beside, strict=True):
        close(grads[n], a + b, 1e-8)


@pytest.mark.parametrize("chain", [["pcgrad"], ["gradnorm"]], ids="+".join)
def test_of_decoders_parameters_heads_are_the_experts_draws(chain):
    model = weighed(WEIGHED[0], "+".join(chain) + "@pqs", seed=4)  # experts disagree
    batch, noise = toy.batch(), toy.noise(model, ROWS)
    posterior, changed = model.posterior(batch), False
    z, w = posterior.experts.rsample(noise.normal).detach(), posterior.weight
    order = torch.argsort(noise.uniform[6:9, 0]).tolist() if "pcgrad" in chain else None
    grads = evaluated(model, noise, batch)[1]
    for m, name in enumerate(model.names):
        parameters = dict(model[name].decoder.named_parameters())
        heads = []
        for e in range(3):
            log_p = model[name].log_prob(z[0, e], batch.x[name], batch.mask[name])
            own = -model[name].weight * torch.where(batch.present[m], w[e] * log_p, 0.0).sum()
            each = torch.autograd.grad(own, list(parameters.values()))
            heads.append(torch.cat([g.flatten() for g in each]))
        expected = naive(heads, chain, order)
        place = f"modalities.{m}.decoder."
        close(torch.cat([grads[place + k].flatten() for k in parameters]), expected, 1e-8)
        changed |= bool((expected - sum(heads)).abs().max() > 1e-6)
    assert changed


@pytest.mark.parametrize("variant", WEIGHED[1:], ids=toy.label)
def test_all_places_in_a_stack_as_alone(variant):
    recipe = method(variant[0], {**variant[1], "impartial": "pcgrad@pqs"})
    test_laws.assert_a_stack_equals_each_alone(recipe, "tables")


def test_one_expert_has_nothing_to_reconcile_but_decoders():
    recipe = replace(method("poe"), objective=IWAE(draws=3, gradient="dreg"))
    one, all_ = (toy.model(impartial(recipe, how)) for how in ("gradnorm", "gradnorm@pqs"))
    noise = toy.noise(one, ROWS)
    grads, grads2 = (evaluated(m, noise, toy.batch())[1] for m in (one, all_))
    for n in grads:
        close(grads[n], grads2[n], 1e-10)


# --- how one asks for it


def test_the_option_is_recorded_and_parts_builds():
    plain, wrapped = method("poe"), method("poe", {"impartial": "gradnorm+pcgrad"})
    assert wrapped.options == {**plain.options, "impartial": "gradnorm+pcgrad"}
    assert wrapped.build != plain.build
    assert wrapped == method("poe", {"impartial": "gradnorm+pcgrad"})
    assert method("poe", {"impartial": None}) == plain
    keys = {
        build_key(cp.Counterpoint("poe", options=o, seed=s), 100)
        for o in (None, {"impartial": "pcgrad"}, {"impartial": "mgda"})
        for s in (0, 1)
    }
    assert len(keys) == 3


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_takes_it_or_says_why_not(name):
    plain = toy.model(method(name))
    if not plain.method.aggregation.shared or not isinstance(plain.method.objective, Fanned):
        with pytest.raises(InputError, match="impartial='gradnorm'"):
            method(name, {"impartial": "gradnorm"})
        assert name not in ("poe", "avg", "mvae", "moe", "mopoe")
        return
    wrapped, noise = toy.model(method(name, {"impartial": "gradnorm"})), toy.noise(plain, ROWS)
    (loss, grads), (loss2, grads2) = (evaluated(m, noise, toy.batch()) for m in (plain, wrapped))
    assert torch.equal(loss.total, loss2.total)
    assert all(g.isfinite().all() for g in grads2.values())
    assert any((grads[n] - grads2[n]).abs().max() > 1e-6 for n in grads if "decoder" not in n)


@pytest.mark.parametrize(
    ("name", "how", "said"),
    [
        ("poe", "pcgrd", r"impartial is 'pcgrd'; allowed are .*Did you mean 'pcgrad'"),
        ("poe", "gradnorm+", r"impartial is ''; allowed are"),
        ("poe", "", r"impartial is ''; allowed are"),
        ("poe", 3, r"impartial is 3; give a word"),
        ("mmvae", "pcgrad@q", r"behind @ is 'q'; allowed are p, pq, pqs"),
        ("mmvae", "pcgrad@", r"behind @ is ''; allowed are"),
        ("moe", "gradnorm+pcgrad@pq", r"'gradnorm\+pcgrad@pq', and ELBO has its rate in closed form"),
        ("mmvm", "pcgrad", r"mmvm has impartial='pcgrad', and each of its latents feeds one decoder"),
        ("independent", "mgda", r"independent has impartial='mgda'.*Take a method with one latent for all"),
    ],
)
def test_what_cannot_be_is_refused(name, how, said):
    with pytest.raises(InputError, match=said):
        method(name, {"impartial": how})


class Closed:
    """An objective that shows nothing of how it decodes."""

    def needs(self, experts, modalities):
        return method("poe").objective.needs(experts, modalities)

    def __call__(self, model, batch, noise, hyper):
        return method("poe").objective(model, batch, noise, hyper)


def test_an_objective_without_a_fan_is_refused():
    with pytest.raises(InputError, match="its objective Closed does not let gradients be reconciled"):
        impartial(replace(method("poe"), objective=Closed()), "pcgrad")


def test_subsets_of_too_many_heads_are_refused():
    kinds = {f"m{i}": ("normal", (1,), False) for i in range(13)}
    batch = toy.batch(kinds, 3)
    for how in ("mgda", "pcgrad+cagrad"):
        model = toy.model(method("poe", {"impartial": how}), kinds)
        with pytest.raises(InputError, match="for 13 modalities; mgda and cagrad take at most 12"):
            evaluated(model, toy.noise(model, 3), batch)
    model = toy.model(method("poe", {"impartial": "pcgrad"}), kinds)
    assert evaluated(model, toy.noise(model, 3), batch)[0].total.isfinite().all()


def test_it_is_fitted_saved_loaded_and_asked_like_any_other(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    data = {"a": x, "b": x @ rng.normal(size=(4, 3))}
    data["b"][:10] = np.nan
    model = cp.Counterpoint("mopoe", latent_dim=2, epochs=2, options={"impartial": "cagrad+pcgrad"})
    model.fit(data, run=tmp_path / "run")
    loaded = cp.load(tmp_path / "run")
    assert loaded.options == {"impartial": "cagrad+pcgrad"}
    np.testing.assert_array_equal(loaded.transform(data), model.transform(data))


def test_a_search_may_choose_it():
    pytest.importorskip("optuna")
    axes = axes_of({"options.impartial": ["pcgrad", None]}, "poe", "coherence", {})
    assert list(axes) == ["options.impartial"]
    with pytest.raises(InputError, match=r"options\.impartial"):
        axes_of({"options.impartia": ["pcgrad"]}, "poe", "coherence", {})
