"""Variance explained against loops and against a linear model, where it is known."""

import math

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.evaluation.variance import variance_explained

LOADINGS = np.array([[2.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]])


def some(rows=60):
    generator = np.random.default_rng(3)
    z = generator.normal([0.5, 0.0, 3.0], size=(rows, 3))
    return z, z @ LOADINGS + [1.0, 2.0, 3.0, 4.0] + 0.3 * generator.normal(size=(rows, 4))


def decode(z):
    return np.tanh(z) @ LOADINGS + [1.0, 2.0, 3.0, 4.0]


def naive(x, y, seen):
    error = base = 0.0
    for j in range(x.shape[1]):
        column = [x[n, j] for n in range(len(x)) if seen[n, j]]
        mean = sum(column) / len(column)
        error += sum((x[n, j] - y[n, j]) ** 2 for n in range(len(x)) if seen[n, j])
        base += sum((v - mean) ** 2 for v in column)
    return 1 - error / base


def test_loops_give_the_same_with_holes():
    z, x = some()
    seen = np.random.default_rng(1).random(x.shape) < 0.7
    seen[:5] = False
    holes = np.where(seen, x, np.nan)
    latent = z.copy()
    latent[:5] = np.nan  # rows that have nothing have no latent either
    found = variance_explained(holes, decode, latent, seen)
    z, x, seen = z[5:], x[5:], seen[5:]
    rows = seen.any(1)
    z, x, seen = z[rows], x[rows], seen[rows]
    assert found.n_rows == len(z)
    assert found.total == pytest.approx(naive(x, decode(z), seen))
    centre = z.mean(0)
    assert found.at_mean == pytest.approx(naive(x, decode(np.array([centre] * len(z))), seen))
    for d in range(3):
        moved = np.array([[z[n, e] if e == d else centre[e] for e in range(3)] for n in range(len(z))])
        assert found.latent[d] == pytest.approx(naive(x, decode(moved), seen))


def test_a_linear_decoder_of_uncorrelated_latents_adds_up():
    z = np.array([[a, b, 1.0] for a in (-1.0, 1.0) for b in (-1.0, 1.0)])
    found = variance_explained(z @ LOADINGS, lambda z: z @ LOADINGS, z)
    assert found.total == pytest.approx(1)
    assert found.at_mean == pytest.approx(0)
    assert found.latent == pytest.approx([5 / 7, 2 / 7, 0])


def test_a_latent_that_the_decoder_ignores_has_what_the_mean_has():
    z, x = some()
    found = variance_explained(x, decode, z)
    assert found.latent[2] == found.at_mean
    assert found.latent[0] > found.at_mean + 0.1


def test_rows_and_images_can_be_masked_too():
    z, x = some()
    rows = np.arange(60) < 40
    by_rows = variance_explained(x, decode, z, rows)
    cut = variance_explained(x[:40], decode, z[:40])
    image = variance_explained(x.reshape(60, 2, 2), lambda z: decode(z).reshape(-1, 2, 2), z, rows)
    assert by_rows.total == pytest.approx(cut.total) == pytest.approx(image.total)
    assert image.latent == pytest.approx(cut.latent)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda z, x: variance_explained(x, decode, z[:3]), "rows differ"),
        (lambda z, x: variance_explained(x, decode, z[:, 0]), "one latent per row"),
        (lambda z, x: variance_explained(x, lambda z: decode(z)[:, :1], z), "one for each"),
        (lambda z, x: variance_explained(x, lambda z: decode(z) * math.nan, z), "NaN or infinite"),
        (lambda z, x: variance_explained(x * math.nan, decode, z), "truth has 240"),
        (lambda z, x: variance_explained(x, decode, z * math.nan), "z has 180"),
        (lambda z, x: variance_explained(x, decode, z, np.zeros(60, bool)), "selects no value"),
        (lambda z, x: variance_explained(x, decode, z, np.ones(60)), "mask is float64"),
        (lambda z, x: variance_explained(x * 0, decode, z), "nothing to explain"),
    ],
)
def test_each_bad_input_has_its_error(call, said):
    with pytest.raises(InputError, match=said):
        call(*some())
