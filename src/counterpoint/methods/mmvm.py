"""MMVM: a VAE per modality, tied softly by a data-dependent mixture-of-experts prior."""

from counterpoint.aggregation import Separate
from counterpoint.methods._options import resolve
from counterpoint.model import Method
from counterpoint.objectives import ELBO
from counterpoint.priors import MixtureOfExperts
from counterpoint.schedules import Scheduled, schedule

PRESETS = {
    "paper": {"rate": "mixture", "alpha": 0.0},
    "official": {"rate": "pairwise", "alpha": 0.0},
    "official_annealed": {"rate": "pairwise", "alpha": "exp:1:0:150000"},
}


def mmvm(
    *,
    beta: Scheduled = 1.0,
    draws: int = 1,
    rate: str | None = None,
    alpha: Scheduled | None = None,
    preset: str | None = None,
) -> Method:
    """Return the multimodal variational mixture-of-experts prior (MMVM, earlier MM-VAMP).

        h(z|X) = 1/M sum_n q_n(z|x_n)
        L = sum_m [ NLL_m(x_m; z_m) + beta ( (1 - alpha) R_m + alpha KL(q_m || N(0, I)) ) ]
        z_m ~ q_m(z|x_m)

    with R_m = KL(q_m || h) in the paper and 1/M sum_n KL(q_m || q_n) in the released code. alpha = 1 gives
    independent VAEs. In a row with something missing the mixture runs over what is present.

    Args:
        beta: Weight of the rate, a number or a schedule. Pairwise rates are larger: their betas do not
            compare.
        draws: K, latent draws per row.
        rate: `"pairwise"` (unless given), `"mixture"` or `"mixture_bound"`; see
            `counterpoint.priors.MixtureOfExperts`.
        alpha: Weight of N(0, I), 0 unless given; a number or a schedule such as `"exp:1:0:150000"`.
        preset: `"paper"` (mixture), `"official"` (pairwise, alpha 0: its PolyMNIST runs) or
            `"official_annealed"` (pairwise, alpha from 1 to 0 over 150,000 steps: its CelebA and chest X-ray
            runs).

    Raises:
        InputError: If an option is out of range.

    Source: Sutter et al. 2024 (MMVM), eq. 3-6; alpha is in the released code only.

    Example:
        >>> mmvm(preset="paper").prior
        MixtureOfExperts(rate_kind='mixture')
    """
    o = resolve(preset, PRESETS, {"rate": "pairwise", "alpha": 0.0}, {"rate": rate, "alpha": alpha})
    hyper = {"beta": schedule("beta", beta), "alpha": schedule("alpha", o["alpha"])}
    options = {"beta": str(hyper["beta"]), "draws": draws, "rate": o["rate"], "alpha": str(hyper["alpha"])}
    prior = MixtureOfExperts(o["rate"])
    return Method("mmvm", Separate(), prior, ELBO(draws=draws), hyper=hyper, options=options)
