"""Impartial optimisation: where one latent fans out into several decoders, their gradients are reconciled.

Forward nothing changes: every decoder reads the same latent. Backward, the latent gets H gradients, one from
each decoder ("head"), and passes on one that none of them dominates. Decoders keep their own gradients, and
the loss its value.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch

from counterpoint.aggregation import Posterior
from counterpoint.batch import Batch
from counterpoint.errors import InputError, choose
from counterpoint.gradients import METHODS, reconciled
from counterpoint.objectives import Fan, Loss, Needs, Noise
from counterpoint.priors import Hyper
from counterpoint.shapes import Tensor

if TYPE_CHECKING:
    from counterpoint.model import Method, MultimodalVAE

MOST_HEADS = 12  # mgda and cagrad look at every subset of the heads


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
    gradient is added as it is.

    Args:
        objective: The bound that is minimised.
        methods: Names in `gradients.METHODS`, applied in this order.

    Raises:
        InputError: If a method is unknown, or none is given.

    Source: Javaloy et al. 2022 (IO), section 3.2, setting "p": the decoders' fan-out.

    Example:
        >>> from counterpoint.objectives import ELBO
        >>> Impartial(ELBO(), ("pcgrad",)).needs(experts=1, modalities=3)
        Needs(draws=1, experts=1, uniforms=3)
    """

    objective: Fanned
    methods: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.methods or ("",):
            choose("impartial", name, METHODS)

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes; an order of the heads takes a uniform a modality."""
        need = self.objective.needs(experts, modalities)
        return need._replace(uniforms=need.uniforms + self._ordering(modalities))

    def _ordering(self, modalities: int) -> int:
        return modalities if "pcgrad" in self.methods else 0

    def __call__(self, model: "MultimodalVAE", batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        heads = len(model.names)
        if heads > MOST_HEADS and {"mgda", "cagrad"} & set(self.methods):
            raise InputError(
                f"impartial is {'+'.join(self.methods)!r} for {heads} modalities; mgda and cagrad take at "
                f"most {MOST_HEADS}. Take pcgrad or gradnorm."
            )
        own = noise.uniform.shape[0] - self._ordering(heads)
        # One order a step: the batch's gradients are reconciled as one, so the first row's numbers will do.
        order = torch.argsort(noise.uniform[own:, 0]) if own < noise.uniform.shape[0] else None

        def fan(decoded: Posterior, z: Tensor) -> list[Tensor]:
            copies = _Impartially.apply(z, order, heads, self.methods)
            assert isinstance(copies, Tensor)
            pairs = zip(copies.unbind(), decoded.explains, strict=True)
            return [copy if some == slice(None) else copy[:, some] for copy, some in pairs]

        return self.objective.through(fan, model, batch, Noise(noise.normal, noise.uniform[:own]), hyper)


def impartial(method: "Method", how: str) -> "Method":
    """Return a method with impartial gradients.

    Args:
        method: Made by a recipe.
        how: A name in `gradients.METHODS`, or several in their order with + between them, such as
            `"gradnorm+pcgrad"`.

    Raises:
        InputError: If `how` is none of those, or the method has nothing to reconcile: every latent of it
            feeds one decoder, or its objective lets no fan between.

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
    wrapped = Impartial(inner, tuple(how.split("+")))
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
