"""VCCA: all modalities are generated from the latent of those that will be there at test time."""

from counterpoint.conditioned import Conditioned, observed_names
from counterpoint.methods._options import private_latents
from counterpoint.methods._papers import Paper
from counterpoint.model import Method
from counterpoint.objectives import ELBO
from counterpoint.priors import StandardNormal
from counterpoint.schedules import Scheduled, schedule

PAPER = Paper(
    ("Wang, Weiran", "Yan, Xinchen", "Lee, Honglak", "Livescu, Karen"),
    "Deep Variational Canonical Correlation Analysis",
    "arXiv",
    2016,
    "https://arxiv.org/abs/1610.03454",
)


def vcca(
    *,
    observed: tuple[str, ...] | list[str] | None = None,
    beta: Scheduled = 1.0,
    draws: int = 1,
    private_dim: int = 0,
    beta_private: Scheduled = 1.0,
) -> Method:
    """Return VCCA, and VCCA-private with private latents.

        L = sum_m NLL_m(x_m; z, h_m) + beta [ KL(q(z|x_o) || p) + beta_h sum_m KL(q(h_m|x_m) || p) ]
        z ~ q(z|x_o),    h_m ~ q(h_m|x_m),    p = N(0, I)

    x_o are the modalities that are there at test time, one view in the paper; z never sees another. Where a
    modality is absent its h_m is drawn from the prior. Fixed and learned variances of the decoders are a
    choice of likelihood (`"normal"`, `"normal_learned"`).

    Args:
        observed: The modalities x_o; None, beyond the paper, is whatever a row has.
        beta: Weight of the rate, a number or a schedule.
        draws: K.
        private_dim: Columns of each h_m; 0 for none (VCCA).
        beta_private: beta_h, beside beta; a number or a schedule.

    Raises:
        InputError: If an option is out of range.

    Source: Wang et al. 2016 (VCCA), eq. 4 and section 3.1 (VCCA-private).

    Example:
        >>> vcca(observed=["acoustic"], private_dim=3).private_dim
        3
    """
    names = observed_names(observed)
    private = private_latents(private_dim, beta_private)
    hyper = {"beta": schedule("beta", beta), **private.hyper}
    options = {
        "observed": None if names is None else list(names),
        **{"beta": str(hyper["beta"]), "draws": draws, **private.options},
    }
    return Method(
        "vcca",
        Conditioned(),
        StandardNormal(),
        ELBO(draws=draws),
        hyper=hyper,
        options=options,
        private_dim=private.dim,
        conditional=True,
        observed=names,
    )
