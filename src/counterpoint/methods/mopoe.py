"""MoPoE: the joint posterior is a mixture over all subsets of products of experts."""

from counterpoint.aggregation import MixtureOfProducts
from counterpoint.methods._options import private_latents, resolve
from counterpoint.methods._papers import Paper
from counterpoint.model import Method
from counterpoint.objectives import ELBO
from counterpoint.priors import StandardNormal
from counterpoint.schedules import Scheduled, schedule

PAPER = Paper(
    ("Sutter, Thomas M.", "Daunhawer, Imant", "Vogt, Julia E."),
    "Generalized Multimodal ELBO",
    "ICLR",
    2021,
    "https://arxiv.org/abs/2105.02470",
)
PRESETS = {
    "paper": {"draw": "all", "kl_count": "once", "prior_expert": "none"},
    "official": {"draw": "stratified", "kl_count": "once", "prior_expert": "full"},
    "official_mmvm": {"draw": "stratified", "kl_count": "per_modality", "prior_expert": "none"},
}


def mopoe(
    *,
    beta: Scheduled = 1.0,
    draws: int = 1,
    draw: str | None = None,
    prior_expert: str | None = None,
    kl_count: str | None = None,
    private_dim: int = 0,
    beta_private: Scheduled = 1.0,
    preset: str | None = None,
) -> Method:
    """Return the mixture of products of experts.

        q_A(z|x_A) ~ prod_{m in A} q_m(z|x_m),    q(z|X) = 1/(2^M - 1) sum_A q_A
        L = E_A[ sum_m NLL_m(x_m; z_A, w_m) ] + beta [ c/(2^M - 1) sum_A KL(q_A || N(0, I))
            + beta_w sum_m KL(q_m(w_m|x_m) || N(0, I)) ]

    over all non-empty subsets A; in a row with something missing, over the subsets that were observed whole.

    Args:
        beta: Weight of the rate, a number or a schedule.
        draws: K, latent draws per expert.
        draw: Subsets decoded per row: `"one"` at random (unless given), `"stratified"` by position in the
            batch, `"all"`.
        prior_expert: Multiply N(0, I) into `"none"` of the products (unless given), only the `"full"` one, or
            `"all"`.
        kl_count: c = 1 (`"once"`, unless given) or the number of present modalities (`"per_modality"`).
        private_dim: Columns of the private (style) latents w_m, 0 for none as in the equations without w.
        beta_private: beta_w, the private latents' weight beside beta; a number or a schedule.
        preset: `"paper"`, `"official"` (MoPoE's own code) or `"official_mmvm"` (the baseline of the MMVM
            code).

    Raises:
        InputError: If an option is out of range.

    Source: Sutter et al. 2021 (MoPoE), eq. 5-9; private latents: its Appendix on factorised latents.

    Example:
        >>> mopoe(preset="official").aggregation.prior_expert
        'full'
    """
    given = {"draw": draw, "kl_count": kl_count, "prior_expert": prior_expert}
    o = resolve(preset, PRESETS, {"draw": "one", "kl_count": "once", "prior_expert": "none"}, given)
    hyper, private = {"beta": schedule("beta", beta)}, private_latents(private_dim, beta_private)
    objective = ELBO(draws=draws, draw=o["draw"], kl_count=o["kl_count"])
    options = {"beta": str(hyper["beta"]), "draws": draws, **o, **private.options}
    aggregation = MixtureOfProducts("all", o["prior_expert"])
    return Method(
        "mopoe",
        aggregation,
        StandardNormal(),
        objective,
        hyper={**hyper, **private.hyper},
        options=options,
        private_dim=private.dim,
    )
