"""CMMD: a prior that reads what is observed, and generates and classifies what is not."""

from dataclasses import dataclass

import torch

from counterpoint.aggregation import Posterior
from counterpoint.batch import Batch
from counterpoint.conditional import readable, recognised
from counterpoint.conditioned import Conditioned, observed_names
from counterpoint.distributions import DiagNormal, kl, kl_standard
from counterpoint.errors import InputError, choose, number, whole
from counterpoint.methods._options import resolve
from counterpoint.methods._papers import Paper
from counterpoint.mmd import squared_mmd
from counterpoint.model import Method, MultimodalVAE
from counterpoint.objectives import Loss, Needs, Noise
from counterpoint.priors import Hyper
from counterpoint.schedules import Schedule, Scheduled, schedule
from counterpoint.shapes import Bool, Float, Tensor

PAPER = Paper(
    ("Mancisidor, Rogelio A.", "Kampffmeyer, Michael", "Aas, Kjersti", "Jenssen, Robert"),
    "Discriminative Multimodal Learning via Conditional Priors in Generative Models",
    "Neural Networks",
    2024,
    "https://arxiv.org/abs/2110.04616",
)
PRESETS = {
    "paper": {"kl": "correct", "classify": "draw", "classifier_weight": 10.0},
    "official": {
        "kl": "released",
        "classify": "mean",
        "classifier_weight": 1000.0,
        "decoder_sees_observed": True,
    },
}
DEFAULTS = {
    "kl": "correct",
    "classify": "mean",
    "classifier_weight": 10.0,
    "decoder_sees_observed": False,
}
KLS = ("correct", "released")
CLASSIFY = ("mean", "draw")
GENERATE = ("missing", "all")


def cmmd(
    *,
    observed: tuple[str, ...] | list[str] | None = None,
    kl_weight: Scheduled = 0.5,
    mmd_weight: Scheduled | None = None,
    mmd_scale: float = 1000.0,
    classifier_weight: Scheduled | None = None,
    classify: str | None = None,
    kl: str | None = None,
    generate: str = "missing",
    decoder_sees_observed: bool | None = None,
    draws: int = 1,
    preset: str | None = None,
) -> Method:
    """Return CMMD.

        L = sum_{m missing} NLL_m(x_m; z) + w KL(q(z|x_o, x_m, y) || p(z|x_o)) + w' lambda MMD^2(q, p)
            + alpha NLL(y; z_p),    z ~ q(z|x_o, x_m, y),    z_p = E p(z|x_o)

    At w = 1, w' = 0 it is the conditional ELBO; less of w and more of w' keeps information about x_m in z.
    The MMD is between the batch's draws of q and of p(z|x_o), independent ones. The target y is the label
    that the model was given (`Counterpoint(target=...)`); without one nothing is classified. Asked for
    anything, the model answers from p(z|x_o), and reads neither x_m nor y.

    Args:
        observed: The modalities x_o, the same in every row; x_m are the others. None is beyond the paper: one
            model for every x_o, a random non-empty set of what a row has (never the target) at each step.
        kl_weight: w (omega of the released code), a number or a schedule.
        mmd_weight: w', 1 - w unless given; needed where w moves.
        mmd_scale: lambda.
        classifier_weight: alpha, for each row; 10 unless given. A number or a schedule.
        classify: From the prior's `"mean"` (unless given) or a `"draw"` of it.
        kl: `"correct"` (unless given), or as `"released"`, where the trace term lacks its 1/2.
        generate: Distortions of the `"missing"` modalities alone, or of `"all"`.
        decoder_sees_observed: Decoders read what the prior's encoders make of x_o beside z. Not unless given.
        draws: K.
        preset: `"paper"` (a draw is classified) or `"official"` (the mean, the released KL, alpha 1000: 10
            times the sum over its batches of 100 rows, and decoders that see x_o).

    Raises:
        InputError: If an option is out of range.

    Source: Mancisidor et al. 2024 (CMMD), eq. 5 and Appendix A.

    Example:
        >>> cmmd(observed=["image"], kl_weight=0.4).at(0)["mmd_weight"]
        0.6
    """
    given = {
        "kl": kl,
        "classify": classify,
        "classifier_weight": classifier_weight,
        "decoder_sees_observed": decoder_sees_observed,
    }
    o = resolve(preset, PRESETS, DEFAULTS, given)
    weights = _weights(kl_weight, mmd_weight)
    alpha = schedule("classifier_weight", o["classifier_weight"])
    names = observed_names(observed)
    objective = ConditionalBound(
        names is None,
        choose("kl", o["kl"], KLS) == "released",
        choose("classify", o["classify"], CLASSIFY) == "draw",
        choose("generate", generate, GENERATE) == "all",
        number("mmd_scale", mmd_scale),
        whole("draws", draws),
    )
    hyper = {**weights, "classifier_weight": alpha}
    options = {
        "observed": None if names is None else list(names),
        **{k: str(v) for k, v in hyper.items()},
        **{"mmd_scale": mmd_scale, "classify": o["classify"], "kl": o["kl"]},
        **{k: o[k] for k in ("decoder_sees_observed",)},
        **{"generate": generate, "draws": draws},
    }
    return Method(
        "cmmd",
        Conditioned(),
        ConditionalPrior(),
        objective,
        hyper=hyper,
        options=options,
        joint=True,
        conditional=True,
        context=bool(o["decoder_sees_observed"]),
        observed=names,
    )


def _weights(kl_weight: Scheduled, mmd_weight: Scheduled | None) -> dict[str, Schedule]:
    """Return the weights of KL and MMD, which sum to 1 unless both are given."""
    one = schedule("kl_weight", kl_weight)
    if mmd_weight is not None:
        return {"kl_weight": one, "mmd_weight": schedule("mmd_weight", mmd_weight)}
    if one.kind != "constant" or one.end > 1:
        raise InputError(f"kl_weight is {one}, of which 1 - kl_weight makes no weight; give mmd_weight too.")
    return {"kl_weight": one, "mmd_weight": schedule("mmd_weight", 1 - one.end)}


@dataclass(frozen=True)
class ConditionalPrior:
    """p(z | x_o), which is what a model is asked; its rate here is how far it is from N(0, I).

    The rate of training, KL(q(z | x_o, x_m, y) || p(z | x_o)), is a term of the loss.

    Example:
        >>> ConditionalPrior()
        ConditionalPrior()
    """

    def rate(self, posterior: Posterior, z: Tensor, present: Tensor, hyper: Hyper) -> Float[Tensor, "E B"]:
        """Return KL(p(z | x_o) || N(0, I)), (1, B)."""
        return kl_standard(posterior.experts)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ConditionalBound:
    """The objective of CMMD.

    Its MMD is of a whole batch: every row with anything in it has an even share, and the mean over the rows
    of the batch is the MMD. So rows see one another, unless `mmd_weight` is 0.

    Args:
        any_set: Draw which modalities are observed, in every row.
        released: Twice the trace term in the KL.
        drawn: Classify a draw of the prior, not its mean.
        everything: Distortions of observed modalities too.
        mmd_scale: lambda.
        draws: K.
    """

    any_set: bool
    released: bool
    drawn: bool
    everything: bool
    mmd_scale: float
    draws: int

    rows_alone = False

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes: draws of q and of the prior, and which set is observed."""
        return Needs(self.draws, 2, int(self.any_set))

    def __call__(self, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        present, read = batch.present, model.read(batch)
        seen = self._seen(model, present, noise.uniform)
        encoded = model.encode_read(read, seen)
        p = encoded.shared[-1]
        q = recognised(model, read, present)
        assert isinstance(p, DiagNormal)
        assert isinstance(q, DiagNormal)
        z, z_p = q.rsample(noise.normal[:, 0]), p.rsample(noise.normal[:, 1])  # (K, B, D)
        beside, rate = z, kl(q, p)
        if model.method.context:
            assert encoded.context is not None
            beside = torch.cat([z, encoded.context.expand(*z.shape[:-1], -1)], -1)
        if self.released:
            rate = rate + (q.scale / p.scale).square().sum(-1) / 2
        rate = torch.where(present.any(0), rate, 0.0)
        total, terms, can = hyper["kl_weight"] * rate, {}, readable(model)
        for m, (name, modality) in enumerate(zip(model.names, model.modalities, strict=True)):
            is_target, explain = name == model.target, present[m]
            if not is_target and not self.everything:
                if not self.any_set and m in can:  # read in every row that has it
                    terms[f"distortion/{name}"] = torch.zeros_like(rate)
                    continue
                explain = present[m] & ~seen[m]
            latent = beside if not is_target else z_p if self.drawn else p.loc[None]
            log_p = modality.log_prob(latent, batch.x[name], batch.mask[name], batch.covariates)
            distortion = torch.where(explain, -log_p.mean(0), 0.0)
            weight = hyper["classifier_weight"] if is_target else 1.0
            total, terms[f"distortion/{name}"] = (
                total + weight * modality.weight * distortion,
                distortion,
            )
        terms["rate"] = rate
        # Also where its weight is 0: so a grid over `kl_weight` stays one stack, and its histories compare.
        terms["mmd"] = self._mmd(z, z_p, present.any(0))
        return Loss(total + hyper["mmd_weight"] * self.mmd_scale * terms["mmd"], terms)

    def _seen(
        self, model: MultimodalVAE, present: Bool[Tensor, "M B"], uniform: Float[Tensor, "U B"]
    ) -> Bool[Tensor, "M B"]:
        """Return what the prior reads: what a row has of the observed modalities, or a random set of it.

        Of the 2^n - 1 non-empty sets of n present modalities each is as likely.
        """
        can = readable(model)
        able = present.new_tensor([m in can for m in range(len(model.names))]).unsqueeze(-1)
        there = present & able
        if not self.any_set:
            return there
        count = there.sum(0)
        sets = torch.exp2(count.to(uniform.dtype)) - 1
        number_of_set = torch.floor(uniform[0] * sets) + 1  # 1 .. 2^n - 1, its bits the members
        place = there.cumsum(0) - 1
        power = torch.exp2(place.to(uniform.dtype))
        return there & (torch.floor(number_of_set / power) % 2 == 1)

    def _mmd(
        self, z: Float[Tensor, "K B D"], z_p: Float[Tensor, "K B D"], some: Bool[Tensor, "B"]
    ) -> Float[Tensor, "B"]:
        """Return every row's share of the squared MMD, averaged over the draws."""
        weight = some.to(z.dtype) / some.sum().clamp_min(1)
        found = torch.stack([squared_mmd(a, b, weight) for a, b in zip(z, z_p, strict=True)]).mean()
        return found * weight * z.shape[1]
