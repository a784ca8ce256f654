"""A naive restatement of MMVAE's four objectives; see test_references.py."""

import torch
from torch.distributions import Laplace, Normal, kl_divergence

import toy

ZERO, ONE = torch.zeros(toy.D, dtype=toy.DTYPE), torch.ones(toy.D, dtype=toy.DTYPE)


def posterior(row, m, family):
    """q_m, read from the encoder's output."""
    name = row.model.names[m]
    loc, h = row.model[name].encoder(row.batch.x[name][row.b : row.b + 1])[0].chunk(2)
    if family == "normal":
        return Normal(loc, torch.exp(h / 2))
    shared_out = toy.D * torch.exp(h) / torch.exp(h).sum() + 1e-6
    return Laplace(loc, shared_out if family == "laplace_sum" else torch.exp(h))


def draw(q, eps):
    """The quantile that the normal noise lies at."""
    return q.icdf(Normal(ZERO, ONE).cdf(eps))


def log_density(q, z):
    return q.log_prob(z).sum()


def reference_mmvae(row, o, h):
    q = {m: posterior(row, m, o["posterior"]) for m in row.present}
    wide = ONE
    if o["learn_prior"]:
        theta = row.model.theta
        wide = torch.stack([toy.D * t.exp() / sum(s.exp() for s in theta) for t in theta])
    p = (Normal if o["posterior"] == "normal" else Laplace)(ZERO, wide)
    count, draws = len(q), o["draws"]
    z = {(m, k): draw(q[m], row.eps(k, m)) for m in q for k in range(draws)}
    if o["objective"].startswith("elbo"):
        total = 0.0
        for r in q:
            total = total + h["beta"] * kl_divergence(q[r], p).sum() / count
            for d in q:
                for k in range(draws):
                    if r == d or o["objective"] == "elbo_naive":
                        nll = row.nll(d, z[r, k])
                    else:
                        ratio = torch.exp(log_density(q[r], z[d, k]) - log_density(q[d], z[d, k]))
                        nll = ratio * row.nll(d, z[d, k])
                    total = total + nll / draws / count
        return total
    weights = {}
    for (m, k), at in z.items():
        mixture = sum(log_density(part, at).exp() for part in q.values()) / count
        log_weight = h["beta"] * (log_density(p, at) - mixture.log()) - row.all_nll(at)
        weights[m, k] = log_weight.exp()
    if o["averaging"] == "tight":
        return -(sum(weights.values()) / count / draws).log()
    return -sum((sum(weights[m, k] for k in range(draws)) / draws).log() for m in q) / count


REFERENCES = {"mmvae": reference_mmvae}
