"""Split: a shared latent and a private one of each modality, the MMVM authors' baseline."""

from dataclasses import dataclass

import torch

from counterpoint.aggregation import Average, MixtureOfProducts, Product
from counterpoint.batch import Batch
from counterpoint.cross import cross_log_prob
from counterpoint.errors import InputError, choose
from counterpoint.methods._options import private_latents, resolve
from counterpoint.methods._papers import MMVM
from counterpoint.model import Method, MultimodalVAE
from counterpoint.objectives import ELBO, Loss, Needs, Noise
from counterpoint.priors import Hyper, StandardNormal
from counterpoint.private import own
from counterpoint.schedules import Scheduled, schedule

PAPER = MMVM
PRESETS = {
    "official": {"kl_count": "per_modality", "decoding": "simple", "draw": "stratified"},
    "official_plus": {"kl_count": "per_modality", "decoding": "cross", "draw": "stratified"},
}
POOLS = {
    "avg": Average(),
    "poe": Product(),
    "moe": MixtureOfProducts("singletons"),
    "mopoe": MixtureOfProducts(),
}


def split(
    *,
    beta: Scheduled = 1.0,
    beta_private: Scheduled = 1.0,
    private_dim: int = 8,
    pool: str = "avg",
    decoding: str | None = None,
    draw: str | None = None,
    kl_count: str | None = None,
    draws: int = 1,
    preset: str | None = None,
) -> Method:
    """Return the shared/private baseline: normal posteriors, one joint posterior of the shared latents.

        L = sum_m NLL_m(x_m; z, w_m)
            + beta [ c KL(q(z|X) || N(0, I)) + beta_w sum_m KL(q_m(w_m|x_m) || N(0, I)) ]

    with z ~ q(z|X) (`decoding="simple"`), or decoded across: every modality's own z_r decodes all of them,
    another modality's private latent coming from a learned N(a_d, b_d), and the distortion is the mean over
    the sources r (`"cross"`; the rate stays that of q(z|X)).

    Args:
        beta: Weight of the rate, a number or a schedule.
        beta_private: beta_w, the private latents' weight beside beta; a number or a schedule.
        private_dim: Columns of the private latents, at least 1.
        pool: The joint posterior: `"avg"`, `"poe"`, `"moe"` or `"mopoe"`.
        decoding: `"simple"` (unless given) or `"cross"`.
        draw: Experts decoded per row by the simple decoding, as in `mopoe`; `"one"` unless given.
        kl_count: c = 1 (`"once"`, unless given) or the number of present modalities (`"per_modality"`).
        draws: K, latent draws per row.
        preset: `"official"` (simple, per modality) or `"official_plus"` (cross, per modality).

    Raises:
        InputError: If an option is out of range.

    Source: Sutter et al. 2024 (MMVM), released code; the cross decoding follows Palumbo et al. 2023.

    Example:
        >>> split(private_dim=4).private_dim
        4
    """
    given = {"decoding": decoding, "draw": draw, "kl_count": kl_count}
    o = resolve(preset, PRESETS, {"decoding": "simple", "draw": "one", "kl_count": "once"}, given)
    private = private_latents(private_dim, beta_private)
    if not private.dim:
        raise InputError(f"private_dim is 0, and split is nothing without; give at least 1, or take {pool}.")
    cross = choose("decoding", o["decoding"], ("simple", "cross")) == "cross"
    elbo = ELBO(draws=draws, kl_count=o["kl_count"], draw=o["draw"])
    hyper = {"beta": schedule("beta", beta), **private.hyper}
    return Method(
        "split",
        POOLS[choose("pool", pool, POOLS)],
        StandardNormal(),
        CrossDecoded(elbo) if cross else elbo,
        hyper=hyper,
        options={"beta": str(hyper["beta"]), **private.options, "pool": pool, **o, "draws": draws},
        private_dim=private.dim,
        auxiliary="both" if cross else "none",
    )


@dataclass(frozen=True)
class CrossDecoded:
    """The rate of the joint posterior with the mean distortion over what each modality alone explains."""

    elbo: ELBO

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes: every source's latents, then w' of every source and target."""
        return Needs(self.elbo.draws, modalities + modalities**2, 0)

    def __call__(self, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        present, modalities, dim = batch.present, len(model.names), model.latent_dim
        encoded = model.encode(batch, present)
        assert encoded.private is not None
        private = own(encoded.private, noise.private(modalities, dim), present)
        z = encoded.shared.rsample(noise.shared(modalities, dim))
        drawn = noise.normal[:, modalities:, :, dim:].unflatten(1, (modalities, modalities))
        log_p = cross_log_prob(model, batch, z, private.w, drawn).mean(0)  # (R, M, B)
        share = present.to(log_p.dtype) / present.sum(0).clamp_min(1)
        distortion = -torch.where(present[:, None], share[:, None] * log_p, 0.0).sum(0)  # (M, B)
        posterior = model.method.aggregation(encoded.shared, present)
        rates = model.method.prior.rate(posterior, z, present, hyper)
        rate = torch.where(posterior.weight > 0, posterior.weight * rates, 0.0).sum(0)
        if self.elbo.kl_count == "per_modality":
            rate = rate * present.sum(0)
        terms = {f"distortion/{n}": x for n, x in zip(model.names, distortion.unbind(), strict=True)}
        terms |= {"rate": rate}
        terms |= {f"rate_private/{n}": r for n, r in zip(model.names, private.rate.unbind(), strict=True)}
        weights = distortion.new_tensor([modality.weight for modality in model.modalities])
        cost = rate + hyper["beta_private"] * private.rate.sum(0)
        return Loss((weights[:, None] * distortion).sum(0) + hyper["beta"] * cost, terms)
