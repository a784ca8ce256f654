"""Collapse between what is known given some modalities and given everything, against loops over rows."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Laplace, Normal, kl_divergence

import counterpoint as cp
from counterpoint.batch import Batch
from counterpoint.data import read
from counterpoint.measures.asked import Asked, rows_of
from counterpoint.measures.collapse import collapse
from counterpoint.protocol import task
from counterpoint.report.details import detail_tables
from counterpoint.report.latents import latents
from counterpoint.report.records import Record
from counterpoint.targets import with_target
from test_targets import labelled, quick

PAIRS = ("p_q", "p_standard", "q_standard")


def asked(method: str, with_label: bool = True, **options) -> Asked:
    train, test = (read(labelled(s)[0], labels={"diet": labelled(s)[1]}) for s in (0, 1))
    given = {} if with_label else {"target": None}
    model = quick(method, options=options or None).set_params(epochs=40, **given).fit(train)
    return Asked(model, task(train, test, "diet"))


def single(batch: Batch, row: int) -> Batch:
    return rows_of(batch, np.array([row]))


def moments(parts, weight) -> Normal:
    """The normal with the mean and the variance of a mixture of one row's experts, by two sums."""
    mean = sum(w * p.mean for w, p in zip(weight, parts, strict=True))
    square = sum(w * (p.variance + p.mean**2) for w, p in zip(weight, parts, strict=True))
    return Normal(mean, (square - mean**2).sqrt())


def joint(model, batch: Batch) -> Normal:
    mixture = model.posterior(batch).mixture
    family = Normal if model.method.posterior.__name__ == "DiagNormal" else Laplace
    parts = [
        family(mixture.components.loc[e, 0], mixture.components.scale[e, 0])
        for e in range(len(mixture.weight))
    ]
    return moments(parts, mixture.weight[:, 0])


def share(kls, epsilon):
    """Of the dimensions, those that 99 % of the rows hold at most epsilon."""
    kl = torch.stack(kls).detach()
    kept = [int((kl[:, d] > epsilon).sum()) <= 0.01 * len(kl) for d in range(kl.shape[1])]
    return sum(kept) / len(kept)


def restated(on: Asked, given: tuple[str, ...], q_of, p_of, standard: Normal, rows) -> dict[str, list]:
    found: dict[str, list] = {pair: [] for pair in PAIRS}
    for row in rows:
        p, q = p_of(row), q_of(row)
        found["p_q"].append(kl_divergence(p, q))
        found["p_standard"].append(kl_divergence(p, standard))
        found["q_standard"].append(kl_divergence(q, standard))
    return found


def assert_same(cell, epsilon, kls, pairs=PAIRS):
    assert set(cell) == {"given", "rows", *pairs}
    for pair in pairs:
        assert cell[pair]["share"] == [share(kls[pair], e) for e in epsilon], pair
        assert cell[pair]["collapsed"] / len(kls[pair][0]) == share(kls[pair], 0.01), pair


def as_float64(on: Asked) -> Asked:
    on.estimator.model_.double()
    return on


@cache
def by_cmmd(observed):
    return as_float64(asked("cmmd", observed=observed, kl_weight=0.9))


@pytest.mark.parametrize(
    ("observed", "sets"),
    [(("a",), [("a",)]), (None, [("a",), ("b",), ("a", "b")]), (("a", "b"), [("a", "b")])],
)
def test_cmmd_is_compared_with_what_recognises_the_true_label(observed, sets):
    on = by_cmmd(observed)
    model = on.model
    whole = on.batch(with_target(on.on.test, "diet"))
    told = collapse(on).detail["pairs"]
    assert [tuple(cell["given"]) for cell in told["sets"]] == sets
    assert not told["moments"]
    assert told["prior_scale"] == [1, 1]
    assert "why_not" not in told
    trunks = dict(zip(model.names, model.joint.trunks, strict=True))

    def q_of(row):
        here = single(whole, row)
        features = sum(
            trunks[n](model[n].likelihood.encode(here.x[n], here.mask[n]))[0]
            for n in model.names
            if bool(here.mask[n].any())
        )
        loc, log_variance = model.joint.head(torch.relu(features)).chunk(2)
        return Normal(loc, torch.exp(log_variance / 2))

    for cell, given in zip(told["sets"], sets, strict=True):
        there = [r for r in range(len(on.on.test)) if all(on.there[n][r] for n in given)]
        assert cell["rows"] == len(there)
        kls = restated(
            on, given, q_of, lambda row, g=given: joint(model, single(on.test, row).given(g)),
            Normal(0.0, 1.0), there,
        )  # fmt: skip
        assert_same(cell, told["epsilon"], kls)
    said = {pair: cell[pair]["share"] for pair in PAIRS for cell in told["sets"][:1]}
    assert len(set(map(tuple, said.values()))) == 3, "the three are not told apart"


def test_another_label_is_another_curve_and_an_unknown_one_is_left_out():
    on = by_cmmd(None)
    values = np.asarray(on.on.test.labels["diet"])
    curves = []
    for label in (values, np.full_like(values, 7), np.full_like(values, 99), np.full_like(values, -1)):
        test = read(labelled(1)[0], labels={"diet": label})
        again = Asked(on.estimator, task(on.on.train, on.on.test, "diet"))
        object.__setattr__(again.on, "test", test)
        curves.append(collapse(again).detail["pairs"]["sets"])
    whole = [c[-1] for c in curves]
    assert whole[0] != whole[1]
    assert [tuple(c["given"]) for c in curves[2]] == [("a",), ("b",)], "without labels q reads what p reads"
    assert curves[2] == curves[3]


JOINT = ["poe", "mvae", "mopoe", "moe", "mmvae", "jmvae", "vcca"]


QUICK = ("mopoe", "mmvae", "vcca")  # a mixture, Laplace experts, one that conditions; the others take long
BY_MOMENTS = [
    *(pytest.param(n, True, marks=() if n in QUICK else pytest.mark.slow) for n in JOINT),
    ("mvae", False),
]


@pytest.mark.parametrize(("method", "with_label"), BY_MOMENTS)
def test_joint_posteriors_are_compared_by_their_moments(method, with_label):
    on = as_float64(asked(method, with_label))
    model = on.model
    told = collapse(on).detail["pairs"]
    laplace = method == "mmvae"
    assert told["moments"] == (method in ("moe", "mopoe", "mmvae"))
    unit = 2**0.5 if laplace else 1.0
    assert told["prior_scale"] == pytest.approx([unit, unit])
    assert [tuple(cell["given"]) for cell in told["sets"]] == [("a",), ("b",)]
    both = [r for r in range(len(on.on.test)) if on.there["a"][r] and on.there["b"][r]]
    for cell in told["sets"]:
        given = tuple(cell["given"])
        assert cell["rows"] == len(both)
        kls = restated(
            on, given, lambda row: joint(model, single(on.test, row).given(("a", "b"))),
            lambda row, g=given: joint(model, single(on.test, row).given(g)),
            Normal(0.0, unit), both,
        )  # fmt: skip
        assert_same(cell, told["epsilon"], kls)


def test_one_that_reads_one_modality_alone_has_one_curve():
    on = as_float64(asked("vcca", observed=("a",)))
    told = collapse(on).detail["pairs"]
    (cell,) = told["sets"]
    assert cell["given"] == ["a"]
    assert cell["rows"] == int(on.there["a"].sum())
    there = np.flatnonzero(on.there["a"])

    def p_of(row):
        return joint(on.model, single(on.test, row))

    assert_same(
        cell, told["epsilon"], restated(on, ("a",), p_of, p_of, Normal(0.0, 1.0), there), ("p_standard",)
    )


def test_separate_latents_have_none_and_the_headline_stays():
    section = collapse(asked("mmvm"))
    assert "a latent for every modality" in section.detail["pairs"]["why_not"]
    assert set(section.summary) == {"collapsed"}
    assert set(section.detail) == {"modalities", "against", "pairs", "private", "variance"}
    assert section.detail["private"] == section.detail["variance"] == {}
    assert set(section.detail["modalities"]) == {"a", "b"}
    assert section.detail["against"] == "moments of the aggregated posterior"


def test_several_labels_are_read_by_what_recognises():
    (x, y), (x_test, y_test) = labelled(0), labelled(1)
    train, test = (
        read(rows, labels={"kind": label, "diet": np.stack([label == 3, label > 3], 1).astype(float)})
        for rows, label in ((x, y), (x_test, y_test))
    )
    model = quick("cmmd").set_params(epochs=3).fit(train)
    found = collapse(Asked(model, task(train, test, "kind"))).detail["pairs"]
    assert [cell["rows"] for cell in found["sets"]] == [108, 108, 96]
    assert isinstance(model, cp.Counterpoint)


@pytest.mark.parametrize(("method", "laplace"), [("vcca", False), ("mopoe", False), ("mmvae_plus", True)])
def test_private_latents_have_curves_of_their_own(method, laplace):
    """Of q(w_m | x_m), the last columns of an encoder's heads, against the standard one of its family."""
    on = as_float64(asked(method, private_dim=3))
    with torch.no_grad():  # so little was learned that all would be within any epsilon
        for name, factor in (("a", 8.0), ("b", 12.0)):
            last = [m for m in on.model[name].encoder.modules() if isinstance(m, torch.nn.Linear)][-1]
            last.weight[-6:-3] *= factor
    told = collapse(on).detail["private"]
    assert set(told) == {"a", "b"}
    standard = Normal(0.0, 2**0.5 if laplace else 1.0)
    for name, curve in told.items():
        kls = []
        for row in np.flatnonzero(on.there[name]):
            here = single(on.test, row)
            m = on.model.names.index(name)
            if laplace:  # whose scale the recipe chooses how to read
                q = on.model.encode(here, here.present).private
                q = Laplace(q.loc[m, 0], q.scale[m, 0])
            else:
                read = on.model[name].likelihood.encode(here.x[name], here.mask[name])
                loc, log_variance = on.model[name].encoder(read)[0, -6:].chunk(2)
                q = Normal(loc, torch.exp(log_variance / 2))
            kls.append(kl_divergence(Normal(q.mean, q.stddev), standard))
        assert curve["dimensions"] == 3
        assert curve["share"] == [share(kls, e) for e in curve["epsilon"]], name
        assert curve["collapsed"] / 3 == share(kls, 0.01)
    assert len({str(curve["share"]) for curve in told.values()}) == 2


@pytest.mark.parametrize("posterior", ["normal", "laplace"])
def test_a_prior_whose_scale_was_learned_is_what_is_known_without_the_row(posterior):
    on = as_float64(asked("mmvae", learn_prior=True, posterior=posterior))
    with torch.no_grad():
        on.model.theta.copy_(torch.tensor([0.0, 1.5], dtype=torch.float64))
    section = collapse(on)
    assert section.detail["against"] == "prior, whose scale was learned"
    prior = Normal(0.0, (2**0.5 if posterior == "laplace" else 1.0) * 2 * torch.softmax(on.model.theta, -1))
    for name, curve in section.detail["modalities"].items():
        loc, scale = (torch.as_tensor(v[on.names.index(name)][on.there[name]]) for v in on.posteriors)
        kls = list(kl_divergence(Normal(loc, scale), prior))
        assert curve["share"] == [share(kls, e) for e in curve["epsilon"]]
        assert curve["share"] != [
            share(list(kl_divergence(Normal(loc, scale), Normal(0.0, 1.0))), e) for e in curve["epsilon"]
        ]


def test_laplace_posteriors_that_say_nothing_have_collapsed():
    """Their standard deviation is that of their prior, the square root of 2."""
    on = as_float64(asked("mmvae"))
    with torch.no_grad():
        for name in "ab":
            last = [m for m in on.model[name].encoder.modules() if isinstance(m, torch.nn.Linear)][-1]
            last.weight.zero_()
            last.bias.zero_()
    section = collapse(on)
    assert section.summary["collapsed"] == 1.0
    assert section.detail["against"] == "standard Laplace, by its moments"


@pytest.mark.parametrize(("likelihood", "factor"), [("normal_learned", 1.0), ("laplace_learned", 2.0)])
def test_learned_variances_have_curves_and_fixed_ones_none(likelihood, factor):
    (x, y), scales = labelled(0), torch.tensor([-3.0, -2.0, -1.5, 0.0])
    data = read(x, labels={"diet": y})
    model = quick("poe").set_params(likelihood={"a": likelihood}, epochs=1).fit(data)
    with torch.no_grad():
        model.model_["a"].likelihood.log_scale.copy_(scales)
    section = collapse(Asked(model, task(data, data, "diet")))
    (name,) = section.detail["variance"]
    curve = section.detail["variance"][name]
    variance = factor * np.exp(2 * scales.numpy())
    assert name == "a"
    assert curve["epsilon"][-1] == pytest.approx(0.13)
    assert curve["share"] == [(variance <= e).mean() for e in curve["epsilon"]]
    assert curve["collapsed"] == (variance <= 0.01).sum()
    assert curve["dimensions"] == 4
    rows = detail_tables([scored(section)])["Collapse, by modality (share of dimensions)"]
    title = "learned variance of the decoder"
    assert [(row["modality"], row[title]) for row in rows] == [
        ("a", f"{curve['collapsed'] / 4:.3f}"),
        ("b", None),
    ]


def scored(section):
    config = {"method": "any", "beta": 1.0, "seed": 0, "options": None, "epochs": 1}
    card = {"preparation": {"modalities": [{"name": "a"}, {"name": "b"}]}}
    return Record(Path("runs/a"), config, card, {}, {"sections": {"collapse": section.detail}})


def drawn(section):
    made = latents(scored(section))
    return made.get("Collapse between what is known given some modalities and given everything")


@pytest.mark.parametrize(("observed", "lines"), [(None, 3), (("a",), 1)])
def test_a_report_draws_the_three(observed, lines):
    section = collapse(by_cmmd(observed))
    told = section.detail["pairs"]
    figure = drawn(section)
    assert figure is not None
    assert [a.get_title() for a in figure.axes] == ["KL(p ‖ N(0, 1))", "KL(q ‖ N(0, 1))", "KL(p ‖ q)"]
    for axes, pair in zip(figure.axes, ("p_standard", "q_standard", "p_q"), strict=True):
        assert len(axes.lines) == lines
        for line, cell in zip(axes.lines, told["sets"], strict=True):
            assert line.get_ydata().tolist() == cell[pair]["share"]
    assert "q(z | x_o, x_m, y)" in figure.get_label()
    assert drawn(collapse(asked("mmvm"))) is None
