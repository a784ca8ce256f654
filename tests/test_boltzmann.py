"""The Boltzmann machines among the baselines, against loops and against enumeration of every state."""

import itertools
import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from counterpoint.baselines import BASELINES
from counterpoint.baselines.base import FEWEST
from counterpoint.baselines.boltzmann import Machine, contrastive, mean_field, moments, sweep
from counterpoint.baselines.dbm import DeepBoltzmann
from counterpoint.baselines.rbm_mdl import RestrictedBoltzmann, some_of
from counterpoint.data import read
from counterpoint.errors import InputError
from counterpoint.seeds import derive

SMALL = {"hidden": 16, "joint": 32, "epochs": 60, "batch_size": 20, "learning_rate": 0.2}
MACHINES = {"rbm_mdl": RestrictedBoltzmann(**SMALL), "dbm": DeepBoltzmann(**SMALL, chains=50)}


def sigmoid(a: float) -> float:
    return 1 / (1 + math.exp(-a))


def planted(rows: int = 400, seed: int = 0, flips: float = 0.1) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Three kinds of rows, each with its own bits in both modalities, of which some are flipped."""
    kinds = np.random.default_rng(99).random((3, 22)) < 0.5
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    bits = (kinds[y] ^ (rng.random((rows, 22)) < flips)).astype(float)
    return {"a": bits[:, :12], "b": bits[:, 12:]}, y


def tiny(seed: int = 0, scale: float = 1.0) -> Machine:
    """A machine in float64 with 3 + 2 visible, 2 + 2 hidden and 2 joint units."""
    rng = np.random.default_rng(seed)
    made = Machine.random([3, 2], 2, 2, rng)
    fields = {k: [scale * rng.standard_normal(p.shape) for p in getattr(made, k)] for k in "wubc"}
    return Machine(**fields, d=scale * rng.standard_normal(2))


def minus_energy(machine: Machine, v: list, h: list, g: np.ndarray) -> float:
    """-E of one state, by loops."""
    total = sum(g[k] * machine.d[k] for k in range(len(g)))
    for m, (x, a) in enumerate(zip(v, h, strict=True)):
        for j in range(len(a)):
            total += a[j] * machine.c[m][j]
            total += sum(x[i] * machine.w[m][i, j] * a[j] for i in range(len(x)))
            total += sum(a[j] * machine.u[m][j, k] * g[k] for k in range(len(g)))
        total += sum(x[i] * machine.b[m][i] for i in range(len(x)))
    return total


def states(machine: Machine) -> tuple[np.ndarray, np.ndarray]:
    """Every state of visible and joint units (S, F + J), and log sum_h exp(-E) of it (S,)."""
    sizes = [len(b) for b in machine.b]
    every = np.array(list(itertools.product((0.0, 1.0), repeat=sum(sizes) + len(machine.d))))
    g = every[:, sum(sizes) :]
    log = g @ machine.d
    for m, x in enumerate(np.split(every[:, : sum(sizes)], np.cumsum(sizes)[:-1], 1)):
        log = log + x @ machine.b[m]
        log = log + np.logaddexp(0, x @ machine.w[m] + g @ machine.u[m].T + machine.c[m]).sum(1)
    return every, log


def log_likelihood(machine: Machine, x: list[np.ndarray]) -> float:
    """The mean of log p(v) over rows of bits, exactly."""
    every, log = states(machine)
    features = sum(len(b) for b in machine.b)
    codes = every[:, :features] @ 2 ** np.arange(features)
    by_row = np.full(2**features, -np.inf)
    np.logaddexp.at(by_row, codes.astype(int), log)
    rows = (np.concatenate(x, 1) @ 2 ** np.arange(features)).astype(int)
    return float((by_row - np.logaddexp.reduce(log))[rows].mean())


def bound(machine: Machine, v: list, h: list, g: np.ndarray, seen: list) -> float:
    """E_q[-E] + H(q) of one row."""
    free = [*h, g, *(x for x, s in zip(v, seen, strict=True) if not s)]
    entropy = -sum(p * math.log(p) + (1 - p) * math.log(1 - p) for part in free for p in part)
    return minus_energy(machine, v, h, g) + entropy


@pytest.mark.parametrize(("up", "down"), [(1.0, 1.0), (2.0, 1.0), (1.0, 2.0)])
def test_contrastive_divergence_equals_a_loop(up, down):
    made = np.random.default_rng(3)
    v, w = made.random((4, 3)), made.standard_normal((3, 2))
    b, c = made.standard_normal(3), made.standard_normal(2)
    found = contrastive(v, w, b, c, np.random.default_rng(7), steps=2, up=up, down=down)

    rng = np.random.default_rng(7)

    def hidden(x):
        return [[sigmoid(up * sum(r[i] * w[i, j] for i in range(3)) + c[j]) for j in range(2)] for r in x]

    first = end = hidden(v)
    for _ in range(2):
        bits = [[float(rng.random() < p) for p in row] for row in end]
        last = [
            [sigmoid(down * sum(r[j] * w[i, j] for j in range(2)) + b[i]) for i in range(3)] for r in bits
        ]
        end = hidden(last)
    dw = [
        [sum(v[n][i] * first[n][j] - last[n][i] * end[n][j] for n in range(4)) / 4 for j in range(2)]
        for i in range(3)
    ]
    db = [sum(v[n][i] - last[n][i] for n in range(4)) / 4 for i in range(3)]
    dc = [sum(first[n][j] - end[n][j] for n in range(4)) / 4 for j in range(2)]
    for one, other in zip(found, (dw, db, dc), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seen", [(True, True), (True, False), (False, True), (False, False)])
def test_mean_field_ends_at_a_fixed_point_and_never_lowers_the_bound(seen):
    machine = tiny()
    x = [np.array([[1.0, 0.0, 1.0]]), np.array([[0.0, 1.0]])]
    masks = [np.array([s]) for s in seen]
    bounds = []
    for steps in range(1, 30):
        v, h, g = mean_field(machine, x, masks, steps)
        bounds.append(bound(machine, [r[0] for r in v], [r[0] for r in h], g[0], list(seen)))
    assert (np.diff(bounds) > -1e-12).all()
    assert bounds[-1] > bounds[0] + 1e-5
    v, h, g = mean_field(machine, x, masks, 2_000)
    v, h, g = [r[0] for r in v], [r[0] for r in h], g[0]
    for k in range(2):
        total = sum(h[m][j] * machine.u[m][j, k] for m in range(2) for j in range(2))
        assert g[k] == pytest.approx(sigmoid(total + machine.d[k]), abs=1e-9)
    for m in range(2):
        for j in range(2):
            total = sum(v[m][i] * machine.w[m][i, j] for i in range(len(v[m])))
            total += sum(machine.u[m][j, k] * g[k] for k in range(2))
            assert h[m][j] == pytest.approx(sigmoid(total + machine.c[m][j]), abs=1e-9)
        for i in range(len(v[m])):
            total = sum(h[m][j] * machine.w[m][i, j] for j in range(2))
            wanted = x[m][0, i] if seen[m] else sigmoid(total + machine.b[m][i])
            assert v[m][i] == pytest.approx(wanted, abs=1e-9)
    if all(seen):
        assert bounds[-1] <= log_likelihood(machine, x) + np.logaddexp.reduce(states(machine)[1])


def test_what_is_not_seen_does_not_matter_and_rows_are_alone():
    machine = tiny()
    x = [np.random.default_rng(0).random((4, 3)), np.random.default_rng(1).random((4, 2))]
    seen = [np.array([True, True, False, True]), np.array([True, False, True, True])]
    other = [np.where(s[:, None], v, 7.0) for v, s in zip(x, seen, strict=True)]
    whole = mean_field(machine, x, seen, 5)
    np.testing.assert_array_equal(mean_field(machine, other, seen, 5)[2], whole[2])
    one = mean_field(machine, [v[1:2] for v in x], [s[1:2] for s in seen], 5)
    np.testing.assert_allclose(one[2][0], whole[2][1], rtol=1e-12)


def test_sweeps_reach_the_distribution_that_enumeration_gives():
    machine, rng, chains = tiny(scale=0.7), np.random.default_rng(0), 4_000
    every, log = states(machine)
    wanted = np.exp(log - np.logaddexp.reduce(log)) @ every
    v, g = [np.zeros((chains, 3)), np.zeros((chains, 2))], np.zeros((chains, 2))
    for _ in range(60):
        v, _, g = sweep(machine, v, g, rng)
    found = np.concatenate([*v, g], 1).mean(0)
    assert np.abs(found - wanted).max() < 4.5 * 0.5 / math.sqrt(chains)
    assert np.abs(wanted - 0.5).max() > 0.1  # or anything near one half would have passed


def test_moments_are_the_derivatives_of_the_energy():
    machine, rng = tiny(), np.random.default_rng(1)
    v, h, g = (
        [rng.random((3, 3)), rng.random((3, 2))],
        [rng.random((3, 2)) for _ in range(2)],
        rng.random((3, 2)),
    )

    def mean() -> float:
        return sum(minus_energy(machine, [x[n] for x in v], [a[n] for a in h], g[n]) for n in range(3)) / 3

    for parameter, found in zip(machine.parameters, moments(v, h, g), strict=True):
        assert parameter.shape == found.shape
        for place in np.ndindex(parameter.shape):
            before = mean()
            parameter[place] += 1.0  # -E is linear in each parameter
            assert mean() - before == pytest.approx(found[place], abs=1e-9)
            parameter[place] -= 1.0


def correlated(rows: int, seed: int) -> dict[str, np.ndarray]:
    """One coin for all five bits, each flipped in a tenth of the rows."""
    rng = np.random.default_rng(seed)
    bits = ((rng.random((rows, 1)) < 0.5) ^ (rng.random((rows, 5)) < 0.1)).astype(float)
    return {"a": bits[:, :3], "b": bits[:, 3:]}


def test_training_raises_the_exact_log_likelihood():
    """By most of what there is to learn beyond independent bits, the more with all layers together."""
    data, held = correlated(500, 0), list(correlated(2_000, 1).values())
    options = {"hidden": 3, "joint": 3, "epochs": 30, "batch_size": 20, "learning_rate": 0.2}
    layers = DeepBoltzmann(**options, joint_epochs=0).fit(data)
    together = DeepBoltzmann(**options, joint_epochs=60, joint_rate=0.05).fit(data)
    untrained = Machine.random([3, 2], 3, 3, np.random.default_rng(0))
    independent = -5 * math.log(2)  # every bit alone is a fair coin
    best = []
    for row in np.concatenate(held, 1):
        ones = row.sum()
        best.append(math.log(0.5 * (0.9**ones * 0.1 ** (5 - ones) + 0.1**ones * 0.9 ** (5 - ones))))
    reached = [log_likelihood(m, held) for m in (untrained, layers.machine, together.machine)]
    assert reached[0] == pytest.approx(independent, abs=0.01)
    assert reached[1] > independent + 0.2
    assert reached[2] > reached[1]
    assert reached[2] > independent + 0.8 * (np.mean(best) - independent)
    assert reached[2] < np.mean(best) + 0.01


@pytest.mark.parametrize("shared", [False, True])
def test_scikit_learns_machine_is_trained_as_a_loop_would(shared):
    """Persistent chains that start at hidden units of 0, whole batches in a new order every epoch; what of a
    row is not kept stands at 0."""
    x = np.random.default_rng(5).random((7, 4))
    here = np.array([[True, n != 2] for n in range(7)]) if shared else None
    found = RestrictedBoltzmann(epochs=2, batch_size=3, learning_rate=0.2, seed=4)._train(x, 2, here, "a")

    seed = derive(4, "rbm_mdl", "a")
    order, rng = np.random.default_rng(seed), np.random.RandomState(seed % 2**32)
    w, b, c = rng.normal(0, 0.01, (2, 4)), np.zeros(4), np.zeros(2)
    chains = np.zeros((3, 2))

    def hidden(v):
        return [sigmoid(sum(w[j, i] * v[i] for i in range(4)) + c[j]) for j in range(2)]

    for _ in range(2):
        rows, read_ = order.permutation(7), x.copy()
        if here is not None:
            kept = some_of(here, order)
            assert not kept.all()
            for n in range(7):
                for i in range(4):
                    read_[n, i] = x[n, i] if kept[n, i // 2] else 0.0  # two columns a modality
        for batch in (rows[:3], rows[3:6]):
            p = [[sigmoid(sum(w[j, i] * z[j] for j in range(2)) + b[i]) for i in range(4)] for z in chains]
            dreams = [[float(rng.uniform() < q) for q in row] for row in p]
            good, bad = [hidden(read_[n]) for n in batch], [hidden(v) for v in dreams]
            new = w.copy(), b.copy(), c.copy()
            for n in range(3):
                row = read_[batch[n]]
                for j in range(2):
                    new[2][j] += 0.2 / 3 * (good[n][j] - bad[n][j])
                    for i in range(4):
                        new[0][j, i] += 0.2 / 3 * (good[n][j] * row[i] - bad[n][j] * dreams[n][i])
                for i in range(4):
                    new[1][i] += 0.2 / 3 * (row[i] - dreams[n][i])
            w, b, c = new
            chains = np.array([[float(rng.uniform() < q) for q in row] for row in bad])
    np.testing.assert_allclose(found.components_, w, rtol=1e-10)
    np.testing.assert_allclose(found.intercept_visible_, b, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.intercept_hidden_, c, rtol=1e-10, atol=1e-12)


def test_the_layers_of_the_deep_machine_are_trained_one_on_the_other():
    """Doubled upwards in the lower ones, downwards in the joint one; between them the mean of the biases."""
    data = planted(40)[0]
    data["b"][:4] = np.nan
    options = {"hidden": 3, "joint": 2, "epochs": 2, "batch_size": 5, "learning_rate": 0.3, "steps": 2}
    found = DeepBoltzmann(**options, joint_epochs=0, seed=6).fit(data).machine

    def train(x, w, b, c, rng, **doubled):
        b += np.log(np.clip(x.mean(0), 0.01, 0.99) / (1 - np.clip(x.mean(0), 0.01, 0.99)))
        done, total = 0, 2 * math.ceil(len(x) / 5)
        for _ in range(2):
            for rows in np.array_split(rng.permutation(len(x)), total // 2):
                step = contrastive(x[rows], w, b, c, rng, steps=2, **doubled)
                for parameter, change in zip((w, b, c), step, strict=True):
                    parameter += 0.3 * (1 - done / total) * change
                done += 1

    rng = np.random.default_rng(derive(6, "dbm", "weights"))
    w = [(0.01 * rng.standard_normal((n, 3))).astype(np.float32).astype(float) for n in (12, 10)]
    u = np.concatenate([(0.01 * rng.standard_normal((3, 2))).astype(np.float32) for _ in range(2)]) * 1.0
    b, c, above, d = [np.zeros(12), np.zeros(10)], [np.zeros(3), np.zeros(3)], np.zeros(6), np.zeros(2)
    for m, (name, first) in enumerate((("a", 0), ("b", 4))):
        train(
            data[name][first:],
            w[m],
            b[m],
            c[m],
            np.random.default_rng(derive(6, "dbm", "layer", name)),
            up=2.0,
        )
    h = [1 / (1 + np.exp(-2 * data[k][4:] @ w[m] - c[m])) for m, k in enumerate("ab")]
    joint = np.random.default_rng(derive(6, "dbm", "joint layer"))
    u = u.astype(float)
    train(np.concatenate(h, 1), u, above, d, joint, down=2.0)
    wanted = [*w, u[:3], u[3:], *b, (c[0] + above[:3]) / 2, (c[1] + above[3:]) / 2, d]
    for one, other in zip(found.parameters, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_evidence_decides_where_what_is_missing_could_be_one_or_the_other():
    """Eight units that hold one another at all 0 or all 1: they must not stay where nothing was known."""
    w, u = [np.full((8, 1), 10.0)] * 2, [np.full((1, 1), 60.0)] * 2
    machine = Machine(w, u, [np.full(8, -5.0)] * 2, [np.full(1, -70.0)] * 2, np.full(1, -60.0))
    x = [np.full((2, 8), 0.5), np.repeat([[0.0], [1.0]], 8, 1)]
    v = mean_field(machine, x, [np.zeros(2, bool), np.ones(2, bool)], 10)[0]
    assert v[0][0].max() < 0.4
    assert v[0][1].min() > 0.6


def test_every_non_empty_set_of_what_is_there_is_kept_as_often():
    rng = np.random.default_rng(0)
    here = np.tile([[True, True, True], [True, False, True]], (7_000, 1))
    kept = some_of(here, rng)
    assert not (kept & ~here).any()
    full = kept[::2] @ [1, 2, 4]
    assert np.abs(np.bincount(full, minlength=8)[1:] - 1_000).max() < 4.5 * math.sqrt(1_000)
    assert not (full == 0).any()
    part = np.bincount(kept[1::2] @ [1, 2, 4], minlength=8)
    assert (part[[1, 4, 5]] > 2_000).all()


@pytest.fixture(scope="module", params=list(MACHINES))
def fitted(request):
    return MACHINES[request.param].fit(planted()[0])


@pytest.mark.parametrize("given", [["a"], ["b"], ["a", "b"]])
def test_what_one_modality_says_carries_the_label(fitted, given):
    """The joint layer of new rows tells the three kinds; after the labels are shuffled it does not."""
    (train, y), (test, wanted) = planted(), planted(seed=1)
    probe = LogisticRegression(max_iter=500).fit(fitted.embed(train, given), y)
    assert probe.score(fitted.embed(test, given), wanted) > 0.85
    mixed = np.random.default_rng(0).permutation(y)
    control = LogisticRegression(max_iter=500).fit(fitted.embed(train, given), mixed)
    assert control.score(fitted.embed(test, given), np.random.default_rng(1).permutation(wanted)) < 0.45


def test_only_what_is_given_is_read_and_rows_that_lack_it_are_nan(fitted):
    data = planted(20, seed=2)[0]
    wanted = fitted.embed(data, ["a"])
    assert wanted.shape == (20, 32)
    assert ((wanted > 0) & (wanted < 1)).all()
    np.testing.assert_allclose(fitted.embed({"a": data["a"]}, ["a"]), wanted, rtol=1e-5)
    np.testing.assert_allclose(fitted.embed({**data, "b": 1 - data["b"]}, ["a"]), wanted, rtol=1e-5)
    holes = data["a"].copy()
    holes[3], holes[7, 2] = np.nan, np.nan
    found = fitted.embed({"a": holes, "b": data["b"]}, ["a"])
    assert np.isnan(found[[3, 7]]).all()
    np.testing.assert_allclose(np.delete(found, [3, 7], 0), np.delete(wanted, [3, 7], 0), rtol=1e-5)
    both = fitted.embed({"a": holes, "b": data["b"]})
    assert np.flatnonzero(np.isnan(both).all(1)).tolist() == [3, 7]


@pytest.mark.parametrize("name", MACHINES)
def test_the_seed_decides_everything_and_no_global_state_is_touched(name):
    data = planted(60)[0]

    def made(seed: int) -> np.ndarray:
        options = {"hidden": 4, "joint": 3, "epochs": 2, "batch_size": 8, "seed": seed}
        return type(MACHINES[name])(**options).fit(data).embed(data, ["a"])

    np.random.seed(5)
    wanted = np.random.RandomState(5).random()
    first = made(0)
    assert np.random.random() == wanted
    np.testing.assert_array_equal(made(0), first)
    assert np.abs(made(1) - first).max() > 1e-4


@pytest.mark.parametrize("name", MACHINES)
def test_incomplete_rows_are_learned_from_and_never_filled(name):
    """A row that has nothing is as if it were not there; one that has one modality counts."""
    data = planted(90)[0]
    data["b"][:30] = np.nan
    data["a"][60:70] = np.nan
    data["a"][:10] = np.nan  # these ten have nothing
    options = {"hidden": 4, "joint": 3, "epochs": 2, "batch_size": 8}
    model = type(MACHINES[name])(**options).fit(data)
    assert (model.rows_used, model.rows_left_out) == (80, 10)
    assert model.dimensions == {"a": 12, "b": 10}
    less = type(MACHINES[name])(**options).fit({k: v[10:] for k, v in data.items()})
    np.testing.assert_array_equal(model.embed(data, ["b"]), less.embed(data, ["b"]))
    half = {k: np.where(np.isnan(v).any(1, keepdims=True), np.nan, v)[30:] for k, v in data.items()}
    assert (
        np.abs(type(MACHINES[name])(**options).fit(half).embed(data, ["b"]) - model.embed(data, ["b"]))[
            70:
        ].max()
        > 1e-5
    )


def test_three_modalities():
    data, y = planted()
    test, wanted = planted(seed=1)
    data = {"a": data["a"][:, :6], "b": data["b"], "c": data["a"][:, 6:]}
    for model, least in zip(MACHINES.values(), (0.55, 0.85), strict=True):  # a third by chance
        made = type(model)(**SMALL, observed=["c", "a"]).fit(data)
        assert made.names == ("a", "b", "c")
        probe = LogisticRegression(max_iter=500).fit(made.embed(data), y)
        held = {"a": test["a"][:, :6], "c": test["a"][:, 6:]}
        assert probe.score(made.embed(held), wanted) > least


def test_the_missing_modality_is_told_better_than_by_the_mean():
    train, test = planted()[0], planted(seed=1)[0]
    model = MACHINES["dbm"].fit(train)
    made = model.translate({"a": test["a"]}, ["a"], "b")
    assert made.shape == (400, 10)
    mean = ((test["b"] - train["b"].mean(0)) ** 2).mean()
    assert ((made - test["b"]) ** 2).mean() < 0.7 * mean
    order = np.random.default_rng(0).permutation(400)
    assert ((made - test["b"][order]) ** 2).mean() > mean


def test_translations_are_in_the_units_of_the_data():
    """Pictures in bytes, tables in their own numbers, categories as codes; NaN if a row lacks the given."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 200)
    data = {
        "picture": (kind[:, None, None] * np.full((200, 4, 4), 255)).astype(np.uint8),
        "table": np.stack([np.where(kind, 50.0, -10.0), np.where(kind, 3.0, 4.0)], 1),
        "word": np.where(kind, "yes", "no"),
    }
    model = DeepBoltzmann(hidden=8, joint=8, epochs=40, batch_size=10, learning_rate=0.5).fit(data)
    assert model.dimensions == {"picture": 16, "table": 2, "word": 2}
    picture = model.translate(data, ["table"], "picture")
    assert picture.shape == (200, 4, 4)
    assert np.abs(picture - data["picture"]).mean() < 40
    table = model.translate(data, ["word"], "table")
    assert ((table[:, 0] > 20) == (kind == 1)).all()
    assert (table.min(0) >= [-10, 3]).all()
    assert (table.max(0) <= [50, 4]).all()
    word = model.translate(data, ["picture"], "word").ravel()
    assert (word == read(data).x["word"].ravel()).all()
    data["table"][5] = np.nan
    assert np.isnan(model.translate(data, ["table"], "picture")[5]).all()
    assert np.isnan(model.translate(data, ["table"], "word")[5]).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": 0}, "hidden is 0"),
        ({"joint": 1.5}, "joint is 1.5"),
        ({"epochs": -1}, "epochs is -1"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"batch_size": "all"}, "batch_size is 'all'"),
        ({"seed": -1}, "seed is -1"),
        ({"observed": "a"}, "observed is 'a'"),
        ({"observed": ["a", "a"]}, "twice"),
    ],
)
@pytest.mark.parametrize("name", MACHINES)
def test_bad_options(name, options, said):
    with pytest.raises(InputError, match=said):
        type(MACHINES[name])(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"joint_epochs": -1}, "joint_epochs is -1"),
        ({"joint_rate": float("nan")}, "joint_rate is nan"),
        ({"steps": 0}, "steps is 0"),
        ({"chains": 0}, "chains is 0"),
        ({"inference": 0}, "inference is 0"),
    ],
)
def test_bad_options_of_the_deep_machine(options, said):
    with pytest.raises(InputError, match=said):
        DeepBoltzmann(**options)


@pytest.mark.parametrize("name", MACHINES)
def test_bad_data_and_questions(name):
    kind = type(MACHINES[name])
    data = planted(30)[0]
    with pytest.raises(InputError, match="2 or more"):
        kind().fit({"a": data["a"]})
    with pytest.raises(InputError, match="observed"):
        kind(observed=["c"]).fit(data)
    apart = {"a": data["a"].copy(), "b": data["b"].copy()}
    apart["a"][FEWEST - 1 :] = np.nan
    with pytest.raises(InputError, match=f"{FEWEST - 1} of 30 training rows"):
        kind().fit(apart)
    with pytest.raises(InputError, match="not fitted"):
        kind().embed(data)
    model = kind(hidden=3, joint=2, epochs=1).fit(data)
    with pytest.raises(InputError, match="given is 'c'"):
        model.embed(data, ["a", "c"])
    with pytest.raises(InputError, match="lack 'b'"):
        model.embed({"a": data["a"]})


def test_bad_targets():
    data = planted(30)[0]
    with pytest.raises(InputError, match="not fitted"):
        DeepBoltzmann().translate(data, ["a"], "b")
    model = DeepBoltzmann(hidden=3, joint=2, epochs=1, joint_epochs=0).fit(data)
    with pytest.raises(InputError, match="target is 'c'"):
        model.translate(data, ["a"], "c")


def test_they_are_listed():
    assert BASELINES["rbm_mdl"] is RestrictedBoltzmann
    assert BASELINES["dbm"] is DeepBoltzmann
