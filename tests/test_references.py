"""A naive restatement of every recipe's loss: one row at a time, loops over modalities, subsets and pairs.

Written from the equations, with torch.distributions, and sharing nothing with the library but its networks.
A new method needs an entry in REFERENCES.
"""

from itertools import combinations
from math import exp, log

import pytest
import torch
from torch.distributions import Bernoulli, Laplace, Normal, kl_divergence

import references_cmmd
import references_correlation
import references_joint
import references_latents
import references_mmvae
import toy
from counterpoint.batch import Batch
from counterpoint.methods import METHODS, method

KINDS = {"a": ("normal", (3,), False), "b": ("laplace", (2, 2), True), "c": ("bernoulli", (4,), False)}
NAMES = tuple(KINDS)
M = len(NAMES)
ROWS = 4
STANDARD = Normal(torch.zeros(toy.D, dtype=toy.DTYPE), torch.ones(toy.D, dtype=toy.DTYPE))


def four_rows():
    """Row 0 has all, row 1 lacks b, row 2 has c alone, row 3 lacks three single values of b and all of a."""
    batch = toy.batch(KINDS, ROWS, missing=False)
    mask = {k: v.clone() for k, v in batch.mask.items()}
    mask["b"][1:3] = False
    mask["a"][2:] = False
    mask["b"][3] = torch.tensor([[False, True], [False, False]])
    return Batch({k: v * toy.expand(mask[k], v) for k, v in batch.x.items()}, mask)


class Row:
    """One row, and what every reference asks of it."""

    def __init__(self, model, batch, noise, b):
        self.model, self.batch, self.noise, self.b = model, batch, noise, b
        self.present = [m for m, n in enumerate(NAMES) if bool(batch.mask[n][b].any())]
        self.private = model.method.private_dim
        both = {m: self._encode(m) for m in self.present}
        self.q = {m: q[0] if self.private else q for m, q in both.items()}
        self.own = {m: q[1] for m, q in both.items()} if self.private else {}

    def _encode(self, m):
        out = self.model[NAMES[m]].encoder(self.batch.x[NAMES[m]][self.b : self.b + 1])[0]
        if self.model.method.conditional:
            return (None, normal(out[-2 * self.private :])) if self.private else out
        if self.model.method.posterior.heads == 1:
            return out
        if self.private:
            cut = 2 * toy.D
            return normal(out[:cut]), normal(out[cut:])
        return normal(out)

    def eps(self, k, e):
        return self.noise.normal[k, e, self.b, : toy.D]

    def w(self, k, m):
        """A draw of modality m's private latent."""
        q = self.own[m]
        return q.loc + q.scale * self.noise.normal[k, m, self.b, toy.D :]

    def uniform(self, u=0):
        return float(self.noise.uniform[u, self.b])

    def nll(self, m, z):
        """Weighted -log p(x_m | z) over the observed values."""
        name = NAMES[m]
        out, x = self.model[name].decoder(z[None])[0], self.batch.x[name][self.b]
        p = {
            "a": lambda o: Normal(o, 1.0),
            "b": lambda o: Laplace(o, 0.75),
            "c": lambda o: Bernoulli(logits=o),
        }[name](out)
        seen = toy.expand(self.batch.mask[name], self.batch.x[name])[self.b]
        total = 0.0
        for each, there in zip(p.log_prob(x).flatten(), seen.flatten(), strict=True):
            if there:
                total = total - each
        return self.model[name].weight * total

    def all_nll(self, z, k=0):
        """Of everything present, from a shared latent and, where there are some, the k-th private ones."""
        read = {m: torch.cat([z, self.w(k, m)]) if self.private else z for m in self.present}
        return sum(self.nll(m, read[m]) for m in self.present)

    def private_rates(self, h):
        """beta times what the private latents cost."""
        return sum(h["beta"] * h["beta_private"] * rate(q) for q in self.own.values())


def normal(heads):
    """Read locs and log-variances."""
    loc, log_variance = heads.chunk(2)
    return Normal(loc, torch.exp(log_variance / 2))


def rate(q):
    return kl_divergence(q, Normal(torch.zeros_like(q.loc), torch.ones_like(q.loc))).sum()


def product(parts, prior):
    """The normalised product of normals, with N(0, I) among them where `prior`."""
    parts = [*parts, *([STANDARD] if prior else [])]
    precision = sum(1 / p.scale**2 for p in parts)
    return Normal(sum(p.loc / p.scale**2 for p in parts) / precision, precision**-0.5)


def count(row, o):
    return len(row.present) if o["kl_count"] == "per_modality" else 1


def reference_ae(row, o, h):
    return sum(row.nll(m, row.q[m]) for m in row.present)


def reference_independent(row, o, h):
    total = 0.0
    for m in row.present:
        for k in range(o["draws"]):
            total = total + row.nll(m, row.q[m].loc + row.q[m].scale * row.eps(k, m)) / o["draws"]
        total = total + h["beta"] ** o["beta_power"] * rate(row.q[m])
    return total


def joint(row, o, h, q):
    """The ELBO of one joint posterior."""
    total = h["beta"] * count(row, o) * rate(q)
    for k in range(o["draws"]):
        total = total + row.all_nll(q.loc + q.scale * row.eps(k, 0), k) / o["draws"]
    return total


def reference_avg(row, o, h):
    qs, n = list(row.q.values()), len(row.present)
    loc = sum(q.loc for q in qs) / n
    if o["of"] == "variance":
        return joint(row, o, h, Normal(loc, (sum(q.scale**2 for q in qs) / n) ** 0.5))
    return joint(row, o, h, Normal(loc, sum(q.scale for q in qs) / n))


def reference_poe(row, o, h):
    prior = o["prior_expert"] == "all" or (o["prior_expert"] == "full" and len(row.present) == M)
    return joint(row, o, h, product(row.q.values(), prior))


def mixture(row, o, h, subsets, prior):
    """Experts over subsets, those observed whole sharing the weight; `prior(subset)`: with prior expert?"""
    held = [e for e, s in enumerate(subsets) if all(m in row.present for m in s)]
    experts = {e: product([row.q[m] for m in subsets[e]], prior(subsets[e])) for e in held}
    total = sum(h["beta"] * count(row, o) * rate(q) / len(held) for q in experts.values())
    for k in range(o["draws"]):
        if o["draw"] == "all":
            for e, q in experts.items():
                total = total + row.all_nll(q.loc + q.scale * row.eps(k, e), k) / len(held) / o["draws"]
        else:
            q = experts[held[int(share(row, o, len(subsets)) * len(held))]]
            total = total + row.all_nll(q.loc + q.scale * row.eps(k, 0), k) / o["draws"]
    return total + row.private_rates(h)


def share(row, o, experts):
    """Where in [0, 1) the row's expert lies among those it has."""
    if o["draw"] == "one":
        return row.uniform()
    run = ROWS // experts
    return ((min(row.b // run, experts - 1) if run else row.b % experts) + 0.5) / experts


def reference_moe(row, o, h):
    return mixture(row, o, h, [(m,) for m in range(M)], lambda s: False)


def reference_mopoe(row, o, h):
    subsets = [s for size in range(1, M + 1) for s in combinations(range(M), size)]
    kind = o["prior_expert"]
    return mixture(row, o, h, subsets, lambda s: kind == "all" or (kind == "full" and len(s) == M))


def reference_mvae(row, o, h):
    subsets = [{m} for m in range(M)] + [set(range(M))]
    for j in range(o["random_subsets"]):
        u = [row.uniform(j * (1 + M) + i) for i in range(1 + M)]
        size = 2 + int(u[0] * (M - 2))
        subsets.append(set(sorted(range(M), key=lambda m: u[1 + m])[:size]))
    total = 0.0
    for e, subset in enumerate(subsets):
        members = [m for m in row.present if m in subset]
        if not members:
            continue
        q = product([row.q[m] for m in members], o["prior_expert"] == "all")
        total = total + h["beta"] * rate(q)
        for k in range(o["draws"]):
            z = q.loc + q.scale * row.eps(k, e)
            total = total + sum(row.nll(m, z) for m in members) / o["draws"]
    return total


def reference_mmvm(row, o, h):
    sharp = {m: torch.exp(-q.entropy().sum()) for m, q in row.q.items()}
    even = o["mixture_weights"] == "even"
    w = {m: 1 / len(sharp) if even else sharp[m] / sum(sharp.values()) for m in sharp}
    prior = {m: Normal(q.loc, q.scale * h.get("temperature", 1.0)) for m, q in row.q.items()}
    total = 0.0
    for m in row.present:
        q, tied = row.q[m], 0.0
        for k in range(o["draws"]):
            z = q.loc + q.scale * row.eps(k, m)
            read = torch.cat([z, row.w(k, m)]) if row.private else z
            total = total + row.nll(m, read) / o["draws"]
            if o["rate"] == "mixture":
                density = sum(w[n] * p.log_prob(z).sum().exp() for n, p in prior.items())
                tied = tied + (q.log_prob(z).sum() - density.log()) / o["draws"]
        if o["rate"] == "pairwise":
            tied = sum(w[n] * kl_divergence(q, p).sum() for n, p in prior.items())
        elif o["rate"] == "mixture_bound":
            tied = -sum(w[n] * (-kl_divergence(q, p).sum()).exp() for n, p in prior.items()).log()
        total = total + h["beta"] * ((1 - h["alpha"]) * tied + h["alpha"] * rate(q))
    return total + row.private_rates(h)


def reference_split(row, o, h):
    """The joint posteriors of the methods above, with private latents; or decoded across."""
    as_one = {**o, "of": "variance", "prior_expert": "none"}
    pools = {
        "avg": lambda: reference_avg(row, as_one, h) + row.private_rates(h),
        "poe": lambda: reference_poe(row, as_one, h) + row.private_rates(h),
        "moe": lambda: reference_moe(row, as_one, h),
        "mopoe": lambda: reference_mopoe(row, as_one, h),
    }
    return references_latents.reference_split(row, o, h, pools)


REFERENCES = {
    "ae": reference_ae,
    "avg": reference_avg,
    "independent": reference_independent,
    "jmvae": references_latents.reference_jmvae,
    "mmvae_plus": references_latents.reference_mmvae_plus,
    "mmvm": reference_mmvm,
    "moe": reference_moe,
    "mopoe": reference_mopoe,
    "mvae": reference_mvae,
    "poe": reference_poe,
    "split": reference_split,
    "telbo": references_latents.reference_telbo,
    **references_cmmd.REFERENCES,
    **references_correlation.REFERENCES,
    **references_joint.REFERENCES,
    **references_mmvae.REFERENCES,
}


def test_every_method_has_a_reference():
    missing, extra = sorted(set(METHODS) - set(REFERENCES)), sorted(set(REFERENCES) - set(METHODS))
    assert not missing, (
        f"no naive restatement for {', '.join(missing)}: write `reference_NAME(row, o, h)` here "
        "(one row's loss from the paper's equation; o: the method's options, h: beta and so on) and list "
        "it in REFERENCES of tests/test_references.py."
    )
    assert not extra, f"references of methods that METHODS does not have: {', '.join(extra)}"


CASES = [
    (v, step)
    for v in toy.variants()
    for step in (0, 40_000)
    if not step or method(*v).at(step) != method(*v).at(0)
]


@pytest.mark.parametrize(("variant", "step"), CASES, ids=[f"{toy.label(v)}-at-{step}" for v, step in CASES])
def test_loss_equals_the_naive_restatement(variant, step):
    recipe = method(*variant)
    if variant[0] not in REFERENCES:
        pytest.fail(f"{variant[0]} has no entry in REFERENCES")
    model = toy.model(recipe, KINDS)
    batch, noise, hyper = four_rows(), toy.noise(model, ROWS, seed=11), recipe.at(step)
    total = model.loss(batch, noise, hyper).total
    for b in range(ROWS):
        expected = REFERENCES[variant[0]](Row(model, batch, noise, b), recipe.options, hyper)
        torch.testing.assert_close(total[b], expected, rtol=1e-10, atol=1e-10)


def test_schedules_reach_the_loss():
    """beta and alpha of the step, not of the start."""
    recipe = method("mmvm", {"beta": "linear:0:2:100", "alpha": "exp:1:0:150000"})
    at = recipe.at(50)
    assert at["beta"] == pytest.approx(1.0)
    assert at["alpha"] == pytest.approx(exp(-50 / 150_000 * 10 * log(10)))
