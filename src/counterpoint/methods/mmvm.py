"""MMVM: a VAE per modality, tied softly by a data-dependent mixture-of-experts prior."""

from counterpoint.aggregation import Separate
from counterpoint.errors import InputError, choose, number
from counterpoint.methods._options import private_latents, resolve
from counterpoint.methods._papers import MMVM
from counterpoint.model import Method
from counterpoint.objectives import ELBO
from counterpoint.precision import SeparateByPrecision
from counterpoint.priors import MixtureOfExperts
from counterpoint.schedules import Schedule, Scheduled, schedule

PAPER = MMVM
PRESETS = {
    "paper": {"rate": "mixture", "alpha": 0.0},
    "official": {"rate": "pairwise", "alpha": 0.0},
    "official_annealed": {"rate": "pairwise", "alpha": "exp:1:0:150000"},
}
PLAIN = Schedule("constant", 1.0, 1.0)


WEIGHTS = {"even": Separate(), "precision": SeparateByPrecision()}


def mmvm(
    *,
    beta: Scheduled = 1.0,
    draws: int = 1,
    rate: str | None = None,
    alpha: Scheduled | None = None,
    mixture_weights: str = "even",
    temperature: Scheduled = 1.0,
    gradient: str = "reparameterised",
    private_dim: int = 0,
    beta_private: Scheduled = 1.0,
    preset: str | None = None,
) -> Method:
    """Return the multimodal variational mixture-of-experts prior (MMVM, earlier MM-VAMP).

        h(z|X) = sum_n w_n p_n(z|x_n),    p_n = q_n with its scale times t
        L = sum_m [ NLL_m(x_m; z_m) + beta ( (1 - alpha) R_m + alpha KL(q_m || N(0, I)) ) ]
        z_m ~ q_m(z|x_m)

    with R_m = KL(q_m || h) in the paper and sum_n w_n KL(q_m || p_n) in the released code, w_n = 1/M and
    t = 1 in both. alpha = 1 gives independent VAEs. In a row with something missing the mixture runs over
    what is present.

    Args:
        beta: Weight of the rate, a number or a schedule. Pairwise rates are larger: their betas do not
            compare.
        draws: K, latent draws per row.
        rate: `"pairwise"` (unless given), `"mixture"` or `"mixture_bound"`; see
            `counterpoint.priors.MixtureOfExperts`.
        alpha: Weight of N(0, I), 0 unless given; a number or a schedule such as `"exp:1:0:150000"`.
        mixture_weights: w: `"even"`, or `"precision"`, where a posterior counts by how sharp it is. They hold
            for imputations and joint latents too.
        temperature: t, above 0, a number or a schedule such as `"exp:4:1:1000"`. Above 1 it lets the mixture
            rates pull from further away; pairwise with even weights it is beta/t^2 and a constant.
        gradient: Of the mixture rate: `"reparameterised"`, or `"path"`, which has less variance where
            posteriors are close, and is for even weights and temperature 1 alone.
        private_dim: Columns of a private latent w_m beside z_m, which nothing ties: N(0, I) is its prior,
            beta beta_w KL(q_m(w_m|x_m) || N(0, I)) is added and the decoder reads both. 0 for none.
        beta_private: beta_w, the private latents' weight beside beta; a number or a schedule.
        preset: `"paper"` (mixture), `"official"` (pairwise, alpha 0: its PolyMNIST runs) or
            `"official_annealed"` (pairwise, alpha from 1 to 0 over 150,000 steps: its CelebA and chest X-ray
            runs).

    Raises:
        InputError: If an option is out of range, or two do not go together.

    Source: Sutter et al. 2024 (MMVM), eq. 3-6; alpha is in the released code only. Mixture weights,
    temperature, gradients and private latents are additions.

    Example:
        >>> mmvm(preset="paper").prior.rate_kind
        'mixture'
    """
    private = private_latents(private_dim, beta_private)
    o = resolve(preset, PRESETS, {"rate": "pairwise", "alpha": 0.0}, {"rate": rate, "alpha": alpha})
    hyper = {"beta": schedule("beta", beta), "alpha": schedule("alpha", o["alpha"])}
    broader = schedule("temperature", temperature)
    number("temperature", min(broader.start, broader.end), open_=True)
    if broader != PLAIN:
        hyper["temperature"] = broader
    if gradient == "path" and (mixture_weights != "even" or broader != PLAIN):
        raise InputError(
            "gradient is 'path', which is unbiased for even mixture_weights at temperature 1 alone; leave it "
            "out, or them."
        )
    options = {
        "beta": str(hyper["beta"]),
        "draws": draws,
        "rate": o["rate"],
        "alpha": str(hyper["alpha"]),
        "mixture_weights": mixture_weights,
        "temperature": str(broader),
        "gradient": gradient,
        **private.options,
    }
    aggregation = WEIGHTS[choose("mixture_weights", mixture_weights, WEIGHTS)]
    prior = MixtureOfExperts(o["rate"], gradient)
    return Method(
        "mmvm",
        aggregation,
        prior,
        ELBO(draws=draws),
        hyper={**hyper, **private.hyper},
        options=options,
        private_dim=private.dim,
    )
