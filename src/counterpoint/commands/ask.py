"""Verbs that ask a run about rows, and write the answer."""

from counterpoint.commands.parts import (
    CELLS,
    asked,
    asked_cells,
    check_ending,
    names,
    say_next,
    unit,
    write_latents,
    write_npz,
)


def embed(
    run: str,
    data: str,
    given: str | None = None,
    out: str = "embedding.npz",
    how: str = "mixture",
    remove_batch: bool = False,
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
    """
    check_ending(out, ".csv", ".parquet", *CELLS)
    if out.endswith(CELLS):
        _into_cells(run, data, out, given=names(given), how=how, remove_batch=remove_batch)
        return say_next("impute", run, data)
    estimator, found = asked(run, data)
    joint = estimator.embed(found, names(given), how=how, remove_batch=remove_batch)
    each = {f"modality/{k}": v for k, v in estimator.embed_each(found).items()}
    write_latents(out, {"joint": joint, **each}, found.rows)
    print(f"{joint.shape[0]} rows x {joint.shape[1]} dimensions · wrote {out}: {', '.join(['joint', *each])}")
    say_next("impute", run, data)


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
    """
    check_ending(out)
    estimator, found = asked(run, data)
    made = estimator.translate(found, names(source), target, draws=draws, how=how, as_batch=as_batch)
    write_npz(out, {target: made})
    print(f"{target} {made.shape} from {source} · wrote {out}")
    say_next("impute", run, data)


def impute(
    run: str,
    data: str,
    to: str | None = None,
    out: str = "imputed.npz",
    draws: int = 32,
    how: str = "mixture",
    as_batch: dict[str, str] | None = None,
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
    """
    from counterpoint.report.screen import show_table

    check_ending(out, *CELLS)
    if out.endswith(CELLS):
        _into_cells(run, data, out, to=names(to), impute=True, how=how, draws=draws, as_batch=as_batch)
        return say_next("embed", run, data)
    estimator, found = asked(run, data)
    made = estimator.impute(found, names(to), draws=draws, how=how, as_batch=as_batch)
    parts = {
        f"{k}/{part}": getattr(v, part) for k, v in made.items() for part in ("filled", "mean", "spread")
    }
    write_latents(out, parts, found.rows)
    cells = [["modality", "missing", "counted in"]]
    for name in made:
        absent = int((~found.mask[name]).sum()) if name in found.mask else "all"
        cells.append([name, f"{absent}", unit(found, name)])
    show_table(cells)
    print(f"wrote {out}")
    say_next("embed", run, data)


def _into_cells(
    run: str,
    data: str,
    out: str,
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

    cells, estimator, found = asked_cells(run, data, out)
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


def predict(
    run: str,
    data: str,
    given: str | None = None,
    out: str = "predictions.npz",
    draws: int = 0,
    how: str = "mixture",
) -> None:
    """Write the label of rows that come without: the most probable class, and all probabilities.

    Args:
        run: A run directory, fitted with --target.
        data: Rows with the modalities of the run; some may be absent. A label in it is not read.
        given: Only look at these modalities, with commas.
        out: The .npz to write: `label`, `probability`, `classes`.
        draws: Latent draws to average; 0 decodes the posterior means.
        how: mixture, precision (weighed by it) or product of the observed posteriors.
    """
    check_ending(out)
    estimator, found = asked(run, data)
    p = estimator.predict_proba(found, names(given), draws=draws, how=how)
    write_npz(out, {"label": estimator.answers(p), "probability": p, "classes": estimator.classes_})
    rows, classes = p.shape
    print(f"{estimator.target} of {rows} rows, {classes} classes · wrote {out}: label, probability, classes")
    say_next("embed", run, data)
