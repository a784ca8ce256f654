"""Naive restatements of the methods with joint encoders or private latents; see test_references.py."""

import torch
from torch.distributions import Laplace, Normal, kl_divergence

import toy


def standard_rate(q):
    return kl_divergence(q, Normal(torch.zeros_like(q.loc), torch.ones_like(q.loc))).sum()


def pooled(parts):
    precision = sum(1 / p.scale**2 for p in parts)
    return Normal(sum(p.loc / p.scale**2 for p in parts) / precision, precision**-0.5)


def joint_posterior(row):
    """The joint encoder's word on a complete row; else the product of what is there."""
    model, batch, b = row.model, row.batch, row.b
    if len(row.present) < len(model.names):
        return pooled(list(row.q.values()))
    total = 0
    for name, trunk in zip(model.names, model.joint.trunks, strict=True):
        total = total + trunk(batch.x[name][b : b + 1])[0]
    loc, log_variance = model.joint.head(torch.relu(total)).chunk(2)
    return Normal(loc, torch.exp(log_variance / 2))


def reference_jmvae(row, o, h):
    q = joint_posterior(row)
    total = h["beta"] * standard_rate(q)
    for k in range(o["draws"]):
        total = total + row.all_nll(q.loc + q.scale * row.eps(k, 0)) / o["draws"]
    for other in row.q.values():
        total = total + h["beta"] * h["alpha"] * kl_divergence(q, other).sum()
    return total


def reference_telbo(row, o, h):
    q = joint_posterior(row)
    total = h["beta"] * standard_rate(q)
    for k in range(o["draws"]):
        total = total + row.all_nll(q.loc + q.scale * row.eps(k, 0)) / o["draws"]
        for m, own in row.q.items():
            nll = row.nll(m, own.loc + own.scale * row.eps(k, 1 + m))
            total = total + o["gamma"] * nll / o["draws"]
    return total + sum(h["beta"] * standard_rate(own) for own in row.q.values())


def reference_split(row, o, h, pools):
    if o["decoding"] == "simple":
        return pools[o["pool"]]()
    experts = {
        "avg": lambda q: [
            Normal(sum(p.loc for p in q) / len(q), (sum(p.scale**2 for p in q) / len(q)) ** 0.5)
        ],
        "poe": lambda q: [pooled(q)],
        "moe": lambda q: q,
        "mopoe": lambda q: [
            pooled([p for i, p in enumerate(q) if s >> i & 1]) for s in range(1, 2 ** len(q))
        ],
    }[o["pool"]](list(row.q.values()))
    count = len(row.present) if o["kl_count"] == "per_modality" else 1
    total = h["beta"] * count * sum(standard_rate(q) for q in experts) / len(experts)
    modalities, rows = len(row.model.names), row.noise.normal[:, :, row.b]
    for k in range(o["draws"]):
        for r, q in row.q.items():
            z = q.loc + q.scale * rows[k, r, : toy.D]
            for d in row.present:
                theta = row.model.modalities[d].auxiliary
                loc, log_variance = theta.chunk(2)
                eps = rows[k, modalities + r * modalities + d, toy.D :]
                w = row.w(k, d) if d == r else loc + torch.exp(log_variance / 2) * eps
                total = total + row.nll(d, torch.cat([z, w])) / len(row.present) / o["draws"]
    return total + row.private_rates(h)


def reference_mmvae_plus(row, o, h):
    """One source, one draw, one target at a time; Laplace (or normal) densities written out."""
    model, b, dim, modalities = row.model, row.b, toy.D, len(row.model.names)
    width, draws = model.method.private_dim, row.noise.normal.shape[0]
    laplace = o["posterior"] == "laplace_sum"

    def family(heads):
        loc, second = heads.chunk(2)
        if laplace:
            return Laplace(loc, len(loc) * torch.softmax(second, 0) + 1e-6)
        return Normal(loc, torch.exp(second / 2))

    def standard(like):
        return type(like)(torch.zeros_like(like.loc), torch.ones_like(like.loc))

    def draw(q, eps):
        if not laplace:
            return q.loc + q.scale * eps
        below = Normal(0.0, 1.0).cdf(eps)  # the quantile of the noise
        return q.icdf(below)

    z_of, w_of = {}, {}
    for m in row.present:
        name = model.names[m]
        heads = model[name].encoder(row.batch.x[name][b : b + 1])[0]
        z_of[m], w_of[m] = family(heads[: 2 * dim]), family(heads[2 * dim :])
    total = 0.0
    for r in row.present:
        each = []
        for k in range(draws):
            noise = row.noise.normal[k, :, b]
            z, w = draw(z_of[r], noise[r, :dim]), draw(w_of[r], noise[r, dim:])
            mixture = sum(q.log_prob(z).sum().exp() for q in z_of.values()) / len(row.present)
            rate = mixture.log() - standard(z_of[r]).log_prob(z).sum()
            own = w_of[r].log_prob(w).sum() - standard(w_of[r]).log_prob(w).sum()
            lw = -h["beta"] * (rate + h["beta_private"] * own)
            for d in row.present:
                theta = model.modalities[d].auxiliary
                auxiliary = family(torch.cat([torch.zeros(width, dtype=theta.dtype), theta]))
                other = draw(auxiliary, noise[modalities + r * modalities + d, dim:])
                lw = lw - row.nll(d, torch.cat([z, w if d == r else other]))
            each.append(lw)
        if o["objective"] == "dreg":
            total = total - (torch.stack(each).exp().mean()).log() / len(row.present)
        else:
            total = total - sum(each) / draws / len(row.present)
    return total
