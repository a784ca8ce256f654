"""Verbs that ask a run about rows, and write the answer."""

from collections import Counter
from typing import TYPE_CHECKING

from counterpoint.commands.parts import (
    CELLS,
    check_answers,
    check_ending,
    names,
    say_next,
    unit,
    write_latents,
    write_npz,
)
from counterpoint.commands.sources import AS_FITTED, Told, asked, asked_cells, by_parts, remark

if TYPE_CHECKING:
    import numpy as np

    from counterpoint.data import MultimodalData


def embed(
    run: str,
    data: str,
    given: str | None = None,
    out: str = "embedding.npz",
    how: str = "mixture",
    remove_batch: bool = False,
    told: Told = AS_FITTED,
) -> None:
    """Write the latents of rows: the joint one, and each modality's own (NaN where it is absent).

    Args:
        run: A run directory.
        data: Rows with the modalities of the run; some may be absent.
        given: Only look at these modalities, with commas.
        out: The .npz to write: `joint`, `modality/NAME` for each, and the names of the `rows`; or a .csv or
            .parquet with the column `id`; or a .h5mu or .h5ad, a copy of the data with `obsm["X_cp"]`.
        how: mixture, precision (weighed by it) or product of the observed posteriors.
        remove_batch: Of the joint latents, take away what is left of the mean shift of every batch.
        told: How the rows are read.
    """
    check_ending(out, ".csv", ".parquet", *CELLS)
    if out.endswith(CELLS):
        _into_cells(run, data, out, told, given=names(given), how=how, remove_batch=remove_batch)
        return say_next("impute", run, data, **told.typed())
    estimator, found = asked(run, data, told)
    joint = estimator.embed(found, names(given), how=how, remove_batch=remove_batch)
    each = {f"modality/{k}": v for k, v in estimator.embed_each(found).items()}
    write_latents(out, {"joint": joint, **each}, found.rows)
    print(f"{joint.shape[0]} rows x {joint.shape[1]} dimensions · wrote {out}: {', '.join(['joint', *each])}")
    remark(estimator, found)
    say_next("impute", run, data, **told.typed())


def translate(
    run: str,
    data: str,
    *,
    source: str,
    target: str,
    out: str = "translation.npz",
    draws: int = 0,
    how: str = "mixture",
    as_batch: dict[str, str] | None = None,
    told: Told = AS_FITTED,
) -> None:
    """Write one modality as it follows from others.

    Args:
        run: A run directory.
        data: Rows with the source modalities.
        source: The modalities that are looked at, with commas.
        target: The modality that is generated.
        out: The .npz to write.
        draws: Latent draws to average; 0 decodes the posterior means.
        how: mixture, precision (weighed by it) or product of the observed posteriors.
        as_batch: Decode as if every row came from there: --as_batch.donor A.
        told: How the rows are read.
    """
    check_ending(out)
    estimator, found = asked(run, data, told)
    read, as_told = names(source) or (), {"draws": draws, "how": how, "as_batch": as_batch}

    def ask(part: "MultimodalData") -> "dict[str, np.ndarray]":
        return {target: estimator.translate(part, read, target, **as_told)}

    made = by_parts(found, ask)
    write_npz(out, made)
    print(f"{target} {made[target].shape} from {source} · wrote {out}")
    remark(estimator, found)
    say_next("impute", run, data, **told.typed())


def impute(
    run: str,
    data: str,
    to: str | None = None,
    out: str = "imputed.npz",
    draws: int = 32,
    how: str = "mixture",
    as_batch: dict[str, str] | None = None,
    told: Told = AS_FITTED,
) -> None:
    """Write what is missing: filled table, mean and standard deviation.

    Args:
        run: A run directory.
        data: Rows; every one is imputed from whatever it has.
        to: The modalities to impute, with commas; all unless given.
        out: The .npz to write: `NAME/filled`, `NAME/mean`, `NAME/spread`, and the names of the `rows`; or a
            .h5mu or .h5ad, a copy of the data with `layers["cp_imputed"]`.
        draws: Predictive draws.
        how: mixture, precision (weighed by it) or product of the observed posteriors.
        as_batch: Decode as if every row came from there: --as_batch.donor A.
        told: How the rows are read.
    """
    from counterpoint.report.screen import show_table

    check_ending(out, *CELLS)
    if out.endswith(CELLS):
        _into_cells(run, data, out, told, to=names(to), impute=True, how=how, draws=draws, as_batch=as_batch)
        return say_next("embed", run, data, **told.typed())
    estimator, found = asked(run, data, told)
    wanted = list(estimator.modalities_) if to is None else names(to) or []
    check_answers(found, estimator.preparation_, wanted)
    as_told = {"draws": draws, "how": how, "as_batch": as_batch}
    absent, counted = Counter[str](), dict.fromkeys(wanted, "rows")

    def ask(part: "MultimodalData") -> "dict[str, np.ndarray]":
        made = estimator.impute(part, wanted, **as_told)
        for name in (name for name in made if name in part.mask):
            absent[name] += int((~part.mask[name]).sum())
            counted[name] = unit(part, name)
        return {f"{k}/{of}": getattr(v, of) for k, v in made.items() for of in ("filled", "mean", "spread")}

    write_latents(out, by_parts(found, ask), found.rows)
    cells = [["modality", "missing", "counted in"]]
    cells += [[n, str(absent[n]) if n in absent else "all", counted[n]] for n in wanted]
    show_table(cells)
    print(f"wrote {out}")
    remark(estimator, found)
    say_next("embed", run, data, **told.typed())


def _into_cells(
    run: str,
    data: str,
    out: str,
    told: Told,
    *,
    given: list[str] | None = None,
    to: list[str] | None = None,
    impute: bool = False,
    how: str,
    draws: int = 32,
    remove_batch: bool = False,
    as_batch: dict[str, str] | None = None,
) -> None:
    """Write a copy of an AnnData or MuData with what the run says of its cells."""
    from counterpoint.data.omics_annotate import annotate
    from counterpoint.data.omics_files import write_file

    cells, estimator, found = asked_cells(run, data, out, told)
    to = list(estimator.modalities_) if impute and to is None else to
    made = annotate(
        cells,
        estimator,
        data=found,
        given=given,
        to=to,
        how=how,
        draws=draws,
        remove_batch=remove_batch,
        as_batch=as_batch,
    )
    write_file(out, cells)
    print(f"{len(found)} cells, none dropped · wrote {out}: {', '.join(made)}")
    remark(estimator, found)


def predict(
    run: str,
    data: str,
    given: str | None = None,
    out: str = "predictions.npz",
    draws: int = 0,
    how: str = "mixture",
    told: Told = AS_FITTED,
) -> None:
    """Write the label of rows that come without: the most probable class, and all probabilities.

    Args:
        run: A run directory, fitted with --target.
        data: Rows with the modalities of the run; some may be absent. A label in it is not read.
        given: Only look at these modalities, with commas.
        out: The .npz to write: `label`, `probability`, `classes`.
        draws: Latent draws to average; 0 decodes the posterior means.
        how: mixture, precision (weighed by it) or product of the observed posteriors.
        told: How the rows are read.
    """
    check_ending(out)
    estimator, found = asked(run, data, told)

    def ask(part: "MultimodalData") -> "dict[str, np.ndarray]":
        return {"p": estimator.predict_proba(part, names(given), draws=draws, how=how)}

    p = by_parts(found, ask)["p"]
    write_npz(out, {"label": estimator.answers(p), "probability": p, "classes": estimator.classes_})
    rows, classes = p.shape
    print(f"{estimator.target} of {rows} rows, {classes} classes · wrote {out}: label, probability, classes")
    remark(estimator, found)
    say_next("embed", run, data, **told.typed())
