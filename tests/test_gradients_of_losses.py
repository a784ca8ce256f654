"""What autograd says of every loss against finite differences in float64, with missing entries in the batch.

Some objectives are meant to have another gradient than that of their value: an estimator of less variance,
or a part that is held fixed. They are named below, each with the reason, the parameters for which its
gradient is the plain one nevertheless, and the options that give the plain gradient of the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

import toy
from counterpoint.impartial import Impartial
from counterpoint.methods import METHODS, method
from counterpoint.model import Method

ROWS = 9
STEP, AGREES, DIFFERS = 1e-6, 1e-6, 1e-3
VARIANTS = toy.variants()
CASES = [(v, "tables") for v in VARIANTS] + [((name, {}), k) for name in METHODS for k in ("mixed", "counts")]


@dataclass(frozen=True)
class Otherwise:
    """An objective whose gradient is not that of its value.

    Args:
        why: The reason.
        holds: Whether it is this one.
        plain: Parameters that have the plain gradient nevertheless: those of the `"decoders"`, or of the
            `"encoders"`.
        instead: Options, beside the variant's own, with which all parameters have it; None where no option
            does. An option of None is taken away.
    """

    why: str
    holds: Callable[[Method], bool]
    plain: str
    instead: dict | None


OTHERWISE = [
    Otherwise(
        "DReG: densities are held fixed in the encoders, whose draws are weighed twice",
        lambda m: m.options.get("objective") in ("dreg", "dreg_mixture") and m.name == "mmvae",
        "decoders",
        {"objective": "iwae", "preset": None},
    ),
    Otherwise(
        "DReG of u = (w, z), whose plain gradient no option has",
        lambda m: m.options.get("objective") == "dreg" and m.name == "mmvae_plus",
        "decoders",
        None,
    ),
    Otherwise(
        "draws and densities of the cross terms' own experts are held fixed",
        lambda m: m.options.get("objective") == "elbo" and m.name == "mmvae",
        "decoders",
        {"objective": "elbo_naive"},
    ),
    Otherwise(
        "path gradient: the score of the mixture, whose mean is 0, is left out",
        lambda m: m.options.get("gradient") == "path",
        "decoders",
        {"gradient": "reparameterised"},
    ),
    Otherwise(
        "the mixture's weights by precision are held fixed",
        lambda m: m.options.get("mixture_weights") == "precision",
        "decoders",
        {"mixture_weights": None},
    ),
    Otherwise(
        "decoders and likelihoods are held fixed in the unimodal ELBOs",
        lambda m: m.name == "telbo",
        "encoders",
        None,
    ),
    Otherwise(
        "the decoders' gradients are reconciled before they reach the encoders",
        lambda m: isinstance(m.objective, Impartial),
        "decoders",
        {"impartial": None},
    ),
]


def otherwise(variant) -> Otherwise | None:
    found = [o for o in OTHERWISE if o.holds(method(*variant))]
    assert len(found) <= 1
    return found[0] if found else None


def belongs(name: str, part: str) -> bool:
    decoders = ".decoder." in name or ".likelihood." in name
    return part == "all" or decoders == (part == "decoders")


def apart(variant, kinds: str, part: str = "all") -> float:
    """How far apart the two derivatives are along a random direction of some of the parameters."""
    model, batch = toy.model(method(*variant), kinds), toy.batch(kinds, ROWS)
    assert not batch.present.all()
    noise, hyper = toy.noise(model, ROWS), model.method.at(0)
    grads = toy.gradients(model, model.loss(batch, noise, hyper).total)
    g = torch.Generator().manual_seed(5)
    along = {n: torch.randn(p.shape, generator=g, dtype=p.dtype) for n, p in model.named_parameters()}
    along = {n: d for n, d in along.items() if belongs(n, part)}

    @torch.no_grad()
    def value(step: float) -> float:
        for n, d in along.items():
            model.get_parameter(n).add_(step * d)
        found = model.loss(batch, noise, hyper).total.sum().item()
        for n, d in along.items():
            model.get_parameter(n).sub_(step * d)
        return found

    differences = (value(STEP) - value(-STEP)) / (2 * STEP)
    derivative = sum(float((grads[n] * d).sum()) for n, d in along.items())
    return abs(differences - derivative) / (1 + abs(derivative))


@pytest.mark.parametrize(
    ("variant", "kinds"),
    toy.thinned(CASES, "gradient", of=lambda case: case[0]),
    ids=[f"{toy.label(v)}-{k}" for v, k in CASES],
)
def test_the_gradient_is_that_of_the_loss(variant, kinds):
    known = otherwise(variant)
    assert apart(variant, kinds, "all" if known is None else known.plain) < AGREES
    if known is not None:
        rest = "encoders" if known.plain == "decoders" else "decoders"
        assert apart(variant, kinds, rest) > DIFFERS, f"it is plain, and need not be named: {known.why}"


def plain_of(variant, known: Otherwise):
    assert known.instead is not None
    name, options = variant
    merged = {**options, **known.instead}
    return name, {k: v for k, v in merged.items() if v is not None}


WITH_PLAIN = [v for v in VARIANTS if (known := otherwise(v)) is not None and known.instead is not None]


@pytest.mark.parametrize("variant", WITH_PLAIN, ids=toy.label)
def test_the_same_with_the_plain_gradient_has_that_of_the_loss(variant):
    known = otherwise(variant)
    assert known is not None
    plain = plain_of(variant, known)
    assert otherwise(plain) is None
    assert apart(plain, "tables") < AGREES


def test_every_reason_is_needed():
    for each in OTHERWISE:
        assert any(each.holds(method(*v)) for v in VARIANTS), each.why
