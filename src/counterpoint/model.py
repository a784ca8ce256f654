"""The model: modalities, each with encoder, decoder and likelihood, tied together by a method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import nn

from counterpoint.aggregation import Posterior
from counterpoint.batch import Batch
from counterpoint.conditional import Encoded, conditional_heads, joint_heads
from counterpoint.distributions import DiagNormal, Unimodal
from counterpoint.errors import InputError, whole
from counterpoint.modality import Modality
from counterpoint.nn.joint import JointEncoder
from counterpoint.objectives import Loss, Needs, Noise
from counterpoint.priors import Hyper, LearnedScale
from counterpoint.schedules import Schedule
from counterpoint.shapes import Bool, Tensor


@runtime_checkable
class Aggregation(Protocol):
    """From unimodal posteriors (M, B, D) and presence (M, B) to a mixture of experts."""

    @property
    def shared(self) -> bool:
        """Whether all modalities are decoded from the same latent."""
        ...

    def experts(self, modalities: int) -> int:
        """E for M modalities."""
        ...

    def __call__(self, q: Any, present: Tensor) -> Posterior:
        """Return the experts, what they weigh and what they must explain."""
        ...


@runtime_checkable
class Prior(Protocol):
    """What an expert costs."""

    def rate(self, posterior: Posterior, z: Tensor, present: Tensor, hyper: Hyper) -> Tensor:
        """Rate of every expert in nats, (E, B)."""
        ...


@runtime_checkable
class Objective(Protocol):
    """A loss with named terms per row."""

    def needs(self, experts: int, modalities: int) -> Needs:
        """How much noise a step takes."""
        ...

    def __call__(self, model: "MultimodalVAE", batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        ...


@dataclass(frozen=True)
class Method:
    """A method as a choice of parts; made by the recipes of `counterpoint.methods`.

    Args:
        name: Name of the recipe.
        aggregation: Which experts are formed, and what each explains.
        prior: What an expert costs.
        objective: The bound that is minimised.
        posterior: Family of the unimodal posteriors.
        hyper: Hyperparameters that may move during training and differ within a stack of models.
        options: What the recipe was called with, complete, for the record.
        private_dim: W, columns of a second latent that every modality keeps to itself; 0 for none.
        private_trunk: Whether an encoder network of its own reads the private latent.
        auxiliary: What is learned of a second prior r_m(w) of every private latent, from which it is drawn
            where another modality's latent is decoded: `"none"` of it, its `"scale"`, or `"both"` with loc.
        joint: Whether one more encoder reads all modalities together.
        conditional: Whether the prior is p(z | x_o) of the observed modalities: encoders give features, a
            head makes the prior of them, and the joint encoder is read in training alone.
        context: Whether decoders read the observed modalities' features beside z, all but the target's.
        observed: Names of the modalities that p(z | x_o) may read; all but the model's target unless given.
    """

    name: str
    aggregation: Aggregation
    prior: Prior
    objective: Objective
    posterior: type[Unimodal] = DiagNormal  # type: ignore[assignment]
    hyper: Mapping[str, Schedule] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    private_dim: int = 0
    private_trunk: bool = False
    auxiliary: Literal["none", "scale", "both"] = "none"
    joint: bool = False
    conditional: bool = False
    context: bool = False
    observed: tuple[str, ...] | None = None

    @property
    def build(self) -> tuple[Any, ...]:
        """What models of a stack must have in common: all but the values of the hyperparameters."""
        parts = (self.name, self.aggregation, self.prior, self.objective, self.posterior, tuple(self.hyper))
        more = (self.private_dim, self.private_trunk, self.auxiliary)
        return (*parts, *more, self.joint, self.conditional, self.context, self.observed)

    @property
    def auxiliary_size(self) -> int:
        """Numbers that describe a modality's auxiliary prior."""
        return self.private_dim * ("none", "scale", "both").index(self.auxiliary)

    def at(self, step: int) -> dict[str, float]:
        """Return the value of every hyperparameter at an optimiser step."""
        return {k: s.at(step) for k, s in self.hyper.items()}

    def final(self) -> dict[str, float]:
        """Return the value of every hyperparameter at the end of its schedule: what evaluations use."""
        return {k: s.end for k, s in self.hyper.items()}


class MultimodalVAE(nn.Module):
    """Several modalities and the method that ties them.

    The forward pass is pure: everything random and every hyperparameter comes in, nothing is stored.

    Args:
        modalities: name -> modality; any names, the order is kept.
        method: From a recipe, such as `methods.mmvm(beta=1.0)`.
        latent_dim: D, at least 1.
        joint: The encoder that reads all modalities together, for a method that has one.
        prior_head: From the encoders' features (B, units) to the heads of p(z | x_o), for a conditional one.
        target: The modality that is to be told from the others, such as a label; none unless given.

    Raises:
        InputError: If there is no modality, `latent_dim` is below 1, or the method wants a joint encoder and
            there is none, or the reverse.

    Example:
        >>> import torch
        >>> from counterpoint.likelihoods import Normal
        >>> from counterpoint.methods import mmvm
        >>> def linear():
        ...     return Modality(torch.nn.Linear(3, 4), torch.nn.Linear(2, 3), Normal((3,)))
        >>> parts = {"a": linear(), "b": linear()}
        >>> model = MultimodalVAE(parts, mmvm(), latent_dim=2)
        >>> x = {n: torch.zeros(5, 3) for n in parts}
        >>> batch = Batch(x, {n: torch.ones(5, dtype=torch.bool) for n in parts})
        >>> noise = model.noise(5, torch.Generator().manual_seed(0))
        >>> loss = model.loss(batch, noise, model.method.at(0))
        >>> sorted(loss.terms), loss.total.shape
        (['distortion/a', 'distortion/b', 'rate/a', 'rate/b'], torch.Size([5]))
    """

    def __init__(
        self,
        modalities: Mapping[str, Modality],
        method: Method,
        latent_dim: int,
        joint: JointEncoder | None = None,
        prior_head: nn.Module | None = None,
        target: str | None = None,
    ) -> None:
        super().__init__()
        if not modalities:
            raise InputError("no modality was given; a model needs at least one.")
        if method.joint != (joint is not None):
            wanted = "takes a joint encoder" if method.joint else "has no use for a joint encoder"
            raise InputError(f"{method.name} {wanted}; `assemble` gives every method what it takes.")
        self.names = tuple(modalities)
        # A list, not a ModuleDict: a modality may be called `items` or `a.b`, which a ModuleDict refuses.
        self.modalities: Any = nn.ModuleList(modalities.values())
        self.joint = joint
        self.prior_head = prior_head
        self.target = target
        self.method = method
        self.latent_dim = whole("latent_dim", latent_dim)
        learns = isinstance(method.prior, LearnedScale)
        self.theta = nn.Parameter(torch.zeros(self.latent_dim)) if learns else None

    @property
    def prior(self) -> Prior:
        """The method's prior, with what the model has learned of it."""
        return self.method.prior if self.theta is None else LearnedScale(self.theta)

    def __getitem__(self, name: str) -> Modality:
        return self.modalities[self.names.index(name)]

    def read(self, batch: Batch) -> list[Tensor]:
        """Return what the encoders are given, (B, *input_shape) of every modality."""
        named = zip(self.names, self.modalities, strict=True)
        return [m.read(batch.x[name], batch.mask[name], batch.covariates) for name, m in named]

    def encode(self, batch: Batch, present: Bool[Tensor, "M B"]) -> Encoded:
        """Return what the encoders say, the standard normal (Laplace) where a modality is absent.

        Where the prior's scale is learned, it is that prior.
        """
        return self.encode_read(self.read(batch), present)

    def encode_read(self, read: Sequence[Tensor], present: Bool[Tensor, "M B"]) -> Encoded:
        """Return the same of what the encoders are given, as `read` returns it."""
        if self.method.conditional:
            of, (shared, own, context) = self.method.posterior, conditional_heads(self, read, present)
            return Encoded(of.from_heads(shared), None if own is None else of.from_heads(own), context)
        heads = [m.run(m.encoder, given) for m, given in zip(self.modalities, read, strict=True)]
        # Heads of zero are the standard normal.
        there = torch.where(present.unsqueeze(-1), torch.stack(heads), 0.0)
        family, private = self.method.posterior, None
        if self.method.private_dim:
            there, own = there.split(
                [family.heads * d for d in (self.latent_dim, self.method.private_dim)], -1
            )
            private = family.from_heads(own)
        if self.joint is not None:
            there = torch.cat([there, joint_heads(self, read, present)[None]])
        shared = family.from_heads(there)
        if self.theta is not None:
            shared = LearnedScale(self.theta).unless(present, shared)
        return Encoded(shared, private)

    def unimodal(self, batch: Batch, present: Bool[Tensor, "M B"]) -> Unimodal:
        """Return q(z | x_m) for every modality, (M, B, D); the standard normal where it is absent."""
        shared = self.encode(batch, present).shared
        return shared[: len(self.names)]

    def posterior(self, batch: Batch) -> Posterior:
        """Return the experts for a batch, as used when the model is asked something."""
        present = batch.present
        return self.method.aggregation(self.encode(batch, present).shared, present)

    def noise(self, rows: int, generator: torch.Generator, dtype: torch.dtype | None = None) -> Noise:
        """Draw what one step over `rows` rows needs: first the normal noise, then the uniform."""
        modalities, private = len(self.names), self.method.private_dim
        need = self.method.objective.needs(self.method.aggregation.experts(modalities), modalities)
        experts = max(need.experts, modalities) if private else need.experts
        shape = (need.draws, experts, rows, self.latent_dim + private)
        device = generator.device
        normal = torch.randn(shape, generator=generator, dtype=dtype, device=device)
        uniform = torch.rand((need.uniforms, rows), generator=generator, dtype=dtype, device=device)
        return Noise(normal, uniform)

    def loss(self, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        return self.method.objective(self, batch, noise, hyper)

    forward = loss
