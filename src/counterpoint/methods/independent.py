"""Independent VAEs: every modality alone, nothing shared."""

from counterpoint.aggregation import Separate
from counterpoint.methods._options import resolve
from counterpoint.methods._papers import Paper
from counterpoint.model import Method
from counterpoint.objectives import ELBO
from counterpoint.priors import StandardNormal
from counterpoint.schedules import Scheduled, schedule

PAPER = Paper(
    ("Kingma, Diederik P.", "Welling, Max"),
    "Auto-Encoding Variational Bayes",
    "ICLR",
    2014,
    "https://arxiv.org/abs/1312.6114",
)
PRESETS = {"paper": {"beta_power": 1}, "official": {"beta_power": 2}}


def independent(
    *, beta: Scheduled = 1.0, draws: int = 1, beta_power: int | None = None, preset: str | None = None
) -> Method:
    """Return one VAE per modality.

        L = sum_m [ NLL_m(x_m; z_m) + beta^p KL(q_m(z|x_m) || N(0, I)) ],    z_m ~ q_m

    Args:
        beta: Weight of the rate, a number or a schedule.
        draws: K, latent draws per row.
        beta_power: p, 1 unless given; the released code multiplies by beta twice on PolyMNIST.
        preset: `"paper"` (p = 1) or `"official"` (p = 2).

    Raises:
        InputError: If an option is out of range.

    Source: Kingma & Welling 2014; as a baseline, Sutter et al. 2024 (MMVM).

    Example:
        >>> independent(beta=0.5).at(0)
        {'beta': 0.5}
    """
    o = resolve(preset, PRESETS, {"beta_power": 1}, {"beta_power": beta_power})
    hyper = {"beta": schedule("beta", beta)}
    options = {"beta": str(hyper["beta"]), "draws": draws, **o}
    return Method(
        "independent", Separate(), StandardNormal(), ELBO(draws=draws, **o), hyper=hyper, options=options
    )
