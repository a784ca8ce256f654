"""Subsets of the modalities: who takes part in the expert of each, and what it weighs."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from counterpoint.shapes import Bool, Float, Tensor


class Subsets(NamedTuple):
    """The experts of a mixture over E subsets.

    Args:
        members: (E, M, B), which of the subset's modalities are present.
        observed: (E, B), whether the subset was observed whole.
        weight: (E, B), even over the subsets that were; in a row with nothing observed over all of them.
    """

    members: Bool[Tensor, "E M B"]
    observed: Bool[Tensor, "E B"]
    weight: Float[Tensor, "E B"]


def observed_whole(
    subsets: Sequence[tuple[int, ...]], present: Bool[Tensor, "M B"], dtype: torch.dtype
) -> Subsets:
    """Return who takes part and what every subset weighs: those observed whole share the weight evenly.

    Args:
        subsets: E subsets, as indices of modalities.
        present: (M, B).
        dtype: Of the weights.

    Example:
        >>> there = torch.tensor([[True, True], [False, True]])
        >>> observed_whole([(0,), (1,), (0, 1)], there, torch.float64).weight[:, 0].tolist()
        [1.0, 0.0, 0.0]
    """
    members = present.new_tensor([[m in s for m in range(present.shape[0])] for s in subsets])  # (E, M)
    observed = (present | ~members.unsqueeze(-1)).all(1)
    weight = observed.to(dtype) / observed.sum(0).clamp_min(1)
    weight = torch.where(present.any(0), weight, 1 / len(subsets))
    return Subsets(members.unsqueeze(-1) & present, observed, weight)


def over_members(members: Bool[Tensor, "E M B"], value: Float[Tensor, "M B D"]) -> Float[Tensor, "E B D"]:
    """Sum a value over the members of every expert.

    Example:
        >>> value = torch.tensor([[[1.0]], [[2.0]]])
        >>> over_members(torch.tensor([[[True], [False]], [[True], [True]]]), value).flatten().tolist()
        [1.0, 3.0]
    """
    take = members.to(value.dtype)
    if members.shape[0] == 1:  # a plain product needs no general sum
        return (take[0].unsqueeze(-1) * value).sum(0, keepdim=True)
    return torch.einsum("emb,mbd->ebd", take, value)
