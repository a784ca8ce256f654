"""Pseudo-inputs: rows that nobody measured, learned through a model's encoders."""

import copy

import torch
from torch import nn

from counterpoint import inference
from counterpoint.batch import Batch
from counterpoint.densities import Components
from counterpoint.distributions import DiagLaplace, Point
from counterpoint.model import MultimodalVAE


class PseudoInputs(nn.Module):
    """K rows as the encoders read them, every modality free to move, and their joint posteriors.

    Args:
        model: Its encoders are used as they are; nothing of it is changed or learned.
        start: The K rows that they start from. A modality that a row lacks stays absent.

    Example:
        >>> from counterpoint.likelihoods import Normal
        >>> from counterpoint.methods import poe
        >>> from counterpoint.model import Modality
        >>> part = Modality(nn.Linear(3, 4), nn.Linear(2, 3), Normal((3,)))
        >>> model = MultimodalVAE({"a": part}, poe(), latent_dim=2)
        >>> rows = Batch({"a": torch.zeros(5, 3)}, {"a": torch.ones(5, dtype=torch.bool)})
        >>> learned = PseudoInputs(model, rows)
        >>> learned().loc.shape, [tuple(p.shape) for p in learned.parameters()]
        (torch.Size([5, 2]), [(5, 3)])
    """

    def __init__(self, model: MultimodalVAE, start: Batch) -> None:
        super().__init__()
        frozen = copy.deepcopy(model).requires_grad_(False)
        self._frozen = (frozen,)  # in a tuple, its parameters are not this module's
        with torch.no_grad():
            read = frozen.read(start)
        self.read = nn.ParameterList([nn.Parameter(given.clone()) for given in read])
        self.register_buffer("present", start.present, persistent=False)

    def forward(self) -> Components:
        """Return all experts of all pseudo-inputs that weigh anything, side by side."""
        (model,) = self._frozen
        present: torch.Tensor = self.present  # type: ignore[assignment]
        q = model.encode_read(list(self.read), present).shared
        mixture = inference.joint_of(model, q, present).mixture
        parts, kept = mixture.components, mixture.weight > 0  # (E, K)
        assert not isinstance(parts, Point), "points have no density"
        family = "laplace" if isinstance(parts, DiagLaplace) else "normal"
        return Components(family, parts.loc[kept], parts.scale[kept], mixture.weight[kept])
