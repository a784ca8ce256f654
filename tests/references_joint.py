"""Naive restatements of the methods with other joint posteriors or priors; see test_references.py."""

from itertools import combinations
from math import prod

import torch
from torch.distributions import Normal, kl_divergence

import toy

ZERO, ONE = torch.zeros(toy.D, dtype=toy.DTYPE), torch.ones(toy.D, dtype=toy.DTYPE)
STANDARD = Normal(ZERO, ONE)


def geometric(parts, weights):
    """The normalised product of densities to powers."""
    precision = sum(w / p.scale**2 for p, w in zip(parts, weights, strict=True))
    loc = sum(w * p.loc / p.scale**2 for p, w in zip(parts, weights, strict=True)) / precision
    return Normal(loc, precision**-0.5)


def at(row, o, experts):
    """Which of so many experts the row decodes, where all weigh the same; position in the batch decides."""
    if o["draw"] == "one":
        return int(row.uniform() * experts[1])
    rows = row.batch.rows
    run = rows // experts[0]
    index = min(row.b // run, experts[0] - 1) if run else row.b % experts[0]
    return int((index + 0.5) / experts[0] * experts[1])


def decoded(row, o, held, experts):
    """The distortion: of all experts, evenly, or of one; held are (position among all, distribution)."""
    total = 0.0
    for k in range(o["draws"]):
        if o["draw"] == "all":
            for e, q in held:
                total = total + row.all_nll(q.loc + q.scale * row.eps(k, e)) / len(held) / o["draws"]
        else:
            _, q = held[at(row, o, (experts, len(held)))]
            total = total + row.all_nll(q.loc + q.scale * row.eps(k, 0)) / o["draws"]
    return total


def reference_mmjsd(row, o, h):
    parts = [*row.q.values(), STANDARD]
    share = 1 / len(parts)
    f = geometric(parts, [share] * len(parts))
    total = h["beta"] * share * sum(kl_divergence(q, f).sum() for q in parts)
    modalities = len(row.model.names)
    held = [(m, row.q[m]) for m in row.present]
    if o["prior_drawn"]:
        return total + decoded(row, o, [*held, (modalities, STANDARD)], modalities + 1)
    return total + decoded(row, o, held, modalities)


def reference_mvtcae(row, o, h):
    count, alpha = len(row.present), h["alpha"]
    q = geometric(list(row.q.values()), [1] * count)
    total = (1 - alpha) * kl_divergence(q, STANDARD).sum()
    total = h["beta"] * (total + alpha / count * sum(kl_divergence(q, p).sum() for p in row.q.values()))
    for k in range(o["draws"]):
        z = q.loc + q.scale * row.eps(k, 0)
        total = total + (count - alpha) / count * row.all_nll(z) / o["draws"]
    return total


def observed_subsets(row):
    """All non-empty subsets of the modalities, with their positions, that the row has whole."""
    modalities = range(len(row.model.names))
    every = [s for size in range(1, len(modalities) + 1) for s in combinations(modalities, size)]
    return [(e, s) for e, s in enumerate(every) if set(s) <= set(row.present)], len(every)


def mixture_over_subsets(row, o, h, fuse):
    subsets, experts = observed_subsets(row)
    if o["subsets"] == "full":
        subsets, experts = [(0, tuple(row.present))], 1
    held = [(e, fuse([row.q[m] for m in s])) for e, s in subsets]
    rate = sum(kl_divergence(q, STANDARD).sum() for _, q in held) / len(held)
    return decoded(row, o, held, experts) + h["beta"] * rate


def reference_code(row, o, h):
    return mixture_over_subsets(row, o, h, lambda parts: consensus(parts, o["rho"]))


def consensus(parts, rho):
    """Least squares with the errors' covariance, written out and inverted, one dimension at a time."""
    locs, scales = [], []
    for d in range(parts[0].loc.shape[0]):
        s = torch.stack([p.scale[d] for p in parts])
        correlation = torch.full((len(parts), len(parts)), rho, dtype=s.dtype)
        correlation.fill_diagonal_(1.0)
        inverse = torch.linalg.inv(torch.diag(s) @ correlation @ torch.diag(s))
        precision = inverse.sum()
        locs.append((inverse @ torch.stack([p.loc[d] for p in parts])).sum() / precision)
        scales.append(precision**-0.5)
    return Normal(torch.stack(locs), torch.stack(scales))


def reference_barycentre(row, o, h):
    def mean(parts):
        return Normal(sum(p.loc for p in parts) / len(parts), sum(p.scale for p in parts) / len(parts))

    return mixture_over_subsets(row, o, h, mean)


def reference_hellinger(row, o, h):
    q = hellinger(list(row.q.values()), o["affinity"])
    total = h["beta"] * kl_divergence(q, STANDARD).sum()
    for k in range(o["draws"]):
        total = total + row.all_nll(q.loc + q.scale * row.eps(k, 0)) / o["draws"]
    return total


def hellinger(parts, affinity):
    """Moments by the trapezium rule on a grid, for a pool of 1-D densities; or of all dimensions together."""
    reach = max(float((p.loc.detach().abs() + 12 * p.scale.detach()).max()) for p in parts)
    z = torch.linspace(-reach, reach, 40_001, dtype=toy.DTYPE)
    step = z[1] - z[0]
    roots = [[(Normal(p.loc[d], p.scale[d]).log_prob(z) / 2).exp() for p in parts] for d in range(toy.D)]
    pairs = [(m, n) for m in range(len(parts)) for n in range(len(parts))]
    means, spreads = [], []
    for d in range(toy.D):
        # The other dimensions are integrated out: each pair keeps its product of their affinities.
        others = [e for e in range(toy.D) if e != d and affinity == "joint"]
        density = sum(
            roots[d][m] * roots[d][n] * prod([(roots[e][m] * roots[e][n]).sum() * step for e in others])
            for m, n in pairs
        )
        density = density / density.sum()
        means.append((density * z).sum())
        spreads.append((density * (z - means[-1]) ** 2).sum() ** 0.5)
    return Normal(torch.stack(means), torch.stack(spreads))


REFERENCES = {
    "barycentre": reference_barycentre,
    "code": reference_code,
    "hellinger": reference_hellinger,
    "mmjsd": reference_mmjsd,
    "mvtcae": reference_mvtcae,
}
