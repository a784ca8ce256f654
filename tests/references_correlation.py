"""Naive restatements of the losses that compare rows with one another; see test_references.py."""

from itertools import combinations, permutations

import numpy as np
import torch

import toy


def root(s):
    """The symmetric inverse root."""
    values, vectors = np.linalg.eigh(s)
    return vectors @ np.diag(values**-0.5) @ vectors.T


def correlations(a, b, r):
    """The canonical correlations of rows (n, D) and (n, D), regularised by r."""
    a, b = a - a.mean(0), b - b.mean(0)
    n, eye = len(a), np.eye(a.shape[1])
    t = root(a.T @ a / (n - 1) + r * eye) @ (a.T @ b / (n - 1)) @ root(b.T @ b / (n - 1) + r * eye)
    return np.linalg.svd(t, compute_uv=False)


def present(row, m, b):
    return bool(row.batch.mask[row.model.names[m]][b].any())


def output(row, m, b):
    name = row.model.names[m]
    return row.model[name].encoder(row.batch.x[name][b : b + 1])[0].detach().numpy()


def share(row, of_pair, pairs):
    """The row's part of the mean over pairs, and over the rows that a pair has."""
    total = 0.0
    for pair in pairs:
        values = of_pair(*pair)  # row -> its value
        if row.b in values:
            total += values[row.b] * row.batch.rows / len(values) / len(pairs)
    return total


def correlated(row, o):
    modalities = range(len(row.model.names))

    def of_pair(a, b):
        both = [i for i in range(row.batch.rows) if present(row, a, i) and present(row, b, i)]
        if len(both) < 2:
            return dict.fromkeys(both, 0.0)
        found = correlations(
            *(np.stack([output(row, m, i) for i in both]) for m in (a, b)), o["regularisation"]
        )
        return dict.fromkeys(both, (found**2 if o["objective"] == "squared" else found).sum())

    return share(row, of_pair, list(combinations(modalities, 2)))


def reference_dcca(row, o, h):
    return torch.tensor(-correlated(row, o), dtype=toy.DTYPE)


def reference_dccae(row, o, h):
    return -correlated(row, o) + h["weight"] * sum(row.nll(m, row.q[m]) for m in row.present)


def reference_mvcl(row, o, h):
    def of_pair(a, b):
        values = {}
        for i in range(row.batch.rows):
            others = [j for j in range(row.batch.rows) if j != i and present(row, b, j)]
            if not (present(row, a, i) and present(row, b, i) and others):
                continue
            j = others[int(float(row.noise.uniform[0, i]) * len(others))]
            own, near, far = output(row, a, i), output(row, b, i), output(row, b, j)
            values[i] = max(0.0, h["margin"] + ((own - near) ** 2).sum() - ((own - far) ** 2).sum())
        return values

    found = share(row, of_pair, list(permutations(range(len(row.model.names)), 2)))
    return torch.tensor(found, dtype=toy.DTYPE)


REFERENCES = {"dcca": reference_dcca, "dccae": reference_dccae, "mvcl": reference_mvcl}
