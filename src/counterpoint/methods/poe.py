"""PoE: one joint posterior, the product of the unimodal ones, without sub-sampling."""

from counterpoint.aggregation import Product
from counterpoint.methods._options import resolve
from counterpoint.methods._papers import MMVM
from counterpoint.model import Method
from counterpoint.objectives import ELBO
from counterpoint.priors import StandardNormal
from counterpoint.schedules import Scheduled, schedule

PAPER = MMVM
PRESETS = {
    "paper": {"kl_count": "once", "prior_expert": "none"},
    "official": {"kl_count": "per_modality", "prior_expert": "none"},
}


def poe(
    *,
    beta: Scheduled = 1.0,
    draws: int = 1,
    prior_expert: str | None = None,
    kl_count: str | None = None,
    preset: str | None = None,
) -> Method:
    """Return the product of experts as the MMVM paper compares it: no prior expert, no sub-sampling.

        q(z|X) ~ prod_m q_m(z|x_m)
        L = sum_m NLL_m(x_m; z) + beta c KL(q(z|X) || N(0, I)),    z ~ q(z|X)

    MVAE proper, with prior expert and sub-sampling, is `mvae`.

    Args:
        beta: Weight of the rate, a number or a schedule.
        draws: K, latent draws per row.
        prior_expert: Multiply N(0, I) into the product: `"none"` (unless given), `"full"` only when nothing
            is absent, `"all"`.
        kl_count: c = 1 (`"once"`, unless given) or the number of present modalities (`"per_modality"`).
        preset: `"paper"` (once) or `"official"` (per modality).

    Raises:
        InputError: If an option is out of range.

    Source: Sutter et al. 2024 (MMVM), section 5 and Appendix B.

    Example:
        >>> poe().aggregation
        Product(prior_expert='none')
    """
    given = {"kl_count": kl_count, "prior_expert": prior_expert}
    o = resolve(preset, PRESETS, {"kl_count": "once", "prior_expert": "none"}, given)
    hyper = {"beta": schedule("beta", beta)}
    objective = ELBO(draws=draws, kl_count=o["kl_count"])
    options = {"beta": str(hyper["beta"]), "draws": draws, **o}
    return Method(
        "poe", Product(o["prior_expert"]), StandardNormal(), objective, hyper=hyper, options=options
    )
