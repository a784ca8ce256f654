"""Impartial optimisation: where one latent fans out into several decoders, their gradients are reconciled.

Forward nothing changes: every decoder reads the same latent. Backward, the latent gets H gradients, one from
each decoder ("head"), and passes on one that none of them dominates. Decoders keep their own gradients, and
the loss its value. Importance-weighted bounds have two more places where gradients meet: the latent within
the density of the mixture, and the decoders' parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch.func import functional_call

from counterpoint.aggregation import Posterior
from counterpoint.batch import Batch
from counterpoint.errors import InputError, choose
from counterpoint.gradients import METHODS, reconciled
from counterpoint.importance import IWAE, Fans
from counterpoint.objectives import Fan, Loss, Needs, Noise
from counterpoint.priors import Hyper
from counterpoint.shapes import Tensor

if TYPE_CHECKING:
    from counterpoint.model import Method, Modality, MultimodalVAE

MOST_HEADS = 12  # mgda and cagrad look at every subset of the heads
SETTINGS = ("p", "pq", "pqs")


@runtime_checkable
class Fanned(Protocol):
    """An objective that lets its latents reach the decoders through a fan."""

    def needs(self, experts: int, modalities: int) -> Needs:
        """How much noise a step takes."""
        ...

    def through(self, fan: Fan, model: Any, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        ...


@dataclass(frozen=True)
class Impartial:
    """An objective whose value is another's, and whose gradient at the latent is impartial.

        G = (g_1, ..., g_H),    g_h = d (sum over rows of distortion_h) / d z_e
        G' = method_n( ... method_1(G))
        out_e = sum_h G'_h * ||sum_h g_h|| / max(||sum_h G'_h||, 1e-10)

    for every expert e of its own, with the rows (and draws) of the batch as one long vector. The rate's
    gradient is added as it is. That is setting "p". In the same way, for importance-weighted bounds,

        q    g_n = d L / d z_e through log q_n(z_e) alone, n = 1..E, within log q(z_e|X) = log sum_n w_n q_n
        s    g_e = d L / d psi_m through the draws of expert e alone, psi_m all parameters of decoder m

    "pq" is the first two and "pqs" all three. For "s" a decoder runs once for every expert.

    Args:
        objective: The bound that is minimised.
        methods: Names in `gradients.METHODS`, applied in this order.
        at: Where: `"p"`, `"pq"` or `"pqs"`.

    Raises:
        InputError: If a method is unknown or none is given, `at` is none of those, or it is more than "p" and
            the objective has no density of a mixture (its rate is a closed form).

    Source: Javaloy et al. 2022 (IO), section 3.2, and its settings p, pq and pqs from a description.

    Example:
        >>> from counterpoint.objectives import ELBO
        >>> Impartial(ELBO(), ("pcgrad",)).needs(experts=1, modalities=3)
        Needs(draws=1, experts=1, uniforms=3)
    """

    objective: Fanned
    methods: tuple[str, ...]
    at: str = "p"

    def __post_init__(self) -> None:
        for name in self.methods or ("",):
            choose("impartial", name, METHODS)
        if choose("impartial: what stands behind @", self.at, SETTINGS) != "p" and not isinstance(
            self.objective, IWAE
        ):
            raise InputError(
                f"impartial is '{'+'.join(self.methods)}@{self.at}', and {type(self.objective).__name__} has "
                "its rate in closed form: no density of a mixture fans out. Leave out what stands behind @, "
                "or take mmvae with objective='iwae', 'dreg' or 'dreg_mixture'."
            )

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes; an order of the heads takes a uniform a head."""
        need = self.objective.needs(experts, modalities)
        return need._replace(uniforms=need.uniforms + sum(self._orderings(experts, modalities)))

    def _orderings(self, experts: int, modalities: int) -> list[int]:
        """Return how many heads are put in order, at each place of `at`."""
        return [modalities, experts, experts][: len(self.at)] if "pcgrad" in self.methods else []

    def __call__(self, model: "MultimodalVAE", batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        heads, experts = len(model.names), model.method.aggregation.experts(len(model.names))
        if heads > MOST_HEADS and {"mgda", "cagrad"} & set(self.methods):
            raise InputError(
                f"impartial is {'+'.join(self.methods)!r} for {heads} modalities; mgda and cagrad take at "
                f"most {MOST_HEADS}. Take pcgrad or gradnorm."
            )
        places = self._orderings(experts, heads)
        own = noise.uniform.shape[0] - sum(places)
        # One order a step: the batch's gradients are reconciled as one, so the first row's numbers will do.
        found = [torch.argsort(u) for u in noise.uniform[own:, 0].split(places)] if places else []
        orders = [*found, *[None] * (3 - len(found))]

        def fan(decoded: Posterior, z: Tensor) -> list[Tensor]:
            copies = _copied(z, orders[0], heads, self.methods)
            pairs = zip(copies.unbind(), decoded.explains, strict=True)
            return [copy if some == slice(None) else copy[:, some] for copy, some in pairs]

        rest = Noise(noise.normal, noise.uniform[:own])
        if not isinstance(self.objective, IWAE):
            return self.objective.through(fan, model, batch, rest, hyper)
        densities = partial(_copied, order=orders[1], heads=experts, methods=self.methods)
        decode = partial(_decoded_apart, order=orders[2], methods=self.methods)
        fans = Fans(fan, densities if "q" in self.at else None, decode if "s" in self.at else None)
        return self.objective.across(fans, model, batch, rest, hyper)


def impartial(method: "Method", how: str) -> "Method":
    """Return a method with impartial gradients.

    Args:
        method: Made by a recipe.
        how: A name in `gradients.METHODS`, or several in their order with + between them, such as
            `"gradnorm+pcgrad"`; behind it, for `mmvae` with an importance-weighted objective, where:
            `"pcgrad@pq"` or `"pcgrad@pqs"`, see `Impartial`.

    Raises:
        InputError: If `how` is none of those, or the method has nothing to reconcile: every latent of it
            feeds one decoder, its objective lets no fan between, or only the decoders' and more was asked.

    Example:
        >>> from counterpoint.methods import independent, poe
        >>> impartial(poe(), "pcgrad").objective.methods
        ('pcgrad',)
        >>> impartial(independent(), "pcgrad")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: independent has impartial='pcgrad', and each of its latents feeds ...
    """
    if not isinstance(how, str):
        raise InputError(f"impartial is {how!r}; give a word such as 'pcgrad' or 'gradnorm+pcgrad'.")
    if not method.aggregation.shared:
        raise InputError(
            f"{method.name} has impartial={how!r}, and each of its latents feeds one decoder: no gradients "
            "meet there to be reconciled. Take a method with one latent for all, such as poe or mopoe."
        )
    inner = method.objective
    if not isinstance(inner, Fanned):
        raise InputError(
            f"{method.name} has impartial={how!r}, and its objective {type(inner).__name__} does not let "
            "gradients be reconciled. Take poe, avg, mvae, moe or mopoe."
        )
    chain, _, at = how.partition("@")
    wrapped = Impartial(inner, tuple(chain.split("+")), at if "@" in how else "p")
    return replace(method, objective=wrapped, options={**method.options, "impartial": how})


class _Impartially(torch.autograd.Function):
    """Give every head its copy of z, (H, K, E, B, D); backward, reconcile what comes back."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, order: Tensor | None, heads: int, methods: tuple[str, ...]) -> Tensor:
        return z.expand(heads, *z.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, order, _, ctx.methods = inputs
        ctx.save_for_backward(order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return reconciled(gradients[0], ctx.methods, *ctx.saved_tensors), None, None, None


def _copied(z: Tensor, order: Tensor | None, heads: int, methods: tuple[str, ...]) -> Tensor:
    """Return z once for every head, (H, K, E, B, D)."""
    copies = _Impartially.apply(z, order, heads, methods)
    assert isinstance(copies, Tensor)
    return copies


class _Apart(torch.autograd.Function):
    """Give every head its copy of parameters, (H, *shape) each; backward, reconcile them as one vector."""

    generate_vmap_rule = True

    @staticmethod
    def forward(order: Tensor | None, heads: int, methods: tuple[str, ...], *weights: Tensor) -> Any:
        return tuple(w.expand(heads, *w.shape) for w in weights)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        order, _, ctx.methods, *_ = inputs
        ctx.save_for_backward(order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        one = torch.cat([g.flatten(1) for g in gradients], 1)[:, None, None, None]  # (H, 1, 1, 1, n)
        found = reconciled(one, ctx.methods, *ctx.saved_tensors).flatten()
        parts = found.split([g[0].numel() for g in gradients])
        shaped = (part.view(g.shape[1:]) for part, g in zip(parts, gradients, strict=True))
        return None, None, None, *shaped


def _decoded_apart(
    modality: "Modality",
    z: Tensor,
    covariates: Tensor | None,
    order: Tensor | None,
    methods: tuple[str, ...],
) -> Tensor:
    """Return the decoder's output for z (K, E, B, D), each expert's by its own copy of the parameters."""
    weights = dict(modality.decoder.named_parameters())
    if not weights:
        return modality.decode(z, covariates)
    copies: Any = _Apart.apply(order, z.shape[1], methods, *weights.values())
    outs = []
    for e, latent in enumerate(z.unbind(1)):
        own = dict(zip(weights, (copy[e] for copy in copies), strict=True))
        decoder: Callable[[Tensor], Tensor] = partial(functional_call, modality.decoder, own)
        outs.append(modality.decode(latent, covariates, decoder))
    return torch.stack(outs, 1)
