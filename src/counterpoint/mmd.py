"""Maximum mean discrepancy: how far two sets of draws are apart."""

import torch

from counterpoint.shapes import Float, Tensor


def squared_mmd(
    a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], weight: Float[Tensor, "B"]
) -> Float[Tensor, ""]:
    """Return the squared MMD of two sets of draws, the diagonal included (V-statistic).

        MMD^2 = sum_ij w_i w_j [ k(a_i, a_j) + k(b_i, b_j) - 2 k(a_i, b_j) ]
        k(a, b) = exp(-||a - b||^2/D^2)

    Args:
        a: (B, D).
        b: (B, D).
        weight: (B,), what every row weighs, summing to 1 (or to 0: then the result is 0).

    Source: Mancisidor et al. 2024 (CMMD), eq. 5; the kernel of its released code, 2 sigma^2 = D^2.

    Example:
        >>> a, b = torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [2.0, 0.0]])
        >>> round(squared_mmd(a, b, torch.full((2,), 0.5)).item(), 6)
        0.266647
    """
    both = weight.unsqueeze(-1) * weight

    def mean(x: Tensor, y: Tensor) -> Tensor:
        inner = x @ y.mT
        apart = (x.square().sum(-1).unsqueeze(-1) + y.square().sum(-1) - 2 * inner).clamp_min(0.0)
        return (torch.exp(-apart / x.shape[-1] ** 2) * both).sum()

    return mean(a, a) + mean(b, b) - 2 * mean(a, b)
