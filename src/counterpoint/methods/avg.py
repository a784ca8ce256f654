"""AVG: one joint posterior whose mean and variance are averages."""

from counterpoint.aggregation import Average
from counterpoint.methods._options import resolve
from counterpoint.methods._papers import Paper
from counterpoint.model import Method
from counterpoint.objectives import ELBO
from counterpoint.priors import StandardNormal
from counterpoint.schedules import Scheduled, schedule

PAPER = Paper(
    ("Hosoya, Haruo",),
    "Group-based Learning of Disentangled Representations with Generalizability for Novel Contents",
    "IJCAI",
    2019,
    "https://arxiv.org/abs/1809.02383",
)
PRESETS = {"paper": {"kl_count": "once"}, "official": {"kl_count": "per_modality"}}


def avg(
    *,
    beta: Scheduled = 1.0,
    draws: int = 1,
    of: str = "variance",
    kl_count: str | None = None,
    preset: str | None = None,
) -> Method:
    """Return the averaged joint posterior.

        q(z|X) = N( mean_m mu_m, mean_m s_m^2 )
        L = sum_m NLL_m(x_m; z) + beta c KL(q(z|X) || N(0, I)),    z ~ q(z|X)

    Args:
        beta: Weight of the rate, a number or a schedule.
        draws: K, latent draws per row.
        of: Average `"variance"`s, or `"scale"`s as the released spike code does.
        kl_count: c = 1 (`"once"`, unless given) or the number of present modalities (`"per_modality"`).
        preset: `"paper"` (once) or `"official"` (per modality).

    Raises:
        InputError: If an option is out of range.

    Source: Hosoya 2019 (GVAE); Sutter et al. 2024 (MMVM), eq. 13-14.

    Example:
        >>> avg(preset="official").objective.kl_count
        'per_modality'
    """
    o = resolve(preset, PRESETS, {"kl_count": "once"}, {"kl_count": kl_count})
    hyper = {"beta": schedule("beta", beta)}
    options = {"beta": str(hyper["beta"]), "draws": draws, "of": of, **o}
    return Method("avg", Average(of), StandardNormal(), ELBO(draws=draws, **o), hyper=hyper, options=options)
