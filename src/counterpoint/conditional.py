"""Encoders of several modalities at once: of all of them together, and of those that a prior may read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from counterpoint.distributions import Unimodal
from counterpoint.shapes import Bool, Float, Tensor

if TYPE_CHECKING:
    from counterpoint.model import MultimodalVAE


class Encoded(NamedTuple):
    """What the encoders say of a batch.

    Args:
        shared: What the aggregation reads: q(z | x_m), (M, B, D), and last, where the method has a joint
            encoder, q(z | X), which is only meant where all modalities are present. Of a conditional method
            p(z | x_m), and last p(z | x_o) of all that is there.
        private: q(w_m | x_m), (M, B, W), where the method has private latents. Absent ones are standard.
        context: What decoders may read of the observed modalities, (B, units), of a conditional method.
    """

    shared: Unimodal
    private: Unimodal | None
    context: Tensor | None = None


def joint_heads(
    model: "MultimodalVAE", read: Sequence[Tensor], present: Bool[Tensor, "M B"]
) -> Float[Tensor, "B H"]:
    """Return what the joint encoder makes of the modalities that are present."""
    assert model.joint is not None
    trunks = zip(model.modalities, model.joint.trunks, read, strict=True)
    return model.joint(torch.stack([m.run(trunk, given) for m, trunk, given in trunks]), present)


def recognised(model: "MultimodalVAE", read: Sequence[Tensor], present: Bool[Tensor, "M B"]) -> Unimodal:
    """Return q(z | x_o, x_m, y), (B, D); the standard normal where nothing is present."""
    anything = present.any(0).unsqueeze(-1)
    return model.method.posterior.from_heads(torch.where(anything, joint_heads(model, read, present), 0.0))


def readable(model: "MultimodalVAE") -> list[int]:
    """Return the modalities that p(z | x_o) may read: the observed ones of the method, never the target."""
    allowed = model.method.observed or model.names
    return [m for m, name in enumerate(model.names) if name in allowed and name != model.target]


def context_width(model: "MultimodalVAE") -> int:
    """Return how many columns decoders read of the observed modalities."""
    assert model.prior_head is not None
    return next(model.prior_head.parameters()).shape[-1]


def conditional_heads(
    model: "MultimodalVAE", read: Sequence[Tensor], present: Bool[Tensor, "M B"]
) -> tuple[Float[Tensor, "M1 B H"], Float[Tensor, "M B P"] | None, Float[Tensor, "B U"]]:
    """Return the heads of p(z | x_m) for every modality by itself, and last of p(z | x_o); and private ones.

    And third relu(sum_m f_m(x_m)), which decoders may read.

        p(z | x_o) = head(relu(sum_{m in o} f_m(x_m)))

    with o the readable modalities that a row has. Heads are zero, a standard normal, where o is empty. The
    heads of private latents, where a method has them, are the last columns of what the encoders give.
    """
    assert model.prior_head is not None
    width = model.method.posterior.heads * model.method.private_dim
    can = readable(model)
    inner: dict[int, Tensor] = {}
    own: list[Tensor] = []
    for m in range(len(model.names)) if width else can:
        there = present[m].unsqueeze(-1)
        found = torch.where(there, model.modalities[m].run(model.modalities[m].encoder, read[m]), 0.0)
        if width:
            own.append(found[:, found.shape[1] - width :])
        if m in can:
            inner[m] = found[:, : found.shape[1] - width]
    together = torch.stack(list(inner.values()))  # (R, B, units)
    here = torch.stack([present[m] for m in inner])  # (R, B)
    both = torch.cat([together, together.sum(0, keepdim=True)])
    some = torch.cat([here, here.any(0, keepdim=True)]).unsqueeze(-1)
    features = torch.relu(both)
    heads = torch.where(some, model.prior_head(features), 0.0)
    rows = dict(zip((*inner, len(model.names)), heads.unbind(), strict=True))
    none = torch.zeros_like(heads[0])
    shared = torch.stack([rows.get(m, none) for m in range(len(model.names) + 1)])
    return shared, torch.stack(own) if width else None, features[-1]
