"""MoE: the joint posterior is a mixture of the unimodal ones."""

from counterpoint.aggregation import MixtureOfProducts
from counterpoint.methods._options import resolve
from counterpoint.methods._papers import Paper
from counterpoint.model import Method
from counterpoint.objectives import ELBO
from counterpoint.priors import StandardNormal
from counterpoint.schedules import Scheduled, schedule

PAPER = Paper(
    ("Shi, Yuge", "Siddharth, N.", "Paige, Brooks", "Torr, Philip H. S."),
    "Variational Mixture-of-Experts Autoencoders for Multi-Modal Deep Generative Models",
    "NeurIPS",
    2019,
    "https://arxiv.org/abs/1911.03393",
)
PRESETS = {
    "paper": {"draw": "all", "kl_count": "once"},
    "official": {"draw": "stratified", "kl_count": "per_modality"},
}


def moe(
    *,
    beta: Scheduled = 1.0,
    draws: int = 1,
    draw: str | None = None,
    kl_count: str | None = None,
    preset: str | None = None,
) -> Method:
    """Return the mixture of experts as the MMVM paper compares it.

        q(z|X) = 1/M sum_m q_m(z|x_m)
        L = E_{e ~ q's components}[ sum_m NLL_m(x_m; z_e) ] + beta c 1/M sum_e KL(q_e || N(0, I))

    The mean of the KLs bounds the KL of the mixture from above. MMVAE proper (importance weights, Laplace) is
    another method.

    Args:
        beta: Weight of the rate, a number or a schedule.
        draws: K, latent draws per expert.
        draw: Experts decoded per row: `"one"` at random (unless given), `"stratified"` by position in the
            batch, `"all"`.
        kl_count: c = 1 (`"once"`, unless given) or the number of present modalities (`"per_modality"`).
        preset: `"paper"` (all, once) or `"official"` (stratified, per modality).

    Raises:
        InputError: If an option is out of range.

    Source: Shi et al. 2019; as compared in Sutter et al. 2024 (MMVM), Appendix B.

    Example:
        >>> moe(preset="official").objective.draw
        'stratified'
    """
    given = {"draw": draw, "kl_count": kl_count}
    o = resolve(preset, PRESETS, {"draw": "one", "kl_count": "once"}, given)
    hyper = {"beta": schedule("beta", beta)}
    options = {"beta": str(hyper["beta"]), "draws": draws, **o}
    aggregation = MixtureOfProducts("singletons")
    return Method("moe", aggregation, StandardNormal(), ELBO(draws=draws, **o), hyper=hyper, options=options)
