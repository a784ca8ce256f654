"""The verb that makes rows from nothing."""

from typing import TYPE_CHECKING

from counterpoint.commands.parts import check_ending, say_next, write_npz
from counterpoint.errors import InputError, choose, whole

if TYPE_CHECKING:
    from counterpoint.estimator import Counterpoint


def sample(
    run: str,
    data: str | None = None,
    n: int = 100,
    density: str = "gmm",
    out: str = "samples.npz",
    components: int | None = None,
    noise: bool = False,
    seed: int = 0,
) -> None:
    """Draw new rows: one latent a row from a density over the training rows' latents, decoded by all.

    Args:
        run: A run directory.
        data: The data that the run was trained on (its test rows are cut off again): a density is fitted on
            it and kept with the run. Needed once for every kind.
        n: How many rows.
        density: gmm, flow, hyperprior, vamp, or standard, the prior of methods trained against N(0, I).
        out: The .npz to write: every modality by its name, and the latents as `z`.
        components: Of gmm and vamp; they choose unless given.
        noise: Draw from the likelihoods instead of taking their means.
        seed: Of the fit and of the draws.
    """
    from counterpoint import generating, runs
    from counterpoint.densities import KINDS

    choose("density", density, KINDS)
    whole("n", n)
    whole("seed", seed, least=0)
    check_ending(out)
    if data is None:
        if components is not None:
            raise InputError("components came without data; name the training data with data=PATH.")
        estimator = runs.load(run)
        if density not in (*estimator.densities_, "standard"):
            raise InputError(
                f"{run} has no density {density!r} yet; name its training data with data=PATH, and it is "
                "fitted and kept."
            )
    else:
        if density == "standard":
            raise InputError("density is 'standard', which is not fitted; leave data out.")
        estimator = _fitted(run, data, density, components, seed)
    made = estimator.sample(n, density=density, noise=noise, seed=seed)
    z = generating.draw(estimator.model_, estimator.densities_, density, n, seed)
    latents = "z" if "z" not in made else "latents of the samples"
    write_npz(out, {**made, latents: z.numpy()})
    shapes = ", ".join(f"{k} {v.shape}" for k, v in made.items())
    print(f"{n} rows from the {density} density of {z.shape[1]} dimensions: {shapes} · wrote {out}")
    say_next("report", run)


def _fitted(run: str, data: str, density: str, components: int | None, seed: int) -> "Counterpoint":
    """Fit a density on the run's training rows, and keep it."""
    from counterpoint import runs
    from counterpoint.commands.sources import as_fitted, rows_of
    from counterpoint.protocol import hold_out

    estimator = runs.load(run)
    split = runs.scores_of(run).get("split")
    as_read = as_fitted(estimator, split, data)  # of sessions the data are a folder
    labels = None if split is None or as_read["how"] else [split["label"]]
    found = rows_of([data], modalities=estimator.modalities_, labels=labels, **as_read)
    if split is not None:
        found, _ = hold_out(found, split["test"], split["label"], split["seed"])
    rows = estimator.data_summary_["rows"]
    if len(found) != rows:
        raise InputError(
            f"{data} has {len(found)} training rows, and {run} was trained on {rows}; give the data it was "
            "trained on."
        )
    estimator.fit_density(found, density, components=components, seed=seed)
    told = estimator.densities_[density].settings
    path = runs.add_density(run, density, estimator.densities_[density])
    left = f", {told['left_out']} with nothing observed left out" if told["left_out"] else ""
    sizes = {k: told[k] for k in ("components", "reg_covar", "epochs") if k in told}
    said = "".join(f", {k.replace('_', ' ')} {v}" for k, v in sizes.items())
    print(f"fitted {density} on the latents of {told['rows']} rows{left}{said} · wrote {path}")
    return estimator
