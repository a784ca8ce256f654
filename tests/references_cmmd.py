"""A naive restatement of CMMD's objective; see test_references.py."""

from math import exp, floor

import torch
from torch.distributions import Normal, kl_divergence

import toy

UNITS = 5  # of toy models' features
STANDARD = Normal(torch.zeros(toy.D, dtype=toy.DTYPE), torch.ones(toy.D, dtype=toy.DTYPE))


def normal(heads):
    loc, log_variance = heads.chunk(2)
    return Normal(loc, torch.exp(log_variance / 2))


def present(row, b):
    return [n for n in row.model.names if bool(row.batch.mask[n][b].any())]


def observed(row, o, b):
    """The modalities that the prior reads in row b: those named, or a set told by one uniform number."""
    there = [n for n in present(row, b) if n != row.model.target]
    if o["observed"] is not None:
        return [n for n in there if n in o["observed"]]
    if not there:
        return []
    number = floor(float(row.noise.uniform[0, b]) * (2 ** len(there) - 1)) + 1
    return [n for i, n in enumerate(there) if number >> i & 1]


def prior(row, o, b):
    seen = observed(row, o, b)
    if not seen:
        return STANDARD
    width = 2 * row.model.method.private_dim  # the last columns are the private latents'
    each = (row.model[n].encoder(row.batch.x[n][b : b + 1])[0] for n in seen)
    features = sum(out[: len(out) - width] for out in each)
    return normal(row.model.prior_head(torch.relu(features)))


def context(row, seen):
    """What decoders see of the observed modalities."""
    each = [row.model[n].encoder(row.batch.x[n][row.b : row.b + 1])[0] for n in seen]
    return torch.relu(sum(each)) if each else torch.zeros(UNITS, dtype=toy.DTYPE)


def posterior(row, b):
    there = present(row, b)
    if not there:
        return STANDARD
    trunks = dict(zip(row.model.names, row.model.joint.trunks, strict=True))
    features = sum(trunks[n](row.batch.x[n][b : b + 1])[0] for n in there)
    return normal(row.model.joint.head(torch.relu(features)))


def kernel(x, y):
    return exp(-float(((x - y) ** 2).sum()) / len(x) ** 2)


def squared_mmd(row, o):
    rows = [b for b in range(row.batch.rows) if present(row, b)]
    total = 0.0
    for k in range(o["draws"]):
        one, two = {}, {}
        for b in rows:
            q, p = posterior(row, b), prior(row, o, b)
            one[b] = (q.loc + q.scale * row.noise.normal[k, 0, b]).detach()
            two[b] = (p.loc + p.scale * row.noise.normal[k, 1, b]).detach()
        for i in rows:
            for j in rows:
                each = kernel(one[i], one[j]) + kernel(two[i], two[j]) - 2 * kernel(one[i], two[j])
                total += each / len(rows) ** 2 / o["draws"]
    return total, len(rows)


def reference_cmmd(row, o, h):
    here, b = present(row, row.b), row.b
    if not here:
        return 0.0
    seen = observed(row, o, b)
    q, p = posterior(row, b), prior(row, o, b)
    cost = kl_divergence(q, p).sum()
    if o["kl"] == "released":
        cost = cost + (q.scale**2 / p.scale**2).sum() / 2
    total = h["kl_weight"] * cost
    for k in range(o["draws"]):
        z = q.loc + q.scale * row.eps(k, 0)
        classified = p.loc if o["classify"] == "mean" else p.loc + p.scale * row.eps(k, 1)
        for m in row.present:
            name = row.model.names[m]
            if name == row.model.target:
                total = total + h["classifier_weight"] * row.nll(m, classified) / o["draws"]
            elif o["generate"] == "all" or name not in seen:
                beside = torch.cat([z, context(row, seen)]) if o["decoder_sees_observed"] else z
                total = total + row.nll(m, beside) / o["draws"]
    found, rows = squared_mmd(row, o)
    return total + h["mmd_weight"] * o["mmd_scale"] * found * row.batch.rows / rows


def reference_vcca(row, o, h):
    there = present(row, row.b)
    if not there:
        return 0.0
    seen = [n for n in there if o["observed"] is None or n in o["observed"]]
    q = prior(row, {"observed": seen}, row.b)
    total = h["beta"] * kl_divergence(q, STANDARD).sum() + row.private_rates(h)
    for k in range(o["draws"]):
        total = total + row.all_nll(q.loc + q.scale * row.eps(k, 0), k) / o["draws"]
    return total


REFERENCES = {"cmmd": reference_cmmd, "vcca": reference_vcca}
