"""Gradient surgery: one gradient out of several that disagree, none of which may dominate it.

All that the methods need of H gradients is their inner products, so they work on Gram matrices (E, H, H), one
for each of E sets of gradients, and answer with how much of each old gradient goes into each new one,
(E, H, H). A gradient of zero does not count.
"""

from collections.abc import Callable, Sequence

import torch

from counterpoint.shapes import Float, Tensor

CAUTION = 0.5  # c of CAGrad: how far from the mean gradient the new one may lie, in units of its length
LEAST_WEIGHT = 1e-3  # of a head in MGDA
_FLOOR = 1e-10  # of the norm that the reconciled gradient is divided by
_RIDGE = 1e-8  # keeps the systems of parallel gradients solvable


def reconciled(
    gradients: Float[Tensor, "H K E B D"], methods: Sequence[str], order: Tensor | None = None
) -> Float[Tensor, "K E B D"]:
    """Return one gradient for the latents out of one from every head; its norm is the plain sum's.

    Args:
        gradients: (H, K, E, B, D), what each head asks of the K draws of E experts in B rows.
        methods: Names in `METHODS`, in order.
        order: (H,), a permutation of the heads, for `pcgrad`.

    Source: Javaloy et al. 2022 (IO), section 3.2.

    Example:
        >>> g = torch.tensor([[1.0, 0.0], [-1.0, 1.0]]).view(2, 1, 1, 1, 2)  # of two heads, in conflict
        >>> [round(v, 3) for v in reconciled(g, ["pcgrad"], torch.arange(2)).flatten().tolist()]
        [0.316, 0.949]
    """
    # In double precision: matrices of H by H cost nothing, and parallel gradients make them nearly singular.
    gram = torch.einsum("hkebd,ikebd->ehi", gradients, gradients).double()
    share = torch.eye(len(gradients), dtype=gram.dtype, device=gram.device).expand_as(gram)
    for name in methods:
        step = METHODS[name](gram, order)
        share, gram = step @ share, step @ gram @ step.mT
    new = torch.einsum("eh,hkebd->kebd", share.sum(1).to(gradients.dtype), gradients)
    plain, found = (torch.linalg.vector_norm(g, dim=(0, 2, 3), keepdim=True) for g in (gradients.sum(0), new))
    return new * (plain / found.clamp_min(_FLOOR))


def pcgrad(gram: Float[Tensor, "E H H"], order: Tensor | None) -> Float[Tensor, "E H H"]:
    """Project every gradient away from those of the others that it conflicts with, in random order.

        g'_i = g_i;    for j != i in order: if <g'_i, g_j> < 0: g'_i -= <g'_i, g_j> / ||g_j||^2 g_j

    Source: Yu et al. 2020 (PCGrad), algorithm 1.

    Example:
        >>> gram = torch.tensor([[[1.0, -1.0], [-1.0, 2.0]]])
        >>> pcgrad(gram, torch.arange(2)).tolist()
        [[[1.0, 0.5], [1.0, 1.0]]]
    """
    heads = gram.shape[-1]
    same = torch.eye(heads, dtype=gram.dtype, device=gram.device)
    place = (
        same if order is None else (order.unsqueeze(1) == torch.arange(heads, device=gram.device)).to(same)
    )
    gram = place @ gram @ place.mT  # in the order in which they come
    new = same.expand_as(gram)
    for j in range(heads):
        norm = gram[:, j, j].unsqueeze(-1)
        inner = (new @ gram[:, :, j].unsqueeze(-1)).squeeze(-1)  # <g'_i, g_j>, (E, H)
        conflict = (inner < 0) & (norm > 0) & (same[j] == 0)
        part = torch.where(conflict, inner / torch.where(norm > 0, norm, 1.0), 0.0)
        new = new - part.unsqueeze(-1) * same[j]
    return place.mT @ new @ place


def gradnorm(gram: Float[Tensor, "E H H"], order: Tensor | None) -> Float[Tensor, "E H H"]:
    """Bring all gradients to the same norm, with weights that sum to the number of heads.

        w_h ||g_h|| = the same for all h,    sum_h w_h = H

    the point at which the learned weights of GradNorm come to rest for alpha = 0: no state is kept.

    Source: Chen et al. 2018 (GradNorm), eq. 1-2; Javaloy et al. 2022 train the weights step by step.

    Example:
        >>> gradnorm(torch.diag_embed(torch.tensor([[1.0, 9.0]])), None).tolist()
        [[[1.5, 0.0], [0.0, 0.5]]]
    """
    norm = gram.diagonal(dim1=-2, dim2=-1)
    held = norm > 0
    inverse = torch.where(held, torch.rsqrt(torch.where(held, norm, 1.0)), 0.0)
    count, total = held.sum(-1, keepdim=True), inverse.sum(-1, keepdim=True)
    return torch.diag_embed(inverse * count / torch.where(total > 0, total, 1.0))


def mgda(gram: Float[Tensor, "E H H"], order: Tensor | None) -> Float[Tensor, "E H H"]:
    """Weigh the gradients as in the point of their convex hull that is nearest to 0.

        g'_h = max(w_h, 1e-3) g_h,    w = argmin over the simplex of ||sum_h w_h g_h||

    The released code has min where max is meant, which leaves nearly equal weights.

    Source: Désidéri 2012 (MGDA); Sener & Koltun 2018, eq. 3; Javaloy et al. 2022.

    Example:
        >>> [round(w, 3) for w in mgda(torch.diag_embed(torch.tensor([[1.0, 4.0]])), None)[0].diag().tolist()]
        [0.8, 0.2]
    """
    weight = _on_simplex(gram, torch.zeros_like(gram[:, 0]), torch.ones_like(gram[:, 0, 0]))
    return torch.diag_embed(weight.clamp_min(LEAST_WEIGHT))


def cagrad(gram: Float[Tensor, "E H H"], order: Tensor | None) -> Float[Tensor, "E H H"]:
    """Move from the mean gradient towards what the worst-served head gains most by, by c of its length.

        g_0 = 1/H sum_h g_h,    w = argmin over the simplex of <g_w, g_0> + c ||g_0|| ||g_w||
        g'_h = 1/H (g_h + c ||g_0|| / ||g_w|| g_w),    g_w = sum_h w_h g_h,    c = 1/2

    Source: Liu et al. 2021 (CAGrad), algorithm 1.

    Example:
        >>> gram = torch.tensor([[[18.0, -22.0], [-22.0, 38.0]]], dtype=torch.float64)
        >>> share = cagrad(gram, None).sum(1)[0]                          # of (-4, 1, 1) and (6, 1, 1)
        >>> [round(v, 4) for v in (share @ torch.tensor([[-4.0, 1.0], [6.0, 1.0]]).double()).tolist()]
        [0.1835, 1.2041]
    """
    held = gram.diagonal(dim1=-2, dim2=-1) > 0
    count = held.sum(-1, keepdim=True).clamp_min(1)
    mean = (gram @ (held / count).to(gram).unsqueeze(-1)).squeeze(-1)  # <g_h, g_0>
    reach = CAUTION * torch.where(held, mean / count, 0.0).sum(-1).clamp_min(0.0).sqrt()
    weight = _on_simplex(gram, mean, reach)
    norm = _norm(gram, weight)
    step = torch.where(norm > 0, reach / torch.where(norm > 0, norm, 1.0), 0.0)
    new = torch.diag_embed(held.to(gram)) + held.unsqueeze(-1) * (step.unsqueeze(-1) * weight).unsqueeze(-2)
    return new / count.unsqueeze(-1)


def _norm(gram: Tensor, weight: Tensor) -> Tensor:
    """||sum_h w_h g_h||, for weights (..., H)."""
    return ((weight.unsqueeze(-2) @ gram).squeeze(-2) * weight).sum(-1).clamp_min(0.0).sqrt()


def _on_simplex(
    gram: Float[Tensor, "E H H"], slope: Float[Tensor, "E H"], reach: Float[Tensor, "E"]
) -> Float[Tensor, "E H"]:
    """Return the weights w that minimise slope . w + reach ||sum_h w_h g_h||, w >= 0 with sum 1.

    Exactly, without iterations: on each support S the stationary point is known. With A the Gram matrix of S,
    a = 1'A^-1 1, b = 1'A^-1 slope, c = slope'A^-1 slope and r^2 = reach^2 a - (a c - b^2),

        w = ((b + r) / a A^-1 1 - A^-1 slope) / r

    and of those that lie on the simplex the best is the minimum.
    """
    heads = gram.shape[-1]
    numbers, places = (torch.arange(n, device=gram.device) for n in (2**heads, heads))
    inside = (numbers[1:].unsqueeze(-1) >> places) % 2 > 0  # (S, H), every subset but the empty one
    support, held = inside.to(gram), gram.diagonal(dim1=-2, dim2=-1) > 0
    same = torch.eye(heads, dtype=gram.dtype, device=gram.device)
    both = inside.unsqueeze(-1) & inside.unsqueeze(-2)
    system = torch.where(both, gram.unsqueeze(1), same) * (1 + _RIDGE * same)  # (E, S, H, H)
    right = torch.stack([support.expand(len(gram), -1, -1), support * slope.unsqueeze(1)], -1)
    one, tilt = torch.linalg.solve_ex(system, right).result.unbind(-1)  # (E, S, H), 0 outside of the support
    a, b, c = one.sum(-1), tilt.sum(-1), (tilt * slope.unsqueeze(1)).sum(-1)
    square = reach.square().unsqueeze(-1) * a - (a * c - b.square())
    sound = (square > 0) & (a > 0)
    root = torch.where(sound, square, 1.0).sqrt()
    level = (b + root) / torch.where(sound, a, 1.0)
    weight = (level.unsqueeze(-1) * one - tilt) / root.unsqueeze(-1)
    sound = sound & (weight >= -_RIDGE).all(-1) & (held.unsqueeze(1) | ~inside).all(-1)
    weight = torch.where(sound.unsqueeze(-1), weight.clamp_min(0.0), support)
    weight = weight / weight.sum(-1, keepdim=True)
    value = (weight * slope.unsqueeze(1)).sum(-1) + reach.unsqueeze(-1) * _norm(gram.unsqueeze(1), weight)
    best = torch.where(sound, value, torch.inf).argmin(-1).view(-1, 1, 1)
    chosen = weight.gather(1, best.expand(-1, 1, heads)).squeeze(1)
    return torch.where(sound.any(-1, keepdim=True), chosen, 0.0)


Reconcile = Callable[[Tensor, Tensor | None], Tensor]
METHODS: dict[str, Reconcile] = {"pcgrad": pcgrad, "gradnorm": gradnorm, "mgda": mgda, "cagrad": cagrad}
