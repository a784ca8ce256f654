"""Small things that many tests start from: every method with every option, little models, little batches."""

import inspect
import sys
import zlib
from collections.abc import Callable, Sequence
from itertools import product

import pytest
import torch
from torch import nn

from counterpoint.batch import Batch
from counterpoint.likelihoods import likelihood
from counterpoint.methods import METHODS
from counterpoint.model import Method, Modality, MultimodalVAE
from counterpoint.nn import JointEncoder

D = 2
DTYPE = torch.float64

# What the law tests try for an option, wherever a recipe has an option of that name.
OPTIONS = {
    "beta": [0.3],
    "draws": [3],
    "rate": ["pairwise", "mixture", "mixture_bound"],
    "alpha": [0.0, 0.3, 1.0],
    "mixture_weights": ["precision"],
    "temperature": [0.6, "exp:3:1:1000"],
    "draw": ["one", "stratified", "all"],
    "kl_count": ["once", "per_modality"],
    "prior_expert": ["none", "full", "all"],
    "of": ["variance", "scale"],
    "beta_power": [1, 2],
    "random_subsets": [0, 1, 2],
    "prior_drawn": [True],
    "rho": [0.0, 0.8],
    "subsets": ["all", "full"],
    "affinity": ["dimension", "joint"],
    "private_dim": [3],
    "beta_private": [0.4],
    "gamma": [0.5],
    "objective": ["elbo_naive", "elbo", "iwae", "dreg", "dreg_mixture", "nuclear", "squared"],
    "averaging": ["looser", "tight"],
    "posterior": ["laplace_sum", "laplace", "normal"],
    "pool": ["avg", "poe", "moe", "mopoe"],
    "decoding": ["simple", "cross"],
    "observed": [("a",)],
    "kl_weight": [0.3],
    "mmd_weight": [0.2],
    "mmd_scale": [5.0],
    "classifier_weight": [3.0],
    "kl": ["released"],
    "classify": ["draw"],
    "decoder_sees_observed": [True],
    "generate": ["missing", "all"],
    "regularisation": [0.1],
    "weight": [0.7],
    "margin": [0.3],
    "learn_prior": [True],
}
# Wrapped recipes, which no option in a recipe's own signature leads to.
IMPARTIAL: list[tuple[str, dict]] = [
    *(("poe", {"impartial": how}) for how in ("pcgrad", "gradnorm", "mgda", "cagrad")),
    ("moe", {"impartial": "pcgrad", "draw": "all", "draws": 2}),
    ("mopoe", {"impartial": "gradnorm+cagrad"}),
    ("mvae", {"impartial": "pcgrad"}),
    ("mmvae", {"impartial": "pcgrad@pq", "objective": "iwae", "draws": 1}),
]
REFUSED = {
    ("mvae", "prior_expert", "full"),  # sub-sampling has no full set to single out
    ("mmvae_plus", "objective", "elbo_naive"),
    ("mmvae_plus", "objective", "iwae"),
    ("mmvae_plus", "objective", "dreg_mixture"),
    ("mmvae_plus", "objective", "dreg_mixture"),
    ("mmvae_plus", "posterior", "laplace"),
    *product(("mmvae", "mmvae_plus"), ("objective",), ("nuclear", "squared")),
    *product(("dcca", "dccae"), ("objective",), ("elbo_naive", "elbo", "iwae", "dreg", "dreg_mixture")),
}

# Sets of modalities, between them every likelihood: name -> (likelihood, event shape, mask by single values?)
KINDS = {
    "tables": {
        "a": ("normal", (3,), False),
        "b": ("laplace", (2, 2), True),
        "c": ("bernoulli", (4,), False),
    },
    "mixed": {
        "a": ("normal_learned", (3,), True),
        "b": ("categorical", (2,), True),
        "c": ("negative_binomial", (4,), True),
    },
    "counts": {
        "a": ("laplace_learned", (3,), True),
        "b": ("poisson", (2,), True),
        "c": ("categorical", (2, 2), False),
    },
}
CLASSES = 3


def presets(name: str) -> dict:
    """The presets of a recipe: the PRESETS of its module."""
    return getattr(sys.modules[METHODS[name].__module__], "PRESETS", {})


def variants() -> list[tuple[str, dict]]:
    """Every recipe with its defaults, with every value of every known option, and with every preset."""
    found: list[tuple[str, dict]] = []
    for name, recipe in METHODS.items():
        takes = inspect.signature(recipe).parameters
        found.append((name, {}))
        for option, values in OPTIONS.items():
            if option in takes:
                found += [(name, {option: v}) for v in values if (name, option, v) not in REFUSED]
        if "alpha" in takes and "rate" in takes:
            found += [(name, {"rate": r, "alpha": 0.3}) for r in OPTIONS["rate"]]
        if "mixture_weights" in takes:
            both = {"mixture_weights": "precision", "temperature": 1.7, "alpha": 0.3, "draws": 2}
            found += [(name, {"rate": r, **both}) for r in OPTIONS["rate"]]
            found.append((name, {"rate": "mixture", "gradient": "path", "draws": 2}))
        if "draw" in takes and "prior_expert" in takes:
            found += [
                (name, {"draw": d, "prior_expert": "full", "kl_count": "per_modality"})
                for d in OPTIONS["draw"]
            ]
        if "private_dim" in takes and "draw" in takes:
            found += [
                (name, {"private_dim": 3, "beta_private": 0.5, "draw": d, "draws": 2})
                for d in OPTIONS["draw"]
            ]
        if "private_dim" in takes and "rate" in takes:
            found += [
                (name, {"private_dim": 3, "beta_private": 0.4, "rate": r, "draws": 2})
                for r in OPTIONS["rate"]
            ]
        if "private_dim" in takes and "objective" in takes:
            found.append((name, {"objective": "dreg", "draws": 3, "posterior": "normal", "beta": 0.7}))
        if "pool" in takes:
            found += [
                (name, {"decoding": "cross", "pool": p, "draws": 2, "beta_private": 0.4})
                for p in OPTIONS["pool"]
            ]
        if "prior_drawn" in takes:
            found += [(name, {"prior_drawn": True, "draw": d, "draws": 2}) for d in OPTIONS["draw"]]
        if "subsets" in takes:
            found += [(name, {"subsets": "all", "draw": d, "draws": 2}) for d in OPTIONS["draw"]]
        if "averaging" in takes:
            found += [
                (name, {"objective": o, "averaging": a, "draws": 2, "posterior": p, "beta": 0.5})
                for o, a, p in product(
                    ("iwae", "dreg", "dreg_mixture"), OPTIONS["averaging"], ("normal", "laplace_sum")
                )
            ]
            found += [(name, {"objective": "elbo", "draws": 2, "posterior": "laplace", "beta": 0.5})]
            found += [
                (name, {"objective": o, "posterior": "normal", "learn_prior": True})
                for o in ("elbo_naive", "elbo", "iwae")
            ]
        if "draw" in takes and "draws" in takes:
            found += [(name, {"draw": d, "draws": 2, "beta": 0.5}) for d in OPTIONS["draw"]]
        found += [(name, {"preset": p, **({"beta": 0.5} if "beta" in takes else {})}) for p in presets(name)]
    return found + IMPARTIAL


def label(variant: tuple[str, dict]) -> str:
    """A test id."""
    name, options = variant
    return "-".join([name, *(f"{k}={v}" for k, v in options.items())])


def thinned(cases: list, law: str, of: Callable = lambda case: case) -> list:
    """Cases for one law: every method's defaults, and a third of the rest; the others in `make test-all`.

    Which third is another for every law, so each variant walks through some laws in the shorter suite.
    """
    found = []
    for case in cases:
        variant = of(case)
        here = not variant[1] or zlib.crc32(f"{law}/{label(variant)}".encode()) % 3 == 0
        values = case if of(case) is not case else (case,)
        found.append(pytest.param(*values, marks=() if here else pytest.mark.slow))
    return found


def model(
    method: Method,
    kinds: dict | str = "tables",
    *,
    latent: int = D,
    seed: int = 0,
    dtype=DTYPE,
    target: str | None = None,
    told: int = 0,
) -> MultimodalVAE:
    """Two-layer networks with random weights for modalities as in `KINDS`; `told` columns of covariates."""
    kinds = KINDS[kinds] if isinstance(kinds, str) else kinds
    parts, trunks, units = {}, [], 5
    for i, (name, (kind, shape, _)) in enumerate(kinds.items()):
        p = likelihood(kind, shape, classes=CLASSES if kind == "categorical" else None)
        inputs, outputs = (int(torch.Size(s).numel()) for s in (p.input_shape, p.output_shape))
        columns = latent + method.private_dim + (units if method.context and name != target else 0)
        heads = method.posterior.heads * columns
        outs = heads
        if method.conditional:
            read = name != target and name in (method.observed or kinds)
            outs = units * read + method.posterior.heads * method.private_dim
        encoder = nn.Identity()  # where nothing reads it
        if outs:
            encoder = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 5), nn.Tanh(), nn.Linear(5, outs))
        decoder = nn.Sequential(
            nn.Linear(columns + told, 5), nn.Tanh(), nn.Linear(5, outputs), nn.Unflatten(1, p.output_shape)
        )
        known = torch.eye(told) if told else None
        parts[name] = Modality(encoder, decoder, p, 1.0 + 0.5 * i, method.auxiliary_size, known)
        trunks.append(nn.Sequential(nn.Flatten(), nn.Linear(inputs, units)))
    out = method.posterior.heads * latent
    joint = JointEncoder(trunks, nn.Linear(units, out)) if method.joint else None
    prior = nn.Linear(units, out) if method.conditional else None
    made = MultimodalVAE(parts, method, latent, joint, prior, target).to(dtype)
    return randomise(made, seed)


def of(m: MultimodalVAE, names: Sequence[str], method: Method | None = None) -> MultimodalVAE:
    """The same networks for some of the modalities, or for all in another order."""
    joint = None
    if m.joint is not None:
        joint = JointEncoder([m.joint.trunks[m.names.index(n)] for n in names], m.joint.head)
    parts = {n: m[n] for n in names}
    made = MultimodalVAE(parts, method or m.method, m.latent_dim, joint, m.prior_head, m.target)
    made.theta = m.theta if made.theta is not None else None
    return made


def heads(modality: Modality, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return what a modality's encoder gives for rows."""
    return modality.run(modality.encoder, modality.likelihood.encode(x, mask))


def unimodal_heads(m: MultimodalVAE, name: str, data: Batch) -> torch.Tensor:
    """Return the heads of a modality's own posterior (of its private latent last, if it has one)."""
    out = heads(m[name], data.x[name], data.mask[name])
    return m.prior_head(torch.relu(out)) if m.method.conditional else out


def randomise(module: nn.Module, seed: int) -> nn.Module:
    """Give every parameter its values from a seed, without touching the global generator."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(0.4 * torch.randn(p.shape, generator=g, dtype=p.dtype))
    return module


def values(kind: str, shape: tuple[int, ...], rows: int, g: torch.Generator, dtype=DTYPE) -> torch.Tensor:
    """Random data that the likelihood may see."""
    if kind == "categorical":
        return torch.randint(CLASSES, (rows, *shape), generator=g)
    if kind in ("poisson", "negative_binomial"):
        return torch.randint(7, (rows, *shape), generator=g).to(dtype)
    if kind == "bernoulli":
        return torch.randint(2, (rows, *shape), generator=g).to(dtype)
    return torch.randn((rows, *shape), generator=g, dtype=dtype)


def batch(
    kinds: dict | str = "tables", rows: int = 9, *, seed: int = 1, missing: bool = True, dtype=DTYPE
) -> Batch:
    """Rows with holes: row 0 has all, row 1 nothing, the others lack modalities and single values."""
    kinds = KINDS[kinds] if isinstance(kinds, str) else kinds
    g = torch.Generator().manual_seed(seed)
    x, mask = {}, {}
    for name, (kind, shape, single) in kinds.items():
        value = values(kind, shape, rows, g, dtype)
        there = torch.rand(rows, generator=g) < 0.7
        there[0] = True
        if rows > 1:
            there[1] = False
        if not missing:
            there[:] = True
        m = there
        if single:
            each = torch.rand(value.shape, generator=g) < 0.7
            m = (each | (not missing)) & there.reshape(-1, *[1] * len(shape))
            m[0] = True
        x[name] = value * expand(m, value)
        mask[name] = m
    return Batch(x, mask)


def expand(mask: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A mask (B,) or (B, *event) in the shape of its values."""
    return mask.reshape(*mask.shape, *[1] * (like.dim() - mask.dim())).expand_as(like)


def scribble(data: Batch, kinds: dict | str, seed: int = 7) -> Batch:
    """The same batch with large nonsense wherever nothing was observed."""
    kinds = KINDS[kinds] if isinstance(kinds, str) else kinds
    g = torch.Generator().manual_seed(seed)
    x = {}
    for name, (kind, shape, _) in kinds.items():
        nonsense = values(kind, shape, data.rows, g, DTYPE)
        if kind != "categorical":
            nonsense = (
                nonsense.abs() * 1e5 if kind in ("poisson", "negative_binomial") else nonsense * 1e5
            ) + 1
        x[name] = torch.where(
            expand(data.mask[name], data.x[name]), data.x[name], nonsense.to(data.x[name].dtype)
        )
    return Batch(x, data.mask, data.covariates)


def noise(m: MultimodalVAE, rows: int, seed: int = 3, dtype=DTYPE):
    """The noise of one step."""
    return m.noise(rows, torch.Generator().manual_seed(seed), dtype)


def gradients(m: MultimodalVAE, total: torch.Tensor) -> dict[str, torch.Tensor]:
    """d sum(total) / d parameter, by name; zeros where a parameter does not take part."""
    names, parameters = zip(*m.named_parameters(), strict=True)
    grads = torch.autograd.grad(total.sum(), parameters, allow_unused=True)
    return {
        n: torch.zeros_like(p) if g is None else g for n, p, g in zip(names, parameters, grads, strict=True)
    }
